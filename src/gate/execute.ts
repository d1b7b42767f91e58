/**
 * Stage 10, execute: the adapter performs the admitted step; whatever it does, the gate gets one result (spec 01).
 *
 * In: an admitted context, the lease's abort signal. Out: a result. An adapter that throws, answers nonsense or ignores
 * its abort signal is a failed attempt, never a crash and never a wait without end. Secrets of its tool are handed over here
 * and nowhere else, and masked in whatever comes back. Not here: what becomes of it (inspect.ts).
 */
import type { VerifyToken } from "../core/capability.ts";
import { ERROR_KINDS } from "../core/error-kind.ts";
import { StepgateError } from "../core/errors.ts";
import type { HandedSecret } from "../core/secret.ts";
import type { ExecutionContext, ExecutorResult } from "../executors/contract.ts";
import { makeSecretMask } from "../redaction/mask-secrets.ts";
import type { Capability, StepContext } from "./context.ts";
import { viewBudget } from "./leased-step.ts";
import { specToRun } from "./mint.ts";

export interface ExecuteDeps {
  readonly issuer: string;
  readonly verifyToken: VerifyToken;
  /** How long an aborted adapter may take to end before it is abandoned. */
  readonly abortGraceMs: number;
}

export type Execute = (context: StepContext, capability: Capability, signal: AbortSignal) => Promise<ExecutorResult>;

export function makeExecute(deps: ExecuteDeps): Execute {
  return async (context, capability, signal) => {
    const secrets = handedSecrets(context);
    const mask = secrets.length === 0 ? undefined : makeSecretMask(secrets.map(({ value }) => value));
    const abandoned = abandonment(signal, deps.abortGraceMs);
    try {
      const call = capability.adapter.execute(executionContext(deps, context, capability, secrets), signal);
      const result = await Promise.race([call, abandoned.result]);
      return checkShape(mask === undefined ? result : masked(result, mask));
    } catch (caught) {
      // the text of a throw may hold payload: it passes inspect like any other error text
      const text = caught instanceof Error ? caught.message : "the adapter threw no error";
      return failure("adapter_threw", mask === undefined ? text : mask(text));
    } finally {
      abandoned.stop();
    }
  };
}

/** What the step's tool asks for. @throws {StepgateError} ANSWER_MALFORMED for anything else: then nothing is called. */
function handedSecrets({ tool, secrets }: StepContext): readonly HandedSecret[] {
  const wanted = tool?.secrets ?? [];
  if (wanted.length === 0) return [];
  const handed = secrets();
  const isWhole =
    Array.isArray(handed) &&
    handed.length === wanted.length &&
    wanted.every(({ name }, at) => handed[at]?.name === name && typeof handed[at]?.value === "string");
  if (!isWhole) throw new StepgateError("ANSWER_MALFORMED", { part: "secrets" });
  return handed;
}

/** Before anybody else sees it; usage is numbers of our own. */
function masked(result: ExecutorResult, mask: <T>(value: T) => T): ExecutorResult {
  const { usage } = result;
  return { ...mask(result), ...(usage === undefined ? {} : { usage }) };
}

function executionContext(
  deps: ExecuteDeps,
  context: StepContext,
  capability: Capability,
  secrets: readonly HandedSecret[],
): ExecutionContext {
  const { step } = context;
  const effectKey = `${step.tenantUid}/${step.runUid}/${encodeURIComponent(step.stepId)}`;
  return {
    tenantUid: step.tenantUid,
    runUid: step.runUid,
    stepId: step.stepId,
    attempt: step.attempt,
    maxAttempts: step.spec.execution.max_attempts,
    effectKey,
    attemptKey: `${effectKey}/${step.attempt}`,
    spec: specToRun(context),
    settings: capability.settings,
    isolation: capability.isolation,
    token: capability.token,
    issuer: deps.issuer,
    secrets,
    request: { salt: capability.salt, canonical: capability.canonicalRequest },
    verifyToken: deps.verifyToken,
    demand: capability.demand,
    reserved: context.request,
    limits: capability.scope.limits,
    budget: viewBudget(step),
    slo: context.slo,
    checkpoint: step.checkpoint,
    trace: step.run.trace,
  };
}

/** Resolves `graceMs` after the abort, when an adapter has not ended by itself. */
function abandonment(
  signal: AbortSignal,
  graceMs: number,
): { readonly result: Promise<ExecutorResult>; readonly stop: () => void } {
  let timer: NodeJS.Timeout | undefined;
  let onAbort = (): void => undefined;
  const result = new Promise<ExecutorResult>((resolve) => {
    onAbort = () => {
      timer = setTimeout(
        () => resolve(failure("abandoned", "the adapter did not end after its abort signal")),
        graceMs,
      );
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener("abort", onAbort, { once: true });
  });
  return {
    result,
    stop: () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    },
  };
}

/** Codes stand in events and records in the clear, so that nothing of a payload may pass as one. */
const ERROR_CODE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/;

/** Adapters are typed, but plugins are code of others: a result of another shape is an error, not a crash later. */
function checkShape(result: ExecutorResult): ExecutorResult {
  const isUsable =
    typeof result === "object" &&
    result !== null &&
    Array.isArray(result.toolEvents) &&
    result.toolEvents.every((event) => typeof event?.kind === "string" && event.payload !== undefined) &&
    (result.ok === true ? result.output !== undefined : result.ok === false && isFailure(result));
  return isUsable ? result : failure("result_malformed", "the adapter's result is not of the contract's shape");
}

function isFailure({ kind, code, message }: Extract<ExecutorResult, { ok: false }>): boolean {
  return Object.hasOwn(ERROR_KINDS, kind) && ERROR_CODE.test(code) && typeof message === "string";
}

function failure(code: string, message: string): ExecutorResult {
  return { ok: false, kind: "execution_error", retryable: true, code, message, toolEvents: [] };
}
