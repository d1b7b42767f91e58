import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { buildPack, checkPack, formatPack, processToolchain, testPack } from "../../src/policy/pack-tools.ts";
import { type SourcePack, temporaryFolder, writeSourcePack } from "./make-pack.ts";

const LIB: SourcePack = {
  name: "lib",
  rules: `decision := {"effect": "deny"}

is_card(text) if regex.match("4[0-9]{15}", text)`,
};
const GUARD: SourcePack = {
  name: "guard",
  reasons: { "card.found": "a card number" },
  manifest: {
    requires: ["lib"],
    options: { type: "object", properties: { strict: { type: "boolean" } }, additionalProperties: false },
  },
  rules: `import data.stepgate.lib

default decision := {"effect": "allow", "reasons": []}

decision := {"effect": effect, "reasons": ["card.found"]} if lib.is_card(input.inputs.text)

effect := "deny" if input.options.strict

effect := "hold" if not input.options.strict`,
  tests: `import data.stepgate.guard

test_card if guard.decision.effect == "hold" with input as {"inputs": {"text": "4111111111111111"}}`,
  cases: {
    held: {
      story: "a card waits",
      input: { inputs: { text: "4111111111111111" } },
      want: { effect: "hold", reasons: ["card.found"] },
    },
    strict: {
      story: "a card is refused where that is wanted",
      input: { inputs: { text: "4111111111111111" } },
      options: { strict: true },
      want: { effect: "deny", reasons: ["card.found"] },
    },
    open: { story: "no card", input: { inputs: { text: "hello" } }, want: { effect: "allow", reasons: [] } },
  },
};

async function guard(over: Partial<SourcePack> = {}): Promise<string> {
  const root = await temporaryFolder();
  await writeSourcePack(root, LIB);
  return writeSourcePack(root, { ...GUARD, ...over });
}

t.test("a sound pack checks, is formatted, passes and builds", async (t) => {
  const folder = await guard();
  t.match(await checkPack(folder), { ok: true });
  t.match(await formatPack(folder, { write: true }), { ok: true });
  t.match(await formatPack(folder, { write: false }), { ok: true, result: { changed: [] } });
  const tested = await testPack(folder);
  t.match(tested, { ok: true, result: { ok: true, tests: [{ name: "test_card", outcome: "pass" }] } });
  t.same(tested.ok && tested.result.cases.map(({ file, faults }) => [file, faults]), [
    ["cases/held.json", []],
    ["cases/open.json", []],
    ["cases/strict.json", []],
  ]);
  const out = join(folder, "out");
  t.match(await buildPack(folder, out), { ok: true, result: { ref: { id: "guard", version: "1.0.0" } } });
  t.same((await readdir(out)).sort(), ["pack.json", "policy.wasm"]);
});

t.test("two builds of the same sources give the same bytes, also from another folder", async (t) => {
  const build = async () => {
    const folder = await guard();
    const built = await buildPack(folder, join(folder, "out"));
    return { ref: built.ok && built.result.ref, manifest: await readFile(join(folder, "out", "pack.json"), "utf8") };
  };
  const [first, second] = [await build(), await build()];
  t.match(first.ref, { digest: /^[0-9a-f]{64}$/ });
  t.same(first, second);
});

t.test("the sources' digest covers manifest and rules, also of required packs, and no tests", async (t) => {
  const digest = async (folder: string) => {
    const built = await buildPack(folder, join(folder, "out"));
    return built.ok ? built.result.manifest.sources_digest : t.fail("does not build");
  };
  const before = await digest(await guard());
  t.equal(await digest(await guard({ tests: "test_nothing if true" })), before);
  t.not(await digest(await guard({ rules: `${GUARD.rules}\n# a remark` })), before);
  const folder = await guard();
  await writeSourcePack(join(folder, ".."), { ...LIB, rules: `${LIB.rules}\n# a remark` });
  t.not(await digest(folder), before);
});

t.test("formatting rewrites the pack's own files only when asked", async (t) => {
  const folder = await guard({ rules: 'decision:={"effect":"allow"}', tests: "test_a if true", cases: {} });
  const file = join(folder, "guard.rego");
  const before = await readFile(file, "utf8");
  t.match(await formatPack(folder, { write: false }), { result: { changed: ["guard/guard.rego"] } });
  t.equal(await readFile(file, "utf8"), before);
  await formatPack(folder, { write: true });
  t.match(await readFile(file, "utf8"), 'decision := {"effect": "allow"}\n');
});

t.test("a failing test and every kind of failing case is reported with its reason", async (t) => {
  const wrong = (want: object, over: object = {}) => ({
    story: "s",
    input: { inputs: { text: "hello" } },
    want,
    ...over,
  });
  const folder = await guard({
    tests: "test_false if false",
    rules: `default decision := {"effect": "allow", "reasons": []}

decision := {"effect": "deny", "reasons": ["free text"]} if input.undeclared

decision := {"effect": "permit"} if input.wrong

decision := {"effect": "redact", "patches": [{"op": "remove", "path": "/inputs/text"}]} if input.patched

decision := {"effect": "deny"} if input.conflict

decision := {"effect": "hold"} if input.conflict`,
    cases: {
      a_effect: wrong({ effect: "deny", reasons: [] }),
      b_reasons: wrong({ effect: "allow", reasons: ["card.found"] }),
      c_undeclared: wrong({ effect: "deny", reasons: ["undeclared_reason"] }, { input: { undeclared: true } }),
      d_malformed: wrong({ effect: "allow", reasons: [] }, { input: { wrong: true } }),
      e_patches: wrong({ effect: "redact", reasons: [] }, { input: { patched: true } }),
      f_conflict: wrong({ effect: "deny", reasons: [] }, { input: { conflict: true } }),
    },
  });
  const tested = await testPack(folder);
  t.match(tested, { ok: true, result: { ok: false, tests: [{ outcome: "fail" }] } });
  t.match(tested.ok && tested.result.cases.map(({ faults }) => faults), [
    [/^effect: got "allow", wanted "deny"$/],
    [/^reasons: got \[\], wanted \["card.found"\]$/],
    [/^reasons the manifest does not declare: free text$/],
    [/^no decision: malformed$/],
    [/^patches: got .*wanted \[\]$/],
    [/^no decision: crashed, .*conflict/],
  ]);
});

t.test("a decision that Wasm makes in another order than the interpreter fails, sorted it passes", async (t) => {
  const rules = (patches: string) => `decision := {"effect": "redact", "reasons": [], "patches": ${patches}}

found contains {"op": "remove", "path": path} if some path in ["/inputs/a", "/inputs/b", "/inputs/c", "/inputs/d"]`;
  const want = {
    effect: "redact",
    reasons: [],
    patches: ["a", "b", "c", "d"].map((name) => ({ op: "remove", path: `/inputs/${name}` })),
  };
  const cases = { all: { story: "s", input: {}, want } };
  const unordered = await testPack(
    await guard({ rules: rules("[patch | some patch in found]"), cases, tests: "test_a if true" }),
  );
  t.match(unordered.ok && unordered.result.cases[0]?.faults[0], /interpreter and Wasm differ/);
  const sorted = await testPack(await guard({ rules: rules("sort(found)"), cases, tests: "test_a if true" }));
  t.match(sorted, { result: { ok: true } });
});

t.test("what does not compile is a value, with file and row", async (t) => {
  const folder = await guard({ rules: "decision := unknown" });
  const wanted = { ok: false, problems: [{ file: "guard/guard.rego", row: 3 }] };
  t.match(await checkPack(folder), wanted);
  t.match(await testPack(folder), wanted);
  t.match(await buildPack(folder, join(folder, "out")), wanted);
});

t.test("refuses a folder that is no pack", async (t) => {
  const refusals = [
    { why: "a missing required pack", change: { manifest: { requires: ["nothing"] } }, code: "PACK_NOT_FOUND" },
    {
      why: "a pack that requires itself",
      change: { manifest: { requires: ["guard"] } },
      code: "PACK_MANIFEST_INVALID",
    },
    { why: "a name that is not the folder's", change: { manifest: { name: "other" } }, code: "PACK_MANIFEST_INVALID" },
    {
      why: "a case with an unknown field",
      change: { cases: { a: { story: "s", input: {}, want: {}, more: 1 } } },
      code: "PACK_MANIFEST_INVALID",
    },
    {
      why: "options that the schema refuses",
      change: {
        cases: { a: { story: "s", input: {}, options: { strict: 1 }, want: { effect: "allow", reasons: [] } } },
      },
      code: "PACK_MANIFEST_INVALID",
    },
    {
      why: "options of a pack that takes none",
      change: {
        manifest: {},
        cases: { a: { story: "s", input: {}, options: {}, want: { effect: "allow", reasons: [] } } },
      },
      code: "PACK_MANIFEST_INVALID",
    },
  ];
  for (const { why, change, code } of refusals) await t.rejects(checkPack(await guard(change)), { code }, why);
  await t.rejects(checkPack(join(await temporaryFolder(), "nowhere")), { code: "PACK_NOT_FOUND" });
  const withoutRules = await guard();
  await writeFile(join(withoutRules, "manifest.json"), "{");
  await t.rejects(checkPack(withoutRules), { code: "PACK_MANIFEST_INVALID" });
});

t.test(
  "formatting ends in a form that compiles, means the same and is left alone, also where OPA needs two passes",
  async (t) => {
    const directory = await temporaryFolder();
    const grade =
      'grade := ["a",\n"b"] if input.y in [1, 2] else := [1,\n2] if { not input.z } # why\nelse := "c" if input.y';
    const folder = await writeSourcePack(directory, { ...LIB, rules: `decision := {"effect": "deny"}\n\n${grade}` });
    const file = join(folder, "lib.rego");
    const grades = async () =>
      (await processToolchain().open()).evalInterpreter({
        files: { "lib/lib.rego": await readFile(file, "utf8") },
        entrypoint: "stepgate/lib/grade",
        inputs: ['{"y":1}', '{"y":3}', '{"y":3,"z":true}', '{"z":true}'],
      });
    const before = await grades();
    t.match(before, { ok: true });
    t.match(await formatPack(folder, { write: true }), { ok: true, result: { changed: ["lib/lib.rego"] } });
    t.same(await grades(), before);
    t.match(await checkPack(folder), { ok: true });
    t.same(await formatPack(folder, { write: false }), { ok: true, result: { changed: [] } });
  },
);
