/**
 * What the authors of the packs that come with the product wrote to prove them: test rules and cases, of every pack and
 * every example, as `stepgate pack test` runs them.
 */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { testPack } from "../../src/policy/pack-tools.ts";

const FOLDERS = ["packs", "examples"].map((name) => fileURLToPath(new URL(`../../policies/${name}`, import.meta.url)));

// the compilers and interpreters of all packs: 40 s of processor time, more where others want it too
t.setTimeout(600_000);

t.test("every pack and every example has test rules and cases, and passes them all", async (t) => {
  for (const folder of FOLDERS) {
    const packs = (await readdir(folder, { withFileTypes: true })).filter((entry) => entry.isDirectory());
    t.ok(packs.length > 0, folder);
    for (const { name } of packs) {
      const answer = await testPack(join(folder, name));
      if (!answer.ok) {
        t.fail(`${name} does not compile`, { problems: answer.problems });
        continue;
      }
      const { tests, cases } = answer.result;
      t.ok(tests.length > 0 && cases.length > 0, `${name} has ${tests.length} tests and ${cases.length} cases`);
      t.same(
        [tests.filter(({ outcome }) => outcome !== "pass"), cases.filter(({ faults }) => faults.length > 0)],
        [[], []],
        name,
      );
    }
  }
});
