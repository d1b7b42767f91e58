/** RFC 6902 against the suite of json-patch (SOURCE.txt): every enabled record, error cases included. */
import { readFileSync } from "node:fs";
import t from "tap";
import type { PatchOperation } from "../../../src/core/decision.ts";
import type { JsonValue } from "../../../src/core/json.ts";
import { applyPatch } from "../../../src/redaction/apply-patch.ts";

interface Row {
  readonly comment?: string;
  readonly doc: JsonValue;
  readonly patch: readonly PatchOperation[];
  readonly expected?: JsonValue;
  readonly error?: string;
  readonly disabled?: boolean;
}

/** The suite disables these; ours are decided by strict parsing, which refuses a duplicate `op` before a patch exists. */
const DUPLICATE_OP: ReadonlySet<string> = new Set(["duplicate ops", "A.13 Invalid JSON Patch Document"]);

const read = (name: string): readonly Row[] => JSON.parse(readFileSync(new URL(name, import.meta.url), "utf8"));

for (const [file, total] of [
  ["tests.json", 95],
  ["spec_tests.json", 17],
] as const)
  t.test(`${file}: every record`, async (t) => {
    const rows = read(file);
    t.equal(rows.length, total, "the whole suite was read");
    for (const row of rows.filter(({ comment = "" }) => !DUPLICATE_OP.has(comment))) {
      const name = `${row.comment ?? ""} ${JSON.stringify(row.patch)}`.slice(0, 100);
      const { doc, patch, expected } = row;
      if (row.error !== undefined)
        t.throws(() => applyPatch(doc, patch), { name: "StepgateError", code: /^PATCH_/ }, name);
      else if (expected !== undefined) t.strictSame(applyPatch(doc, patch), expected, name);
      else t.strictSame(applyPatch(doc, patch), doc, name);
    }
  });
