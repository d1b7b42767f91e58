import { randomBytes } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { processToolchain } from "../../src/policy/pack-tools.ts";
import { lazyToolchain, openToolchain, type ToolchainDeps } from "../../src/policy/toolchain.ts";
import { temporaryFolder } from "./make-pack.ts";

const DIRECTORY = fileURLToPath(new URL("../../wasm/toolchain", import.meta.url));
const RULES = `package stepgate.demo

default decision := {"effect": "deny", "reasons": ["no"]}

decision := {"effect": "allow", "reasons": [sprintf("%d", [count(input.items)])]} if input.open
`;
const deps: ToolchainDeps = {
  clock: systemClock,
  random: (size) => randomBytes(size),
  cacheDirectory: processToolchain().place.cacheDirectory,
};
const toolchain = await openToolchain(deps);

t.test("checks files, and says what is wrong and where", async (t) => {
  t.same(toolchain.checkPack({ "demo.rego": RULES }), { ok: true, result: {} });
  const wrong = [
    { why: "a package that is missing", rego: "x := 1", problem: { code: "rego_parse_error", row: 1, col: 1 } },
    { why: "an empty file", rego: "", problem: { code: "rego_parse_error" } },
    {
      why: "an unused import",
      rego: `package a\n\nimport data.b\n`,
      problem: { code: "rego_compile_error", row: 3, col: 1 },
    },
    { why: "an unused variable", rego: "package a\n\nr if x := 1\n", problem: { code: "rego_compile_error", row: 3 } },
    { why: "an unsafe variable", rego: "package a\n\nr := y\n", problem: { code: "rego_unsafe_var_error", row: 3 } },
    { why: "a clock", rego: "package a\n\nr := time.now_ns()\n", problem: { code: "rego_type_error", row: 3, col: 6 } },
    { why: "the network", rego: `package a\n\nr := http.send({})\n`, problem: { code: "rego_type_error", row: 3 } },
    { why: "a deprecated builtin", rego: `package a\n\nr if any([true])\n`, problem: { row: 3 } },
    { why: "a wrong type", rego: `package a\n\nr := count(1)\n`, problem: { code: "rego_type_error", row: 3 } },
  ];
  for (const { why, rego, problem } of wrong) {
    t.match(toolchain.checkPack({ "a.rego": rego }), { ok: false, problems: [{ file: "a.rego", ...problem }] }, why);
  }
});

t.test("reports the faults of all files at once, in order", async (t) => {
  const checked = toolchain.checkPack({ "b.rego": "package b\n\nr := (\n", "a.rego": "nonsense" });
  t.match(checked, { ok: false, problems: [{ file: "a.rego" }, { file: "b.rego" }] });
});

t.test("formats, and a formatted file stays as it is", async (t) => {
  const formatted = toolchain.formatFiles({ "a.rego": "package a\nr:=1 if{ input.x==1}" });
  t.match(formatted, { ok: true, result: { files: { "a.rego": "package a\n\nr := 1 if input.x == 1\n" } } });
  t.match(toolchain.formatFiles({ "a.rego": RULES }), { ok: true, result: { files: { "a.rego": RULES } } });
  t.match(toolchain.formatFiles({ "a.rego": "package" }), { ok: false, problems: [{ file: "a.rego" }] });
});

t.test("runs tests, with what they printed and the lines no test reached", async (t) => {
  const tests = `package stepgate.demo_test

import data.stepgate.demo

test_open if demo.decision.effect == "allow" with input as {"open": true, "items": []}

test_wrong if {
	print("effect is", demo.decision.effect)
	demo.decision.effect == "allow"
}

todo_test_later if true

test_endless if {
	some a in numbers.range(1, 30000)
	some b in numbers.range(1, 3000)
	a + b < 0
}
`;
  const run = toolchain.testFiles(
    { "demo.rego": `${RULES}\nunused := 2 if input.nothing\n`, "demo_test.rego": tests },
    300,
  );
  t.match(run, {
    ok: true,
    result: {
      tests: [
        { name: "test_open", outcome: "pass", file: "demo_test.rego", row: 5 },
        { name: "test_wrong", outcome: "fail", output: "effect is deny" },
        { name: "todo_test_later", outcome: "skip" },
        { name: "test_endless", outcome: "error", message: /deadline exceeded/ },
      ],
      coverage: { "demo.rego": { notCovered: [{ first: 7, last: 7 }] } },
    },
  });
});

t.test("builds the same bytes in every instance", async (t) => {
  const build = async () =>
    (await openToolchain(deps)).buildWasm({ "demo.rego": RULES, "b.rego": "package b\n\nx := 1\n" }, [
      "stepgate/demo/decision",
    ]);
  const [first, second] = [await build(), await build()];
  t.ok(first.ok && first.result.length > 100_000);
  t.same(first, second);
  t.match(toolchain.buildWasm({ "demo.rego": RULES }, ["stepgate/demo/nothing"]), {
    ok: false,
    problems: [{ code: String }],
  });
  t.match(toolchain.buildWasm({ "demo.rego": RULES }, []), { ok: false, problems: [{ code: String }] });
});

t.test("evaluates an entrypoint under several inputs", async (t) => {
  const rules = `${RULES}\nconflict := 1 if input.twice\n\nconflict := 2 if input.twice\n`;
  const ask = (entrypoint: string, inputs: readonly (string | undefined)[]) =>
    toolchain.evalInterpreter({ files: { "demo.rego": rules }, entrypoint, inputs });
  t.match(ask("stepgate/demo/decision", ['{"open":true,"items":[1,2]}', undefined]), {
    ok: true,
    result: [{ value: '{"effect":"allow","reasons":["2"]}' }, { value: '{"effect":"deny","reasons":["no"]}' }],
  });
  t.match(ask("stepgate/demo/conflict", ['{"twice":true}', "{}"]), { ok: true, result: [{ error: /conflict/ }, {}] });
  t.match(ask("stepgate/demo/decision", ["{"]), { ok: false, problems: [{ code: "request_error" }] });
});

t.test("stops an evaluation at its time limit", async (t) => {
  const rules = `package slow

r if {
	some a in numbers.range(1, 30000)
	some b in numbers.range(1, 3000)
	a + b < 0
}
`;
  const question = { files: { "slow.rego": rules }, entrypoint: "slow/r", inputs: ["{}"], timeoutMs: 100 };
  t.match(toolchain.evalInterpreter(question), { ok: true, result: [{ error: /cancel/ }] });
});

t.test("answers builtins with sets and keys of any kind, and none that is refused", async (t) => {
  t.same(toolchain.callBuiltin("net.cidr_merge", ['{"10.0.0.0/9", "10.128.0.0/9"}']), { value: '{"10.0.0.0/8"}' });
  t.same(toolchain.callBuiltin("json.patch", ["{{1}: [2]}", "[]"]), { value: "{{1}:[2]}" });
  const text = '"\u007f\ufeff\u{1f600}"';
  t.same(
    toolchain.callBuiltin("json.patch", [text, "[]"]),
    { value: text },
    "characters that Go quotes in its own way",
  );
  t.match(toolchain.callBuiltin("semver.compare", ['"1"', '"2"']), { message: String });
  t.match(toolchain.callBuiltin("net.cidr_expand", ['"10.0.0.0/4"']), { halted: true }, "stopped at its limit");
  for (const name of ["time.now_ns", "http.send", "opa.runtime", "no.such"]) {
    t.throws(() => toolchain.callBuiltin(name, []), { code: "TOOLCHAIN_FAILED" }, name);
  }
});

t.test("refuses sources over the limits", async (t) => {
  const many = Object.fromEntries(Array.from({ length: 513 }, (_, index) => [`${index}.rego`, "package a"]));
  t.match(toolchain.checkPack(many), { ok: false, problems: [{ code: "limit_error" }] });
  t.match(toolchain.checkPack({ "a.rego": "#".repeat(5 * 1024 * 1024) }), {
    ok: false,
    problems: [{ code: "limit_error" }],
  });
  t.throws(() => toolchain.checkPack({ "a.rego": "#".repeat(33 * 1024 * 1024) }), { code: "TOOLCHAIN_FAILED" });
  t.ok(toolchain.checkPack({ "demo.rego": RULES }).ok, "and goes on");
});

t.test("starts a new instance after one that broke", async (t) => {
  let isBroken = true;
  const random = (size: number) => {
    if (isBroken) throw new Error("no randomness");
    return randomBytes(size);
  };
  const fragile = await openToolchain({ ...deps, random });
  t.throws(() => fragile.checkPack({ "demo.rego": RULES }), { code: "TOOLCHAIN_FAILED" });
  isBroken = false;
  t.ok(fragile.checkPack({ "demo.rego": RULES }).ok);
});

t.test("keeps the module in the cache, and believes it only with its digest", async (t) => {
  const cacheDirectory = join(await temporaryFolder(), "new");
  await openToolchain({ ...deps, cacheDirectory });
  const [name = ""] = await readdir(cacheDirectory);
  t.match(name, /^toolchain-[0-9a-f]{64}\.wasm$/);
  const whole = await readFile(join(cacheDirectory, name));
  await writeFile(join(cacheDirectory, name), whole.subarray(0, 1000));
  t.ok((await openToolchain({ ...deps, cacheDirectory })).checkPack({ "demo.rego": RULES }).ok);
  t.ok((await readFile(join(cacheDirectory, name))).equals(whole), "the damaged file was replaced");
});

t.test("works without a cache that it can write", async (t) => {
  const file = join(await temporaryFolder(), "a-file");
  await writeFile(file, "");
  t.ok((await openToolchain({ ...deps, cacheDirectory: join(file, "below") })).checkPack({ "demo.rego": RULES }).ok);
});

t.test("is unavailable when its files are missing or are not its own, and is asked again", async (t) => {
  const directory = join(await temporaryFolder(), "toolchain");
  const lazy = lazyToolchain({ ...deps, cacheDirectory: undefined, directory });
  await t.rejects(lazy.open(), { code: "TOOLCHAIN_UNAVAILABLE" }, "no folder");
  await mkdir(directory);
  await writeFile(join(directory, "toolchain.sha256"), "0".repeat(64));
  await cp(join(DIRECTORY, "toolchain.wasm.br"), join(directory, "toolchain.wasm.br"));
  await t.rejects(lazy.open(), { code: "TOOLCHAIN_UNAVAILABLE" }, "another digest");
  await cp(join(DIRECTORY, "toolchain.sha256"), join(directory, "toolchain.sha256"));
  t.ok((await lazy.open()).checkPack({ "demo.rego": RULES }).ok, "once they are there");
  t.equal(await lazy.open(), await lazy.open());
});
