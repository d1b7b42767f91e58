/**
 * Cases: one JSON file per story, an input and the decision wanted for it.
 *
 * In: the `cases` folder of a pack. Out: checked cases, in order of their names. `options` becomes `input.options`, where
 * the host puts a step's options too, and must fit the manifest's schema. Not here: deciding them (test-pack.ts).
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import Type, { type Static } from "typebox";
import { Compile } from "typebox/compile";
import { canonicalJson } from "../core/canonical-json.ts";
import { EFFECTS } from "../core/decision.ts";
import { StepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";
import type { SourceManifest } from "./manifest.ts";

const closed = { additionalProperties: false } as const;
const PackCaseFile = Type.Object(
  {
    story: Type.String({ minLength: 1 }),
    input: Type.Unsafe<JsonObject>(Type.Object({})),
    options: Type.Optional(Type.Unsafe<JsonObject>(Type.Object({}))),
    want: Type.Object(
      {
        effect: Type.Union(EFFECTS.map((effect) => Type.Literal(effect))),
        reasons: Type.Array(Type.String()),
        patches: Type.Optional(Type.Array(Type.Unsafe<JsonObject>(Type.Object({})))),
        obligations: Type.Optional(Type.Array(Type.Unsafe<JsonObject>(Type.Object({})))),
      },
      closed,
    ),
  },
  closed,
);

export interface PackCase {
  /** `cases/<file>.json`. */
  readonly file: string;
  readonly story: string;
  /** Canonical JSON with `options` in its place. */
  readonly input: string;
  readonly want: Readonly<Static<typeof PackCaseFile>["want"]>;
}

/**
 * Reads the cases of a pack; a pack without the folder has none.
 *
 * @throws {StepgateError} PACK_MANIFEST_INVALID with `file`, `field` and `reason`.
 */
export async function readPackCases(directory: string, manifest: SourceManifest): Promise<readonly PackCase[]> {
  const folder = join(directory, "cases");
  const names = await readdir(folder).catch(() => []);
  const fits = optionsCheck(manifest);
  const cases: PackCase[] = [];
  for (const name of names.filter((entry) => entry.endsWith(".json")).sort()) {
    const file = `cases/${name}`;
    const { story, input, options, want } = readCase(file, await readFile(join(folder, name)));
    if (!fits(options)) throw invalid(file, "/options", "the manifest's schema refuses these options");
    const whole = options === undefined ? input : { ...input, options };
    cases.push({ file, story, input: canonicalJson(whole), want });
  }
  return cases;
}

function readCase(file: string, bytes: Uint8Array): Static<typeof PackCaseFile> {
  const value = parseCase(file, bytes);
  const validator = Compile(PackCaseFile);
  if (validator.Check(value)) return value;
  const [error] = validator.Errors(value);
  throw invalid(file, error?.instancePath ?? "", error?.message ?? "not of the right form");
}

function parseCase(file: string, bytes: Uint8Array): JsonValue {
  try {
    return parseJson(bytes);
  } catch (cause) {
    throw new StepgateError("PACK_MANIFEST_INVALID", { file, field: "", reason: "not strict JSON" }, { cause });
  }
}

/** A pack without a schema takes no options; one with a schema may be used without. */
function optionsCheck({ options: schema }: SourceManifest): (options: JsonObject | undefined) => boolean {
  if (schema === undefined) return (options) => options === undefined;
  const validator = Compile(Type.Unsafe<JsonObject>(schema));
  return (options) => options === undefined || (isJsonObject(options) && validator.Check(options));
}

function invalid(file: string, field: string, reason: string): StepgateError {
  return new StepgateError("PACK_MANIFEST_INVALID", { file, field, reason });
}
