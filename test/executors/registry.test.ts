/** The registry: look-ups, duplicates, the list, checks of settings, self-tests. */
import t from "tap";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { makeNoopAdapter } from "../../src/executors/noop/noop-adapter.ts";
import { makeRegistry } from "../../src/executors/registry.ts";
import { adapterDeps } from "./call.ts";

const noop = makeNoopAdapter(adapterDeps());
const other: ExecutorAdapter = {
  ...noop,
  type: "alpha",
  describe: () => ({ ...noop.describe(), type: "alpha" }),
  settingsSchema: {
    type: "object",
    properties: { hosts: { type: "array", items: { type: "string" } } },
    required: ["hosts"],
  },
};

t.test("finds an adapter by its type, and nothing for a type nobody serves", async (t) => {
  const registry = makeRegistry([noop, other]);
  t.equal(registry.get("noop"), noop);
  t.equal(registry.get("constructor"), undefined);
});

t.test("refuses two adapters for one type at start", async (t) => {
  t.throws(() => makeRegistry([noop, noop]), { code: "EXECUTOR_DUPLICATE", detail: { step_type: "noop" } });
});

t.test("lists adapters by type with schemas, and the report once the self-test ran", async (t) => {
  const registry = makeRegistry([noop, other]);
  t.match(registry.list(), [
    { type: "alpha", report: undefined },
    { type: "noop", version: "1.0.0", defaultSettings: {}, inputsSchema: { type: "object" } },
  ]);
  await registry.selfTestAll();
  t.match(registry.list()[1], { type: "noop", report: { level: "none" } });
});

t.test("names what is wrong with settings, by pointer", async (t) => {
  const registry = makeRegistry([noop, other]);
  t.same(registry.settingsFaults("alpha", { hosts: ["a"] }), []);
  t.same(registry.settingsFaults("alpha", { hosts: ["a", 1] }), ["/hosts/1"]);
  t.same(registry.settingsFaults("alpha", {}), ["/"]);
  t.same(registry.settingsFaults("unknown", {}), ["/type"]);
});

t.test("reports a self-test that breaks down as level none, and runs the others", async (t) => {
  const broken: ExecutorAdapter = { ...other, selfTest: () => Promise.reject(new Error("disk")) };
  const registry = makeRegistry([broken, noop]);
  await registry.selfTestAll();
  t.match(registry.list(), [
    { report: { level: "none", checks: [{ name: "self_test_ran", held: false }] } },
    { report: { level: "none" } },
  ]);
});
