/**
 * Stage 7, mint: the capability token for exactly this attempt (spec 01, design §5).
 *
 * Scope = what the adapter is about to do ∩ obligations of the packs ∩ flags of the step ∩ limits of its tool; limits = what *admit* will hold.
 * In memory only: the token is in no row, log or event. Goes on or finishes `capability_mint_failed`.
 */

import { mintToken } from "../capability/mint-token.ts";
import { narrowScope, scopeOf } from "../capability/narrow-scope.ts";
import { requestDigest, SALT_BYTES } from "../capability/request-digest.ts";
import { AMOUNT_UNITS, type Amount, type AmountUnit } from "../core/amount.ts";
import { canonicalJson, sha256Hex } from "../core/canonical-json.ts";
import type { Scope, ScopeDemand } from "../core/capability.ts";
import type { Clock } from "../core/clock.ts";
import { ERROR_CODES, isStepgateError, StepgateError } from "../core/errors.ts";
import { type Ids, UUID_PATTERN } from "../core/ids.ts";
import type { Signer } from "../core/keys.ts";
import type { StepSpec } from "../core/step.ts";
import { isEffectClass } from "../core/tool.ts";
import type { AdapterDescription, ExecutorAdapter } from "../executors/contract.ts";
import { type Capability, goOn, type RuntimeDecision, refuse, type Stage, type StepContext } from "./context.ts";
import { deadlineOf } from "./deadline.ts";
import { egressNarrowing } from "./egress-flags.ts";
import { executionText, policyText } from "./spec-text.ts";
import { adapterOf, toolNarrowing } from "./step-tool.ts";

export interface MintDeps {
  readonly issuer: string;
  readonly signer: () => Signer;
  readonly adapters: (type: string) => ExecutorAdapter | undefined;
  readonly clock: Clock;
  readonly databaseClock: Pick<Clock, "nowMs">;
  readonly ids: Ids;
  /** Told of every token at once, with the kid of its signature. */
  readonly onMinted: (token: string, kid: string) => void;
  /** Longest life of a token of a step with effects: lease + 30 s (spec 10, tokens). */
  readonly writeTokenLifetimeSec: number;
}

const MAX_LIFETIME_SEC = 900;
const UUID = new RegExp(UUID_PATTERN);

export function makeMint(deps: MintDeps): Stage {
  return async (context) => {
    const adapter = adapterOf(deps, context);
    if (adapter === undefined) return refuse(context, "mint", "no_executor", ["no_executor"]);
    const { runtimeDecision } = context;
    if (runtimeDecision === undefined) return refuse(context, "mint", "policy_error", ["no_decision"]);
    try {
      const { request, capability } = mint(deps, context, adapter, runtimeDecision);
      return goOn({ ...context, request, capability });
    } catch (caught) {
      // a signer that is away is a failure of our own, and no end of the step (spec 00, error kinds)
      if (!isStepgateError(caught) || ERROR_CODES[caught.code].retry === "later") throw caught;
      return refuse(context, "mint", "capability_mint_failed", [caught.code.toLowerCase()]);
    }
  };
}

function mint(
  deps: MintDeps,
  context: StepContext,
  adapter: ExecutorAdapter,
  { pack }: RuntimeDecision,
): { readonly request: Amount; readonly capability: Capability } {
  const { step, authority } = context;
  const settings = authority.executorSettings[adapter.type] ?? adapter.defaultSettings;
  const wanted = adapter.scope(specToRun(context), settings);
  const request = requestWithCap(context, wanted, describeAdapter(adapter));
  const demand = withLimits(wanted, request);
  const salt = deps.ids.random(SALT_BYTES);
  const obligations = [
    ...context.obligations,
    ...egressNarrowing(step.spec.policy.guardrails),
    ...toolNarrowing(context),
  ];
  const scope: Scope = narrowScope(scopeOf(demand, salt), obligations, step.spec.policy.budget);
  const canonicalRequest = requestText(context);
  const admissionUid = newUid(deps.ids);
  const signer = deps.signer();
  const { token, claims } = mintToken({
    signer,
    issuer: deps.issuer,
    audience: adapter.audience,
    subject: { tenantUid: step.tenantUid, runUid: step.runUid, stepId: step.stepId, attempt: step.attempt },
    jti: newUid(deps.ids),
    nowSec: Math.floor(deps.clock.nowMs() / 1000),
    ttlSec: lifetimeSec(deps, context, adapter),
    context: {
      admission_uid: admissionUid,
      attempt: step.attempt,
      pack: { digest: pack.digest, id: pack.id, version: pack.version },
      request_digest: requestDigest(salt, canonicalRequest),
      run_uid: step.runUid,
      spec_digest: specDigest(context),
      step: step.stepId,
      tenant: step.tenantUid,
    },
    scope,
  });
  deps.onMinted(token, signer.kid);
  // the level that will be used is known only once *guard* has asked the adapter
  return {
    request,
    capability: {
      adapter,
      settings,
      isolation: "none",
      demand,
      scope,
      token,
      claims,
      salt,
      canonicalRequest,
      admissionUid,
    },
  };
}

/** An id that two tokens could share would let one be counted, or revoked, for the other. */
function newUid(ids: Ids): string {
  const uid = ids.uuid();
  if (typeof uid !== "string" || !UUID.test(uid)) throw new StepgateError("ANSWER_MALFORMED", { part: "ids" });
  return uid;
}

/** What an adapter says of itself. @throws {StepgateError} ANSWER_MALFORMED when it does not say what depends on it. */
export function describeAdapter(adapter: ExecutorAdapter): AdapterDescription {
  const description = adapter.describe();
  const { effects, meters } = description ?? {};
  const isMetersGiven = Array.isArray(meters) && meters.every((unit) => AMOUNT_UNITS.includes(unit));
  if (!isEffectClass(effects) || !isMetersGiven) throw new StepgateError("ANSWER_MALFORMED", { part: "describe" });
  return description;
}

/** The step in the form that would run: after references and patches. */
export function specToRun(context: StepContext): StepSpec {
  return { ...context.step.spec, inputs: context.inputs, execution: context.execution };
}

/** The request as approvals, tokens and records mean it, in canonical form. */
export function requestText(context: StepContext): string {
  return `{"execution":${executionText(context.execution)},"inputs":${context.inputsText},"step":${canonicalJson(context.step.stepId)},"type":${canonicalJson(context.step.spec.type)}}`;
}

/** Digest of the step's spec without its payload, so that the token may carry it. */
export function specDigest(context: StepContext): ReturnType<typeof sha256Hex> {
  const { spec } = context.step;
  const [slug, type] = [canonicalJson(spec.slug ?? ""), canonicalJson(spec.type)];
  return sha256Hex(
    `{"execution":${executionText(context.execution)},"policy":${policyText(spec.policy)},"slug":${slug},"type":${type}}`,
  );
}

/** max(hint, the cap that the provider is told); the step's own cap stands above what an adapter would tell (spec 03). */
function requestWithCap(
  { request, step }: StepContext,
  { limits }: ScopeDemand,
  { meters }: AdapterDescription,
): Amount {
  const { budget } = step.spec.policy;
  const most = (unit: AmountUnit, asked: number): number =>
    meters.includes(unit)
      ? Math.max(asked, Math.min(limits[unit] ?? 0, budget?.[unit] ?? Number.MAX_SAFE_INTEGER))
      : asked;
  return { tokens: most("tokens", request.tokens), usdMicros: most("usd_micros", request.usdMicros) };
}

function withLimits(demand: ScopeDemand, request: Amount): ScopeDemand {
  return {
    ...demand,
    limits: {
      ...demand.limits,
      ...(request.tokens > 0 ? { tokens: request.tokens } : {}),
      ...(request.usdMicros > 0 ? { usd_micros: request.usdMicros } : {}),
    },
  };
}

function lifetimeSec(deps: MintDeps, context: StepContext, adapter: ExecutorAdapter): number {
  const deadlineMs = deadlineOf(context.step, context.execution);
  const restSec =
    deadlineMs === undefined ? MAX_LIFETIME_SEC : Math.ceil((deadlineMs - deps.databaseClock.nowMs()) / 1000);
  const effectsSec = describeAdapter(adapter).effects === "write" ? deps.writeTokenLifetimeSec : MAX_LIFETIME_SEC;
  return Math.max(1, Math.min(MAX_LIFETIME_SEC, restSec, effectsSec));
}
