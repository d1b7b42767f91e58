/**
 * Manifests: what a pack says about itself, as source (`manifest.json`) and as built (`pack.json`).
 *
 * In: the bytes of the file. Out: the checked value. Codes that a pack may give as reasons are declared here and
 * nowhere else. Not here: the files beside it (pack-sources.ts, built-pack.ts), signatures (evidence/).
 */
import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import { BOUNDARIES } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import { DIGEST_PATTERN } from "../core/ids.ts";
import { parseJson } from "../core/parse-json.ts";

const closed = { additionalProperties: false } as const;

const PACK_NAME_PATTERN = "^[a-z][a-z0-9_]{0,63}$";
/** SemVer 2.0.0 without build metadata, which does not order. */
const VERSION_PATTERN = "^(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})\\.(0|[1-9][0-9]{0,8})(-[0-9A-Za-z.-]{1,64})?$";
const ENTRYPOINT_PATTERN = "^[a-z][a-z0-9_]*(/[a-z][a-z0-9_]*)*/decision$";
const REASON_PATTERN = "^[a-z][a-z0-9_]*(\\.[a-z0-9_]+)*$";

const described = {
  name: Type.String({ pattern: PACK_NAME_PATTERN }),
  version: Type.String({ pattern: VERSION_PATTERN }),
  title: Type.String({ minLength: 1, maxLength: 200 }),
  /** `<package>/decision`, slashes for dots. */
  entrypoint: Type.String({ pattern: ENTRYPOINT_PATTERN, maxLength: 256 }),
  /** Code → one sentence for people. */
  reasons: Type.Record(Type.String({ pattern: REASON_PATTERN, maxLength: 128 }), Type.String({ maxLength: 500 }), {
    additionalProperties: false,
    maxProperties: 500,
  }),
  /** JSON Schema 2020-12 of `input.options`; absent = the pack takes none. */
  options: Type.Optional(Type.Record(Type.String(), Type.Unknown())),
  /** Where it may decide; absent = everywhere. */
  boundaries: Type.Optional(
    Type.Array(Type.Union(BOUNDARIES.map((boundary) => Type.Literal(boundary))), { minItems: 1 }),
  ),
  /** Longest text one of its patterns can match: streams are windowed by it; absent = streams are buffered. */
  max_match_bytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_048_576 })),
};

const SourceManifest = Type.Object(
  {
    ...described,
    /** Packs beside this one whose Rego it imports. */
    requires: Type.Optional(
      Type.Array(Type.String({ pattern: PACK_NAME_PATTERN }), { uniqueItems: true, maxItems: 32 }),
    ),
  },
  closed,
);

const BuiltManifest = Type.Object(
  {
    ...described,
    /** SHA-256 over the listing of the sources it was built from. */
    sources_digest: Type.String({ pattern: DIGEST_PATTERN }),
    wasm_digest: Type.String({ pattern: DIGEST_PATTERN }),
    /** Builtins the module leaves to the host. */
    builtins: Type.Array(Type.String({ maxLength: 128 }), { uniqueItems: true, maxItems: 256 }),
  },
  closed,
);

type Readonlys<Value> = { readonly [Key in keyof Value]: Value[Key] };
export type SourceManifest = Readonlys<Static<typeof SourceManifest>>;
/** The manifest of a built pack, as `pack.json` holds it. */
export type PackManifest = Readonlys<Static<typeof BuiltManifest>>;

/**
 * Reads `manifest.json`.
 *
 * @throws {StepgateError} PACK_MANIFEST_INVALID with `field` and `reason`.
 */
export function readSourceManifest(bytes: Uint8Array): SourceManifest {
  return check(SourceManifest, bytes);
}

/**
 * Reads `pack.json`.
 *
 * @throws {StepgateError} PACK_MANIFEST_INVALID with `field` and `reason`.
 */
export function readPackManifest(bytes: Uint8Array): PackManifest {
  return check(BuiltManifest, bytes);
}

function check<Schema extends typeof SourceManifest | typeof BuiltManifest>(
  schema: Schema,
  bytes: Uint8Array,
): Static<Schema> {
  const value = parse(bytes);
  const validator = Compile(schema);
  if (validator.Check(value)) return value;
  const [error] = validator.Errors(value);
  throw new StepgateError("PACK_MANIFEST_INVALID", {
    field: error?.instancePath ?? "",
    reason: error?.message ?? "not of the right form",
  });
}

function parse(bytes: Uint8Array): unknown {
  try {
    return parseJson(bytes);
  } catch (cause) {
    throw new StepgateError("PACK_MANIFEST_INVALID", { field: "", reason: "not strict JSON" }, { cause });
  }
}
