/**
 * Which manifest a run starts with: a new one from its plan, or the registered one it names (spec 08).
 *
 * In: a normalised submission, and what the store holds under the id it names. Out: the manifest. The order of checks
 * is the spec's: hashable → id → op id → run config → stored and intact. Not here: the plan's rules (plan.ts).
 */
import { canonicalJson } from "../core/canonical-json.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { Digest } from "../core/ids.ts";
import {
  buildManifest,
  type makeReadManifest,
  manifestPlan,
  planDigest,
  type StoredManifest,
  toJson,
} from "./manifest.ts";
import type { Build } from "./manifest-shape.ts";
import type { NormalizedRun } from "./normalize-submission.ts";
import { normalizeRunConfig } from "./run-config.ts";

export interface ManifestSources {
  readonly readManifest: ReturnType<typeof makeReadManifest>;
  /** What is stored under the submission's `manifest_id`; undefined when there is nothing, or no id was given. */
  readonly stored: string | Uint8Array | undefined;
  readonly executors: ReadonlyMap<string, string>;
  readonly build: Build;
}

/**
 * Chooses the manifest of a run.
 *
 * A submission that names one must agree with it in all it says: plan, operation id, run configuration. Versions of
 * executors and build are the registered one's, so an upgrade of the server breaks no caller that registered before.
 *
 * @throws {StepgateError} MANIFEST_SERIALIZE_FAILED, MANIFEST_NOT_CANONICAL, SECRETS_DETECTED, MANIFEST_ID_MISMATCH,
 *   MANIFEST_OP_ID_MISMATCH, RUN_CONFIG_MISMATCH, MANIFEST_NOT_FOUND, MANIFEST_DECODE_FAILED, MANIFEST_CORRUPT,
 *   MANIFEST_DESERIALIZE_FAILED.
 */
export function chooseManifest(run: NormalizedRun, sources: ManifestSources): StoredManifest {
  const built = run.plan && buildManifest({ ...sources, ...run, plan: run.plan, runConfig: configOf(run) });
  if (built !== undefined) refuseForeignDigest(run, built);
  if (run.manifestId === undefined) {
    if (built === undefined) throw new StepgateError("FIELD_INVALID", { field: "/steps", reason: "missing" });
    return built;
  }
  const registered = readRegistered(run.manifestId, sources);
  if (!registered.ok) {
    // what is not intact cannot be compared with, but a plan with another id is wrong whatever is stored
    if (built !== undefined && built.id !== run.manifestId) throw idMismatch(run.manifestId);
    throw registered.error;
  }
  refuseDifferences(run, registered.manifest);
  return registered.manifest;
}

function configOf(run: NormalizedRun) {
  return run.runConfig ?? normalizeRunConfig();
}

/** An operation id in the form of a digest says which plan it is; it may not say another one. */
function refuseForeignDigest(run: NormalizedRun, built: StoredManifest): void {
  if (run.opId !== undefined && isForeignDigest(run.opId, built)) throw opIdMismatch();
}

/** True when an operation id has the form of a plan's digest and is not the digest of this plan. */
export function isForeignDigest(opId: string, { manifest }: Pick<StoredManifest, "manifest">): boolean {
  return /^[0-9a-f]{64}$/.test(opId) && opId !== planDigest(manifest.plan);
}

function refuseDifferences(run: NormalizedRun, registered: StoredManifest): void {
  const { manifest } = registered;
  if (run.plan !== undefined && planDigest(manifestPlan(run.plan)) !== planDigest(manifest.plan))
    throw idMismatch(registered.id);
  if (run.opId !== undefined && run.opId !== manifest.op_id) throw opIdMismatch();
  if (
    run.runConfig !== undefined &&
    canonicalJson(toJson(run.runConfig)) !== canonicalJson(toJson(manifest.run_config))
  )
    throw new StepgateError("RUN_CONFIG_MISMATCH", { manifest_id: registered.id });
}

type Registered =
  | { readonly ok: true; readonly manifest: StoredManifest }
  | { readonly ok: false; readonly error: StepgateError };

function readRegistered(id: Digest, { stored, readManifest }: ManifestSources): Registered {
  if (stored === undefined) return { ok: false, error: new StepgateError("MANIFEST_NOT_FOUND", { manifest_id: id }) };
  try {
    return { ok: true, manifest: readManifest(stored, id) };
  } catch (error) {
    if (!isStepgateError(error)) throw error;
    return { ok: false, error };
  }
}

const idMismatch = (id: Digest) => new StepgateError("MANIFEST_ID_MISMATCH", { manifest_id: id });
const opIdMismatch = () => new StepgateError("MANIFEST_OP_ID_MISMATCH");
