/**
 * Manifests: what a run executes, immutable and named by the digest of its own bytes (spec 08).
 *
 * In: a normalised plan and configuration, the executors and the build. Out: canonical bytes with their id, and the way
 * back. A manifest holds no inputs and nothing of one start. Not here: storing, comparing with a submission
 * (match-manifest.ts).
 */
import { canonicalDigest, canonicalJson, sha256Hex } from "../core/canonical-json.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { Digest, StepId } from "../core/ids.ts";
import type { JsonObject, JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import { findInJson } from "./find-in-json.ts";
import {
  type Build,
  MANIFEST_VERSION,
  type Manifest,
  type ManifestPlan,
  makeReadManifestShape,
} from "./manifest-shape.ts";
import type { Plan } from "./normalize-submission.ts";
import type { RunConfig, RunKind } from "./run-config.ts";
import { findSecret } from "./secrets.ts";

export interface StoredManifest {
  readonly id: Digest;
  /** The canonical text; its UTF-8 bytes have the digest `id`. */
  readonly text: string;
  readonly manifest: Manifest;
}

export interface ManifestParts {
  readonly opId: string | undefined;
  readonly kind: RunKind;
  readonly plan: Plan;
  readonly runConfig: RunConfig;
  /** Versions by step type. */
  readonly executors: ReadonlyMap<string, string>;
  readonly build: Build;
}

/**
 * Builds a manifest and its id, the SHA-256 of its RFC 8785 form. Without an operation id the plan's digest is it.
 *
 * @throws {StepgateError} MANIFEST_SERIALIZE_FAILED, MANIFEST_NOT_CANONICAL {path} for a number that is no integer within
 *   ±(2^53 − 1), SECRETS_DETECTED {path, pattern}; in this order.
 */
export function buildManifest(parts: ManifestParts): StoredManifest {
  const plan = manifestPlan(parts.plan);
  const types = [...new Set(plan.steps.map(({ type }) => type))].sort();
  const draft = {
    manifest_version: MANIFEST_VERSION,
    kind: parts.kind,
    plan,
    run_config: parts.runConfig,
    executors: Object.fromEntries(types.map((type) => [type, parts.executors.get(type) ?? "unknown"])),
    build: parts.build,
  } as const;
  const manifest: Manifest = { ...draft, op_id: parts.opId ?? serialize(() => planDigest(plan)) };
  const text = serialize(() => canonicalJson(toJson(manifest)));
  const fraction = findInJson(toJson(manifest), (value) => (isFraction(value) ? true : undefined));
  if (fraction !== undefined) throw new StepgateError("MANIFEST_NOT_CANONICAL", { path: fraction.path });
  const secret = findSecret(toJson(manifest));
  if (secret !== undefined) throw new StepgateError("SECRETS_DETECTED", { path: secret.path, pattern: secret.pattern });
  return { id: sha256Hex(text), text, manifest };
}

/** The plan's own digest: the operation id of a plan that was given none. */
export function planDigest(plan: ManifestPlan): Digest {
  return canonicalDigest(toJson(plan));
}

/** A plan as manifests hold it. */
export function manifestPlan({ steps, edges }: Plan): ManifestPlan {
  return { steps: steps.map(({ inputs: _inputs, ...step }) => step), edges };
}

/**
 * Makes the reader of stored manifests: it trusts neither the store nor its own older versions.
 *
 * @throws {StepgateError} (the reader) MANIFEST_DECODE_FAILED for bytes that are no strict JSON, MANIFEST_CORRUPT for
 *   bytes with another digest than `id`, MANIFEST_DESERIALIZE_FAILED for another shape, UNSUPPORTED_EXECUTION_MODE; in this order (spec 08, resume).
 */
export function makeReadManifest(): (stored: string | Uint8Array, id: Digest) => StoredManifest {
  const readShape = makeReadManifestShape();
  return (stored, id) => {
    const value = decode(stored, id);
    if (sha256Hex(stored) !== id) throw new StepgateError("MANIFEST_CORRUPT", { manifest_id: id });
    const manifest = readShape(value, id);
    return { id, text: typeof stored === "string" ? stored : new TextDecoder().decode(stored), manifest };
  };
}

/** The plan of a manifest with the inputs of one start; a step that is given none gets `{}`. */
export function planOfManifest(manifest: Manifest, inputs: Readonly<Record<string, JsonObject>>): Plan {
  const { steps, edges } = manifest.plan;
  const inputsOf = (id: StepId): JsonObject => (Object.hasOwn(inputs, id) ? (inputs[id] ?? {}) : {});
  return { steps: steps.map((step) => ({ ...step, inputs: inputsOf(step.id) })), edges };
}

/** Interfaces are JSON objects in all but the compiler's eyes: it wants an index signature. */
export function toJson(value: ManifestPlan | Manifest | RunConfig): JsonValue {
  return value as JsonObject & typeof value;
}

function decode(stored: string | Uint8Array, id: Digest): JsonValue {
  try {
    return parseJson(stored);
  } catch (cause) {
    throw new StepgateError("MANIFEST_DECODE_FAILED", { manifest_id: id }, { cause });
  }
}

function serialize<T>(write: () => T): T {
  try {
    return write();
  } catch (cause) {
    if (!isStepgateError(cause, "JSON_INVALID")) throw cause;
    throw new StepgateError("MANIFEST_SERIALIZE_FAILED", {}, { cause });
  }
}

/** Numbers beyond 2^53 − 1 count as fractions: nobody can tell them from their neighbours. */
function isFraction(value: JsonValue): boolean {
  return typeof value === "number" && !Number.isSafeInteger(value);
}
