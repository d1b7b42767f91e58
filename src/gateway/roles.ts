/**
 * Roles, and the one table of who may use which route (spec 09).
 *
 * In: nothing. Out: `ROLES`, `ROUTE_ACCESS`. A route that has no entry does not register (access.ts), an entry without a
 * route fails a test. Roles are a set, none contains another. Not here: fine rules about single objects (use cases).
 */
import { APPROVER_ROLES } from "../core/approval.ts";

export const ROLES = ["reader", "submitter", "author", "operator", "approver", "admin", "platform"] as const;
/** `platform` counts only on keys of the instance, never on a tenant's (auth.ts). */
export type Role = (typeof ROLES)[number];

/** What each is for, in the words of the README's table. */
export const ROLE_MEANINGS: Readonly<Record<Role, string>> = {
  reader: "sees what is in its tenant: runs, records, artifacts, budgets, queue",
  submitter: "submits runs and steps and asks for decisions: what agents and workflows get",
  author: "writes policy packs; they are loaded from the pack folder, and no endpoint is for it alone",
  operator: "sets tools with their secrets, executors and sinks, pauses, resumes, cancels and redrives",
  approver: "decides what waits for an approval",
  admin: "makes and revokes its tenant's keys",
  platform: "makes tenants with their quotas, and keys of the instance; sees no payload",
};

export type Access =
  /** Nobody needs a key; nothing is stored, nothing of a tenant is shown. */
  | { readonly who: "anyone" }
  /** Any of the roles; the request acts in one tenant. */
  | { readonly who: "tenant"; readonly roles: readonly Role[] }
  /** Any of the roles; the request is about the instance, or about tenants themselves. */
  | { readonly who: "holder"; readonly roles: readonly Role[] };

const anyone: Access = { who: "anyone" };
const tenant = (...roles: readonly Role[]): Access => ({ who: "tenant", roles });
const holder = (...roles: readonly Role[]): Access => ({ who: "holder", roles });

export const ROUTE_ACCESS = {
  "POST /v1/runs": tenant("submitter"),
  "GET /v1/runs": tenant("reader", "operator"),
  // a submitter follows what it submitted
  "GET /v1/runs/:run": tenant("reader", "submitter", "operator"),
  "GET /v1/runs/:run/events": tenant("reader", "submitter", "operator"),
  "GET /v1/runs/:run/evidence": tenant("reader", "submitter"),
  "POST /v1/runs/:run/cancel": tenant("submitter", "operator"),
  "POST /v1/runs/:run/pause": tenant("operator"),
  "POST /v1/runs/:run/resume": tenant("operator"),
  "GET /v1/runs/:run/steps/:step/waits": tenant("reader", "submitter", "operator"),
  "GET /v1/runs/:run/breakpoints": tenant("reader", "operator"),
  "POST /v1/runs/:run/breakpoints": tenant("operator"),
  "DELETE /v1/runs/:run/breakpoints/:target/:value": tenant("operator"),
  "POST /v1/steps": tenant("submitter"),
  "POST /v1/decisions": tenant("submitter"),
  "GET /v1/approvals": tenant("reader", "submitter", ...APPROVER_ROLES),
  // what would run is shown to who may decide; who that is stands in the signed hold
  "GET /v1/approvals/:approval": tenant("reader", "submitter", ...APPROVER_ROLES),
  "POST /v1/approvals/:approval": tenant(...APPROVER_ROLES),
  "GET /v1/records/:record": tenant("reader", "submitter"),
  "GET /v1/artifacts/:artifact": tenant("reader"),
  "GET /v1/artifacts/:artifact/content": tenant("reader"),
  "GET /v1/audit": tenant("reader", "operator", "admin"),
  "GET /v1/tools": tenant("reader", "operator"),
  "GET /v1/tools/:tool": tenant("reader", "operator"),
  "PUT /v1/tools/:tool": tenant("operator"),
  "GET /v1/secrets": tenant("reader", "operator"),
  "GET /v1/secrets/:secret": tenant("reader", "operator"),
  "PUT /v1/secrets/:secret": tenant("operator"),
  "DELETE /v1/secrets/:secret": tenant("operator"),
  "GET /v1/executors": tenant("reader", "operator"),
  "GET /v1/executors/:type": tenant("reader", "operator"),
  "PUT /v1/executors/:type": tenant("operator"),
  "GET /v1/budgets": tenant("reader", "operator"),
  "GET /v1/billing": tenant("reader", "operator"),
  "GET /v1/retention": tenant("reader", "operator", "admin"),
  "GET /v1/queue": tenant("reader", "operator"),
  "POST /v1/queue/pause": tenant("operator"),
  "POST /v1/queue/resume": tenant("operator"),
  "GET /v1/dead-letters": tenant("reader", "operator"),
  "GET /v1/dead-letters/:run/:step": tenant("reader", "operator"),
  "POST /v1/dead-letters/:run/:step/redrive": tenant("operator"),
  "GET /v1/sinks": tenant("reader", "operator"),
  "GET /v1/sinks/:sink": tenant("reader", "operator"),
  "PUT /v1/sinks/:sink": tenant("operator"),
  "DELETE /v1/sinks/:sink": tenant("operator"),
  "POST /v1/sinks/:sink/secret": tenant("operator"),
  "GET /v1/sinks/:sink/deliveries": tenant("reader", "operator"),
  "GET /v1/sinks/:sink/dead-letters": tenant("reader", "operator"),
  "POST /v1/sinks/:sink/redrive": tenant("operator"),
  "GET /v1/keys": tenant("admin", "platform"),
  "POST /v1/keys": tenant("admin", "platform"),
  "GET /v1/keys/:key": tenant("admin", "platform"),
  "DELETE /v1/keys/:key": tenant("admin", "platform"),
  "GET /v1/tenants": holder("platform"),
  "GET /v1/tenants/:tenant": holder("reader", "operator", "admin", "platform"),
  "PUT /v1/tenants/:tenant": holder("platform"),
  "GET /v1/openapi.json": holder(...ROLES),
  "GET /metrics": holder("reader", "platform"),
  "GET /.well-known/jwks.json": anyone,
  "GET /healthz": anyone,
  "GET /readyz": anyone,
} as const satisfies Readonly<Record<string, Access>>;

/** The entry of a route, or undefined: then the route must not exist. */
export function findAccess(method: string, pattern: string): Access | undefined {
  const entries: Readonly<Record<string, Access>> = ROUTE_ACCESS;
  const name = `${method} ${pattern}`;
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}
