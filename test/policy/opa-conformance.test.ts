/**
 * OPA's own cases through our host: compiled by the toolchain, evaluated as Wasm, asked by entrypoint name.
 *
 * 1 434 cases (test/conformance/opa/SOURCE.txt), 40 to a module; every one either answers as OPA says or stands below.
 */
import t from "tap";
import {
  compareValues,
  RegoObject,
  RegoSet,
  type RegoValue,
  writeLiteral,
} from "../../src/policy/builtins/rego-value.ts";
import { processToolchain } from "../../src/policy/pack-tools.ts";
import { answerCases, type CaseAnswer, isFixed, type OpaCase, readOpaCases } from "./opa-cases.ts";

/** Cases that use a builtin which packs may not use (wasm/toolchain/capabilities.go): refused at build, by name. */
const REFUSED_BUILTINS: ReadonlySet<string> = new Set([
  "http.send",
  "io.jwt.decode_verify",
  "io.jwt.encode_sign",
  "io.jwt.encode_sign_raw",
  "net.lookup_ip_addr",
  "opa.runtime",
  "providers.aws.sign_req",
  "rand.intn",
  "time.now_ns",
  "uuid.rfc4122",
]);

/** Everything else that does not answer as the suite says. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "data/nested integer": "OPA's Wasm runtime does not find a string key by a number (open-policy-agent/opa#3711)",
  "reachable_paths/cycle_1022_3": "OPA 1.22 finds a path that the suite's older version missed; its own case says so",
  "topdowndynamicdispatch/dynamic dispatch": "asks for all of `data`, which is no entrypoint",
};
const CASES_PER_MODULE = 40;

t.test("OPA's cases answer as OPA says", async (t) => {
  const cases = readOpaCases();
  t.equal(cases.length, 1434);
  const toolchain = processToolchain();
  const tried = cases.filter((one) => EXCEPTIONS[one.note] === undefined && !usesRefusedBuiltin(one));
  const batches = [...batch(tried.filter((one) => !isFixed(one))), ...tried.filter(isFixed).map((one) => [one])];
  let right = 0;
  for (const group of batches) {
    for (const [one, answer] of await answerCases(group, toolchain)) {
      const fault = faultOf(one, answer);
      if (fault === undefined) right += 1;
      else t.fail(`${one.note} (${one.file}): ${fault}`);
    }
  }
  t.equal(right, tried.length);
  t.equal(right, 1357, "the list of exceptions does not grow in silence");
});

t.test("a case with a refused builtin does not compile, and the message names the builtin", async (t) => {
  const toolchain = await processToolchain().open();
  for (const one of readOpaCases().filter(usesRefusedBuiltin)) {
    const files = Object.fromEntries(one.modules.map((rego, index) => [`${index}.rego`, rego]));
    const checked = toolchain.checkPack(files);
    t.equal(checked.ok, false, one.note);
  }
});

/** By the text of its modules: a mock (`with http.send as …`) uses the builtin too. */
function usesRefusedBuiltin(one: OpaCase): boolean {
  const text = one.modules.join("\n");
  return [...REFUSED_BUILTINS].some((name) => one.builtins.includes(name) || text.includes(name));
}

function* batch(cases: readonly OpaCase[]): Generator<readonly OpaCase[]> {
  for (let start = 0; start < cases.length; start += CASES_PER_MODULE)
    yield cases.slice(start, start + CASES_PER_MODULE);
}

function faultOf(one: OpaCase, answer: CaseAnswer): string | undefined {
  if (one.want === undefined) return errorFault(one, answer);
  if (!answer.ok) return answer.error;
  const view = (bindings: readonly RegoValue[]) =>
    new RegoSet(bindings.map((binding) => sortList(asJson(binding), one)));
  const [got, want] = [view(answer.bindings.elements), view(one.want)];
  return compareValues(got, want) === 0 ? undefined : `got ${writeLiteral(got)}, wanted ${writeLiteral(want)}`;
}

/** A builtin's error is undefined in Wasm, as OPA's own Wasm tests have it; any other error ends the evaluation. */
function errorFault(one: OpaCase, answer: CaseAnswer): string | undefined {
  if (one.isStrictError) return answer.ok && answer.bindings.elements.length === 0 ? undefined : "wanted undefined";
  return answer.ok ? "wanted an error" : undefined;
}

/** What the suite's JSON can say: sets as arrays in Rego's order, keys as texts. */
function asJson(value: RegoValue): RegoValue {
  if (value instanceof RegoSet) return [...value.elements].sort(compareValues).map(asJson);
  if (value instanceof RegoObject) {
    return new RegoObject(value.entries.map(([key, item]) => [keyText(key), asJson(item)] as const));
  }
  return Array.isArray(value) ? value.map(asJson) : value;
}

function keyText(key: RegoValue): string {
  return typeof key === "string" ? key : writeLiteral(asJson(key));
}

/** Cases marked so compare the top list in any order. */
function sortList(binding: RegoValue, { isSorted }: OpaCase): RegoValue {
  if (!isSorted || !(binding instanceof RegoObject)) return binding;
  const sorted = (value: RegoValue) => (Array.isArray(value) ? [...value].sort(compareValues) : value);
  return new RegoObject(binding.entries.map(([name, value]) => [name, sorted(value)] as const));
}
