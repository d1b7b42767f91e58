import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import type { Digest } from "../../src/core/ids.ts";
import { DEFAULT_PACK_LIMITS } from "../../src/policy/pack.ts";
import { packsByName } from "../../src/policy/packs-by-name.ts";
import { code, hostileModule, RESULT_ADDRESS } from "./hostile-module.ts";
import { buildRules, bytes, load, OTHER_TENANT, TENANT, writeBuiltPack } from "./make-pack.ts";

const GUARD = {
  name: "guard",
  reasons: { "card.found": "a card number" },
  rules: `default decision := {"effect": "allow"}

decision := {
	"effect": "redact",
	"reasons": ["card.found"],
	"patches": [{"op": "replace", "path": "/inputs/text", "value": regex.replace(input.inputs.text, card, "[card]")}],
} if regex.match(card, input.inputs.text)

card := \`4[0-9]{15}\``,
};
const REDACTED = {
  ok: true,
  decision: {
    effect: "redact",
    reasons: ["card.found"],
    patches: [{ op: "replace", path: "/inputs/text", value: "pay with [card]" }],
    obligations: [],
  },
  undeclared: [],
};

t.test("a built pack decides, in the caller's thread and in its own", async (t) => {
  const directory = await buildRules(GUARD);
  for (const placement of ["caller", "worker"] as const) {
    const pack = await load(directory, { placement });
    t.match(pack.ref, { id: "guard", version: "1.0.0", digest: /^[0-9a-f]{64}$/ });
    t.match(pack.manifest, {
      entrypoint: "stepgate/guard/decision",
      builtins: ["hosted.regex.match", "regex.replace"],
    });
    t.match(pack.evaluate(bytes({ inputs: { text: "pay with 4111111111111111" } }), TENANT), REDACTED, placement);
    t.match(pack.evaluate(bytes({ inputs: { text: "pay later" } }), TENANT), {
      ok: true,
      decision: { effect: "allow" },
    });
    pack.close();
    t.match(pack.evaluate(bytes({ inputs: { text: "" } }), TENANT), { ok: false, fault: "crashed" }, "closed");
  }
});

t.test("a pack in its own thread answers each of many inputs with its own decision", async (t) => {
  const pack = await load(await buildRules(GUARD), { placement: "worker" });
  const wrong: unknown[] = [];
  for (let count = 0; count < 3_000; count += 1) {
    const text = count % 2 === 0 ? "4111111111111111" : `${count}`;
    const result = pack.evaluate(bytes({ inputs: { text } }), TENANT);
    const effect = result.ok ? result.decision.effect : result.fault;
    if (effect !== (count % 2 === 0 ? "redact" : "allow")) wrong.push({ count, effect });
  }
  t.same(wrong, []);
  pack.close();
});

t.test("the digest is that of the files, and loading compares it", async (t) => {
  const directory = await buildRules(GUARD);
  const { digest } = (await load(directory)).ref;
  t.equal((await load(directory, { expectedDigest: digest })).ref.digest, digest);
  const other = "0".repeat(64) as Digest;
  await t.rejects(load(directory, { expectedDigest: other }), { code: "PACK_DIGEST_MISMATCH" });
  const manifest = await readFile(join(directory, "pack.json"), "utf8");
  await writeFile(join(directory, "pack.json"), manifest.replace("a card number", "a credit card"));
  await t.rejects(load(directory, { expectedDigest: digest }), { code: "PACK_DIGEST_MISMATCH" }, "a reason's text");
});

t.test("refuses a folder that is not exactly a built pack", async (t) => {
  const fresh = () => buildRules(GUARD);
  const refusals: readonly {
    readonly why: string;
    readonly spoil: (folder: string) => Promise<void>;
    readonly code: string;
  }[] = [
    { why: "a changed module", spoil: (folder) => append(folder, "policy.wasm"), code: "PACK_DIGEST_MISMATCH" },
    {
      why: "a file beside them",
      spoil: (folder) => writeFile(join(folder, "data.json"), "{}"),
      code: "PACK_MANIFEST_INVALID",
    },
    {
      why: "a manifest that is no JSON",
      spoil: (folder) => writeFile(join(folder, "pack.json"), "{"),
      code: "PACK_MANIFEST_INVALID",
    },
    {
      why: "a manifest without digests",
      spoil: (folder) => writeFile(join(folder, "pack.json"), "{}"),
      code: "PACK_MANIFEST_INVALID",
    },
  ];
  for (const { why, spoil, code } of refusals) {
    const folder = await fresh();
    await spoil(folder);
    await t.rejects(load(folder), { code }, why);
  }
  await t.rejects(load(join(await fresh(), "nowhere")), { code: "PACK_NOT_FOUND" });
});

async function append(folder: string, name: string): Promise<void> {
  await writeFile(join(folder, name), Buffer.concat([await readFile(join(folder, name)), Buffer.of(0)]));
}

/** Counts its evaluations in its memory and says the count as its reason: 1, 2, 3 … of the same instance. */
async function countingPack(): Promise<string> {
  const result = '[{"result":{"effect":"allow","reasons":["0"]}}]';
  const evalCode = [...code.increment(RESULT_ADDRESS + result.indexOf('"0"') + 1), ...code.constant(0)];
  return writeBuiltPack(hostileModule({ result, evalCode }));
}

t.test("tenants never share an instance", async (t) => {
  const directory = await countingPack();
  for (const placement of ["caller", "worker"] as const) {
    const pack = await load(directory, { placement });
    const count = (tenant: typeof TENANT) => {
      const result = pack.evaluate(bytes({}), tenant);
      return result.ok ? result.undeclared[0] : result.fault;
    };
    t.same([count(TENANT), count(TENANT), count(OTHER_TENANT), count(TENANT)], ["1", "2", "1", "3"], placement);
    pack.close();
  }
});

t.test("instances of tenants not seen for long, and those that grew, are let go", async (t) => {
  const directory = await countingPack();
  const few = await load(directory, { limits: { ...DEFAULT_PACK_LIMITS, maxTenants: 1 } });
  const small = await load(directory, { limits: { ...DEFAULT_PACK_LIMITS, maxIdleMemoryBytes: 65_536 } });
  const reasons = [TENANT, OTHER_TENANT, TENANT].map((tenant) => few.evaluate(bytes({}), tenant));
  t.match(reasons, [{ undeclared: ["1"] }, { undeclared: ["1"] }, { undeclared: ["1"] }]);
  t.match(
    [small, small].map((pack) => pack.evaluate(bytes({}), TENANT)),
    [{ undeclared: ["1"] }, { undeclared: ["1"] }],
  );
});

t.test("packs are found by name, and two of one name are refused", async (t) => {
  const [guard, counting] = [await load(await buildRules(GUARD)), await load(await countingPack())];
  const packs = packsByName([counting, guard]);
  t.equal(packs.get("guard"), guard);
  t.same([...packs.keys()].sort(), ["guard", "hostile"]);
  t.throws(() => packsByName([guard, guard]), { code: "STATE_CONFLICT" });
  for (const pack of packs.values()) pack.close();
  t.match(guard.evaluate(bytes({}), TENANT), { ok: false, fault: "crashed" });
});
