/**
 * What other hosts of compiled policies get wrong (their own issue lists, hazards a to j), one test each, and what a
 * hostile module can try.
 */
import { readFile } from "node:fs/promises";
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { isStepgateError } from "../../src/core/errors.ts";
import { makeOwnBuiltins } from "../../src/policy/builtins/index.ts";
import { inspectModule } from "../../src/policy/inspect-module.ts";
import { instantiateOpa } from "../../src/policy/opa-instance.ts";
import { DEFAULT_PACK_LIMITS, type LoadedPack } from "../../src/policy/pack.ts";
import { processToolchain } from "../../src/policy/pack-tools.ts";
import { PolicyAbort } from "../../src/policy/policy-abort.ts";
import { code, type Hostile, hostileModule, RESULT_ADDRESS } from "./hostile-module.ts";
import { buildRules, bytes, load, PATIENT_LIMITS, TENANT, writeBuiltPack } from "./make-pack.ts";

/** A pack whose only reason is what `rule` gives as text. */
async function packThatSays(rule: string): Promise<LoadedPack> {
  const rules = `default decision := {"effect": "deny", "reasons": ["undefined"]}

decision := {"effect": "allow", "reasons": [said]}

${rule}`;
  return load(await buildRules({ name: "says", rules }));
}

function said(pack: LoadedPack, input: unknown): unknown {
  const result = pack.evaluate(bytes(input), TENANT);
  return result.ok ? result.undeclared[0] : result.fault;
}

t.test("a: false, zero, empty and null inputs are inputs", async (t) => {
  const pack = await packThatSays('said := sprintf("%v", [input])');
  const inputs = [
    { input: false, text: "false" },
    { input: 0, text: "0" },
    { input: null, text: "null" },
    { input: [], text: "[]" },
    { input: {}, text: "{}" },
    { input: "x", text: "x" },
  ];
  for (const { input, text } of inputs) t.equal(said(pack, input), text);
  const empty = await packThatSays('said := "empty" if input == ""');
  t.equal(said(empty, ""), "empty");
});

t.test("a: an input that does not parse is a fault, not an absent input", async (t) => {
  const pack = await packThatSays('said := "no input" if not input.x');
  for (const text of ["", "{", '{"a":', "nonsense", "{1,2}"]) {
    const result = pack.evaluate(Buffer.from(text), TENANT);
    t.match(result, { ok: false, fault: "crashed" }, JSON.stringify(text));
  }
  t.equal(said(pack, {}), "no input", "the control: an input without x");
});

t.test("b: an evaluation that failed leaves nothing for the next one", async (t) => {
  const pack = await packThatSays(`said := input.text if not input.conflict
said := 1 if input.conflict
said := 2 if input.conflict`);
  const before = pack.evaluate(bytes({ text: "first" }), TENANT);
  t.match(pack.evaluate(bytes({ conflict: true }), TENANT), { ok: false, fault: "crashed" });
  t.same(pack.evaluate(bytes({ text: "first" }), TENANT), before);
});

t.test("c: what cannot be loaded has a code, what cannot be decided a fault", async (t) => {
  await t.rejects(load(await writeBuiltPack(Uint8Array.of(1, 2, 3))), { code: "PACK_IMPORT_REFUSED" });
  const unbuilt = await writeBuiltPack(hostileModule({ section: [10, [0]] }));
  await t.rejects(load(unbuilt), { code: "PACK_IMPORT_REFUSED", detail: { reason: "not a valid module" } });
});

t.test("d: an error of a builtin is undefined, and the evaluation goes on", async (t) => {
  const pack = await packThatSays(`said := "caught" if not regex.replace(input.text, input.pattern, "-")
said := regex.replace(input.text, input.pattern, "-")`);
  t.equal(said(pack, { text: "abc", pattern: "b" }), "a-c");
  t.equal(said(pack, { text: "abc", pattern: "(" }), "caught", "a pattern that is none");
  t.equal(said(pack, { text: 1, pattern: "b" }), "caught", "an operand of another type");
});

t.test("d: the same holds for builtins that OPA's own code answers", async (t) => {
  const pack = await packThatSays(`said := "caught" if not semver.compare(input.a, input.b)
said := sprintf("%d", [semver.compare(input.a, input.b)])`);
  t.equal(said(pack, { a: "1.2.3", b: "1.10.0" }), "-1");
  t.equal(said(pack, { a: "1.2", b: "x" }), "caught");
});

t.test("e: sets, keys that are no strings, and every digit cross to builtins and back", async (t) => {
  const sets = await packThatSays(
    'said := sprintf("%v", [net.cidr_merge({"10.0.0.0/9", "10.128.0.0/9", input.more})])',
  );
  t.equal(said(sets, { more: "192.0.2.0/24" }), '{"10.0.0.0/8", "192.0.2.0/24"}');
  const keys = await packThatSays('said := sprintf("%v", [{{1}: {"b", "a"}, [2]: set(), input.n: true}])');
  t.equal(said(keys, { n: 3 }), '{3: true, [2]: set(), {1}: {"a", "b"}}');
  const digits = await packThatSays('said := sprintf("%d", [12345678901234567890123])');
  t.equal(said(digits, {}), "12345678901234567890123");
});

t.test("e: a number that a double cannot hold is a fault, not rounded", async (t) => {
  const pack = await packThatSays('said := "x"\n\nlarge := 9007199254740993');
  t.equal(said(pack, {}), "x", "the control");
  const rules =
    'decision := {"effect": "redact", "patches": [{"op": "add", "path": "/inputs/n", "value": 9007199254740993}]}';
  const inexact = await load(await buildRules({ name: "inexact", rules }));
  t.match(inexact.evaluate(bytes({}), TENANT), { ok: false, fault: "not_exact" });
});

t.test("f: patterns run in linear time and in RE2's language", async (t) => {
  const pack = await packThatSays('said := regex.replace(input.text, input.pattern, "")');
  t.equal(said(pack, { text: `${"a".repeat(20_000)}!`, pattern: "(a+)+$" }), `${"a".repeat(20_000)}!`);
  t.equal(said(pack, { text: "abc", pattern: "(?=b)" }), "undefined", "no lookahead");
});

t.test("g: an evaluation over the deadline is a fault even with an answer", async (t) => {
  const directory = await buildRules({ name: "slow", rules: 'decision := {"effect": "allow"}' });
  let nowMs = 0;
  const clock = { nowMs: () => 0, monotonicMs: () => (nowMs += 200) };
  const limits = { ...DEFAULT_PACK_LIMITS, deadlineMs: 150 };
  const late = await load(directory, { clock, limits });
  t.match(late.evaluate(bytes({}), TENANT), { ok: false, fault: "timeout", durationUs: 200_000 });
});

t.test("g: memory has a maximum, and the next evaluation gets a new instance", async (t) => {
  const limits = { ...PATIENT_LIMITS, maxMemoryBytes: 4 * 1024 * 1024, maxInputBytes: 1024 * 1024 };
  const rules =
    'decision := {"effect": "allow", "reasons": [r | some n in numbers.range(1, input.n); n < 0; r := "never"]}';
  const pack = await load(await buildRules({ name: "hungry", rules }), { limits });
  t.match(pack.evaluate(bytes({ n: 100_000_000 }), TENANT), { ok: false, fault: "memory" });
  t.match(pack.evaluate(bytes({ n: 10 }), TENANT), { ok: true, decision: { effect: "allow" } });
  t.match(
    pack.evaluate(bytes("x".repeat(1024 * 1024)), TENANT),
    { ok: false, fault: "memory" },
    "input over its limit",
  );
  t.match(pack.evaluate(bytes(Array(200_000).fill(1)), TENANT), { ok: false, fault: "memory" }, "heap over the cap");
});

t.test("h: memory does not grow with the number of evaluations", async (t) => {
  const wasm = await readFile(`${await buildRules({ name: "steady", rules: STEADY })}/policy.wasm`);
  const own = makeOwnBuiltins();
  const module = { module: new WebAssembly.Module(wasm), memory: inspectModule(wasm) };
  const instance = instantiateOpa(module, { builtin: (name) => own.get(name), maxMemoryBytes: 64 * 1024 * 1024 });
  const entrypoint = instance.entrypoints.get("stepgate/steady/decision") ?? -1;
  const evaluate = () => instance.evaluate(entrypoint, bytes({ text: "abc".repeat(300) }));
  evaluate();
  const first = instance.memoryBytes();
  for (let count = 0; count < 2_000; count += 1) evaluate();
  t.equal(instance.memoryBytes(), first);
});
const STEADY =
  'decision := {"effect": "allow", "reasons": [regex.replace(input.text, "b+", sprintf("%d", [count(input.text)]))]}';

t.test("i: the text of an abort is read as UTF-8", async (t) => {
  const wasm = hostileModule({
    result: "kéy „doppelt“",
    evalCode: [...code.abort(RESULT_ADDRESS), ...code.constant(0)],
  });
  const module = { module: new WebAssembly.Module(wasm), memory: inspectModule(wasm) };
  const instance = instantiateOpa(module, { builtin: () => undefined, maxMemoryBytes: 1024 * 1024 });
  t.throws(() => instance.evaluate(0, bytes({})), new PolicyAbort("kéy „doppelt“"));
});

t.test("j: the capabilities say what the host answers, and nothing that it refuses", async (t) => {
  const file = new URL("../../wasm/toolchain/capabilities.json", import.meta.url);
  const capabilities = JSON.parse(await readFile(file, "utf8")) as {
    readonly builtins: readonly {
      readonly name: string;
      readonly nondeterministic?: boolean;
      readonly deprecated?: boolean;
    }[];
    readonly features: readonly string[];
    readonly allow_net: readonly string[];
  };
  const names = capabilities.builtins.map(({ name }) => name);
  for (const refused of [
    "http.send",
    "rand.intn",
    "time.now_ns",
    "uuid.rfc4122",
    "opa.runtime",
    "net.lookup_ip_addr",
    "trace",
  ]) {
    t.notOk(names.includes(refused), refused);
  }
  t.same(
    capabilities.builtins.filter(({ nondeterministic, deprecated }) => nondeterministic || deprecated),
    [],
  );
  for (const name of makeOwnBuiltins().keys()) t.ok(names.includes(name), `${name} is ours and is offered`);
  t.ok(capabilities.features.includes("rego_v1"));
});

t.test("a hostile module is refused when it is loaded", async (t) => {
  const refusals: readonly { readonly why: string; readonly module: Hostile; readonly reason: string }[] = [
    {
      why: "no such entrypoint",
      module: { entrypoints: '{"stepgate/other/decision":0}' },
      reason: "no such entrypoint",
    },
    { why: "an ABI of 2021", module: { abi: [1, 1] }, reason: "ABI version" },
    { why: "an ABI to come", module: { abi: [2, 0] }, reason: "ABI version" },
    { why: "a missing export", module: { missingExport: "opa_json_parse" }, reason: "export" },
    {
      why: "a minimum above the cap",
      module: { memoryLimits: [0, ...[0x80, 0x80, 0x01]] },
      reason: "memory over the cap",
    },
    { why: "tables that are no tables", module: { builtins: "[1]" }, reason: "table" },
    { why: "an id that is no number", module: { entrypoints: '{"stepgate/hostile/decision":"0"}' }, reason: "table" },
    { why: "a table that is not JSON", module: { builtins: "{,}" }, reason: "the module does not start" },
    { why: "a trap at its start", module: { startCode: code.unreachable }, reason: "the module does not start" },
    { why: "an abort at its start", module: { startCode: code.abort(1024) }, reason: "the module does not start" },
  ];
  for (const { why, module, reason } of refusals) {
    const directory = await writeBuiltPack(hostileModule(module));
    await t.rejects(load(directory), { code: "PACK_IMPORT_REFUSED", detail: { reason } }, why);
  }
  const builtin = hostileModule({ builtins: '{"http.send":0}' });
  const directory = await writeBuiltPack(builtin, { builtins: ["http.send"] });
  await t.rejects(load(directory), { code: "PACK_IMPORT_REFUSED", detail: { reason: "builtin", name: "http.send" } });
  const unlisted = await writeBuiltPack(hostileModule({ builtins: '{"sprintf":0}' }));
  await t.rejects(load(unlisted), { code: "PACK_IMPORT_REFUSED" }, "a builtin that pack.json does not list");
  const overlisted = await writeBuiltPack(hostileModule({}), { builtins: ["sprintf"] });
  await t.rejects(load(overlisted), { code: "PACK_MANIFEST_INVALID", detail: { field: "/builtins" } });
});

t.test("a hostile module that loads ends in a fault, in the caller's thread and in its own", async (t) => {
  const faults: readonly { readonly why: string; readonly module: Hostile; readonly fault: string }[] = [
    { why: "an abort", module: { evalCode: [...code.abort(1024), ...code.constant(0)] }, fault: "crashed" },
    {
      why: "an abort outside its memory",
      module: { evalCode: [...code.abort(0x7ffffff), ...code.constant(0)] },
      fault: "crashed",
    },
    { why: "a trap", module: { evalCode: code.unreachable }, fault: "crashed" },
    { why: "a failing eval", module: { evalCode: code.constant(1) }, fault: "crashed" },
    { why: "no result", module: { result: "[]" }, fault: "undefined" },
    {
      why: "two results",
      module: { result: '[{"result":{"effect":"allow"}},{"result":{"effect":"allow"}}]' },
      fault: "several_results",
    },
    { why: "no JSON", module: { result: "[{" }, fault: "malformed" },
    {
      why: "the same key twice",
      module: { result: '[{"result":{"effect":"deny","effect":"allow"}}]' },
      fault: "malformed",
    },
    {
      why: "the memory used up, by its own word",
      module: { result: "opa_malloc: failed", evalCode: [...code.abort(RESULT_ADDRESS), ...code.constant(0)] },
      fault: "memory",
    },
  ];
  for (const { why, module, fault } of faults) {
    const directory = await writeBuiltPack(hostileModule(module));
    for (const placement of ["caller", "worker"] as const) {
      const pack = await load(directory, { placement });
      t.match(pack.evaluate(bytes({}), TENANT), { ok: false, fault }, `${why}, ${placement}`);
      pack.close();
    }
  }
});

t.test("an endless loop is stopped in its own thread, and the next evaluation finds a new one", async (t) => {
  const limits = { ...DEFAULT_PACK_LIMITS, deadlineMs: 50 };
  for (const evalCode of [code.forever, code.growForever]) {
    const directory = await writeBuiltPack(hostileModule({ evalCode: [...evalCode, ...code.constant(0)] }));
    const pack = await load(directory, { placement: "worker", limits, clock: systemClock });
    const stopped = pack.evaluate(bytes({}), TENANT);
    t.match(stopped, { ok: false, fault: "timeout" });
    t.ok(stopped.durationUs >= 50_000 && stopped.durationUs < 2_000_000, `after ${stopped.durationUs} µs`);
    t.match(pack.evaluate(bytes({}), TENANT), { ok: false, fault: "timeout" });
    pack.close();
    t.match(pack.evaluate(bytes({}), TENANT), { ok: false, fault: "crashed" }, "closed");
  }
});

t.test("the toolchain is not opened for a pack that needs none of OPA's own code", async (t) => {
  const directory = await buildRules({
    name: "light",
    rules: 'decision := {"effect": "allow", "reasons": [sprintf("%v", [1])]}',
  });
  const toolchain = {
    ...processToolchain(),
    open: () => Promise.reject(new Error("opened")),
  };
  const pack = await load(directory, { toolchain });
  t.ok(pack.evaluate(bytes({}), TENANT).ok);
  const heavy = await buildRules({
    name: "heavy",
    rules: 'decision := {"effect": "allow"} if semver.is_valid(input.v)',
  });
  await t.rejects(load(heavy, { toolchain }), /opened/);
});

t.test("refusals are ours: no plain error leaves the room at load", async (t) => {
  const directory = await writeBuiltPack(hostileModule({ startCode: code.unreachable }));
  const caught: unknown = await load(directory).catch((error: unknown) => error);
  t.ok(isStepgateError(caught, "PACK_IMPORT_REFUSED"));
});
