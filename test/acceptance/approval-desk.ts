/**
 * People around a rig: who submits, who approves, over the API with keys of their own.
 */
import type { RunUid } from "../../src/core/ids.ts";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import type { Decide, Rig } from "./rig.ts";

export interface Answer {
  readonly status: number;
  readonly json: JsonObject;
}

export type Call = (
  method: "GET" | "POST" | "PUT" | "DELETE",
  path: string,
  body?: JsonObject,
  headers?: Readonly<Record<string, string>>,
) => Promise<Answer>;

/** The API as one key sees it; `owner` and `roles` are of a key that is made now. */
export async function deskOf(
  rig: Rig,
  owner: string,
  ...roles: readonly string[]
): Promise<Call & { readonly secret: string }> {
  const admin = callWith(rig, "acceptance-test-admin-key-0123456789");
  const { status, json } = await admin("POST", "/v1/keys", { owner, roles });
  if (status !== 201) throw new TypeError(JSON.stringify(json));
  const secret = String(json["secret"]);
  return Object.assign(callWith(rig, secret), { secret });
}

function callWith({ stepgate }: Rig, key: string): Call {
  return async (method, path, body, headers = {}) => {
    const response = await fetch(`${stepgate.gateway?.url}${path}`, {
      method,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const bytes = new Uint8Array(await response.arrayBuffer());
    const json = bytes.length === 0 ? {} : parseJson(bytes);
    return { status: response.status, json: isJsonObject(json) ? json : {} };
  };
}

/** Holds a step before it starts until somebody has approved; `inputs.role` and `inputs.ttl` (seconds) say who and how long. */
export const holdUntilApproved: Decide = ({ inputs, approvals, output }) => {
  const { ttl = 600, role = "approver" } = isJsonObject(inputs) ? inputs : {};
  if (output !== undefined || (Array.isArray(approvals) && approvals.length > 0)) return { effect: "allow" };
  return {
    effect: "hold",
    reasons: ["needs_approval"],
    obligations: [{ id: "o", type: "require_approval", properties: { role, ttl_seconds: ttl } }],
  };
};

/** Submits as somebody. */
export async function submitAs(call: Call, submission: JsonObject): Promise<RunUid> {
  const { status, json } = await call("POST", "/v1/runs", submission);
  if (status !== 201) throw new TypeError(JSON.stringify(json));
  return String(json["run_uid"]) as RunUid;
}

/** The open approval of a run, once its step is held. */
export async function openApproval(rig: Rig, runUid: RunUid, step = "a"): Promise<string> {
  await rig.until(runUid, (steps) => steps.get(step)?.state === "held");
  const rows = await rig.rows(
    "select approval_id from stepgate.approvals where run_uid = $1 and step_id = $2 and state = 'open'",
    [runUid, step],
  );
  return String(rows[0]?.["approval_id"]);
}
