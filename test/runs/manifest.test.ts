import t from "tap";
import { canonicalJson, sha256Hex } from "../../src/core/canonical-json.ts";
import type { Digest } from "../../src/core/ids.ts";
import type { JsonObject } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { makeReadManifest, planDigest, planOfManifest, toJson } from "../../src/runs/manifest.ts";
import { manifestOf } from "./manifest-fixture.ts";
import { step } from "./plan-fixture.ts";
import { refusalOf } from "./refusal.ts";

const readManifest = makeReadManifest();

t.test("a manifest is canonical, named by the digest of its bytes, and holds no inputs", async (t) => {
  const { id, text, manifest } = manifestOf(
    [step("a", { inputs: { card: "4111 1111 1111 1111" } }), step("b", { type: "process" })],
    [["a", "b"]],
  );
  t.equal(sha256Hex(text), id);
  t.equal(canonicalJson(parseJson(text)), text);
  t.notMatch(text, /4111|inputs/);
  t.match(manifest, {
    manifest_version: 1,
    kind: "dag",
    plan: { steps: [{ id: "a" }, { id: "b" }], edges: [["a", "b"]] },
    executors: { noop: "1", process: "2" },
    build: { version: "0.1.0", commit: "abcdef0" },
  });
  t.equal(manifest.op_id, planDigest(manifest.plan), "without a name the operation is its plan");
  t.equal(manifestOf([step("a")], [], { opId: "nightly" }).manifest.op_id, "nightly");
});

t.test("the same plan gives the same id whatever its inputs; any other plan another", async (t) => {
  const { id } = manifestOf([step("a")]);
  t.equal(manifestOf([step("a", { inputs: { x: 1 } })]).id, id);
  t.not(manifestOf([step("a", { execution: { max_attempts: 2 } })]).id, id);
  t.not(manifestOf([step("a")], [], { build: { version: "0.1.0", commit: "other" } }).id, id);
});

t.test("M7 a fraction or a credential is refused naming its path", async (t) => {
  const withOptions = (options: JsonObject) => [step("a", { policy: { packs: [{ name: "p", options }] } })];
  const at = "/plan/steps/0/policy/packs/0/options";
  const refusals: readonly { options: JsonObject; code: string; detail: JsonObject }[] = [
    { options: { ratio: 0.5 }, code: "MANIFEST_NOT_CANONICAL", detail: { path: `${at}/ratio` } },
    { options: { deep: [{ n: 2 ** 53 }] }, code: "MANIFEST_NOT_CANONICAL", detail: { path: `${at}/deep/0/n` } },
    { options: { password: "x" }, code: "SECRETS_DETECTED", detail: { path: `${at}/password`, pattern: "key" } },
    { options: { password: "x", ratio: 0.5 }, code: "MANIFEST_NOT_CANONICAL", detail: { path: `${at}/ratio` } },
    { options: { text: "\ud800", ratio: 0.5 }, code: "MANIFEST_SERIALIZE_FAILED", detail: {} },
    { options: { n: Number.NaN }, code: "MANIFEST_SERIALIZE_FAILED", detail: {} },
  ];
  for (const { options, code, detail } of refusals) {
    t.match(
      refusalOf(() => manifestOf(withOptions(options))),
      { code, detail },
    );
  }
});

t.test("a stored manifest is read back as it was written, from text or bytes", async (t) => {
  const written = manifestOf([
    step("a", {
      slug: "s",
      policy: {
        budget: { tokens: 1 },
        slo: { tier: "gold" },
        packs: [{ name: "p", options: { deep: [1] } }],
        pack: "p",
      },
      execution: { compensation: { step: "b" }, cost_hint: { cost: 1 }, concurrency_key: "k", facts: true },
    }),
    step("b"),
  ]);
  t.same(readManifest(written.text, written.id), written);
  t.same(readManifest(new TextEncoder().encode(written.text), written.id), written);
});

t.test(
  "a stored manifest that is not what it was is refused, first by form, then by digest, then by shape",
  async (t) => {
    const { text, id, manifest } = manifestOf([step("a")]);
    const stored = (change: JsonObject) => {
      const changed = canonicalJson({ ...(parseJson(text) as JsonObject), ...change });
      return [changed, sha256Hex(changed)] as const;
    };
    const refusals: readonly { why: string; stored: readonly [string | Uint8Array, Digest]; code: string }[] = [
      { why: "cut off", stored: [text.slice(0, -1), id], code: "MANIFEST_DECODE_FAILED" },
      { why: "not UTF-8", stored: [new Uint8Array([0xff]), id], code: "MANIFEST_DECODE_FAILED" },
      { why: "a key twice", stored: ['{"a":1,"a":1}', id], code: "MANIFEST_DECODE_FAILED" },
      { why: "one letter changed", stored: [text.replace("noop", "nooq"), id], code: "MANIFEST_CORRUPT" },
      { why: "white space added", stored: [`${text} `, id], code: "MANIFEST_CORRUPT" },
      { why: "another manifest's id", stored: [text, "0".repeat(64) as Digest], code: "MANIFEST_CORRUPT" },
      { why: "a newer version", stored: stored({ manifest_version: 2 }), code: "MANIFEST_DESERIALIZE_FAILED" },
      { why: "an unknown field", stored: stored({ extra: 1 }), code: "MANIFEST_DESERIALIZE_FAILED" },
      {
        why: "steps that are none",
        stored: stored({ plan: { steps: [1], edges: [] } }),
        code: "MANIFEST_DESERIALIZE_FAILED",
      },
      { why: "a kind of run we do not have", stored: stored({ kind: "chain" }), code: "UNSUPPORTED_EXECUTION_MODE" },
      {
        why: "a mode we do not have",
        stored: stored({ run_config: { ...(toJson(manifest.run_config) as JsonObject), execution_mode: "x" } }),
        code: "UNSUPPORTED_EXECUTION_MODE",
      },
    ];
    for (const { why, stored, code } of refusals) {
      t.equal(refusalOf(() => readManifest(...stored))?.code, code, why);
    }
  },
);

t.test("a start gives each step its inputs, and steps it does not name none", async (t) => {
  const { manifest } = manifestOf([step("a"), step("constructor")]);
  const plan = planOfManifest(manifest, { a: { x: 1 } });
  t.same(
    plan.steps.map(({ id, inputs }) => [id, inputs]),
    [
      ["a", { x: 1 }],
      ["constructor", {}],
    ],
  );
});
