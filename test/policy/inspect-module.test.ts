import t from "tap";
import { isStepgateError } from "../../src/core/errors.ts";
import { inspectModule } from "../../src/policy/inspect-module.ts";
import { type Hostile, hostileModule } from "./hostile-module.ts";

t.test("reads what a module needs of memory", async (t) => {
  t.same(inspectModule(hostileModule({})), { minPages: 2, maxPages: undefined });
  t.same(inspectModule(hostileModule({ memoryLimits: [1, 2, 9] })), { minPages: 2, maxPages: 9 });
  const segment = [0, 0x41, 0x80, 0x80, 0x10, 0x0b, 1, 0xff];
  const beyond = hostileModule({ section: [11, [1, ...segment]] });
  t.equal(inspectModule(beyond).minPages, 5, "data after the declared minimum still has a place");
});

t.test("reads the constants that a build took out of the rules", async (t) => {
  const name = Buffer.from("stepgate.constants");
  const constants = [name.length, ...name, ...Buffer.from('{"é":1}')];
  const module = hostileModule({ section: [0, constants] });
  t.equal(inspectModule(module).constants, '{"é":1}');
  const twice = Buffer.concat([module, Uint8Array.of(0, constants.length, ...constants)]);
  t.throws(() => inspectModule(twice), { code: "PACK_IMPORT_REFUSED", detail: { reason: "constants twice" } });
  t.equal(inspectModule(hostileModule({ section: [0, [1, 0x61, 0x62]] })).constants, undefined, "another section");
});

t.test("refuses a module that could take more than the host gives", async (t) => {
  const refusals: readonly { readonly why: string; readonly module: Hostile; readonly reason: string }[] = [
    { why: "an import that OPA does not have", module: { imports: [["env", "fetch"]] }, reason: "import" },
    { why: "an allowed name of another module", module: { imports: [["wasi", "opa_abort"]] }, reason: "import" },
    {
      why: "a memory under another name",
      module: { memoryImport: ["env", "opa_abort"] },
      reason: "import of another kind",
    },
    { why: "a function called memory", module: { imports: [["env", "memory"]] }, reason: "import of another kind" },
    { why: "a shared memory", module: { memoryLimits: [3, 2, 9] }, reason: "a shared or 64-bit memory" },
    { why: "a 64-bit memory", module: { memoryLimits: [4, 2] }, reason: "a shared or 64-bit memory" },
    { why: "a memory of its own", module: { section: [5, [1, 0, 2]] }, reason: "a memory of its own" },
    { why: "a table that may grow for ever", module: { section: [4, [1, 0x70, 0, 1]] }, reason: "an unbounded table" },
    {
      why: "a huge table",
      module: { section: [4, [1, 0x70, 1, 0xff, 0xff, 0x7f, 0xff, 0xff, 0x7f]] },
      reason: "an unbounded table",
    },
    { why: "a table of objects", module: { section: [4, [1, 0x6f, 1, 1, 1]] }, reason: "a table of another kind" },
    { why: "a garbage-collected struct", module: { section: [1, [1, 0x5f, 0]] }, reason: "a type that is no function" },
    {
      why: "a reference in two bytes",
      module: { section: [1, [1, 0x60, 1, 0x63, 0x6e, 0]] },
      reason: "a value type beyond Wasm 2.0",
    },
    {
      why: "bytes after a section's content",
      module: { section: [1, [0, 0]] },
      reason: "a section with bytes left over",
    },
    { why: "exceptions", module: { section: [13, [0]] }, reason: "an unknown section" },
    { why: "no memory", module: { section: [2, [0]] }, reason: "no imported memory" },
    {
      why: "data at a computed address",
      module: { section: [11, [1, 0, 0x23, 0, 0x0b, 0]] },
      reason: "a data segment without a constant address",
    },
  ];
  for (const { why, module, reason } of refusals) t.match(refusal(hostileModule(module)), { reason }, why);
});

t.test("refuses bytes that are no module, wherever they end", async (t) => {
  const module = hostileModule({});
  t.match(refusal(new Uint8Array(8)), { reason: "not a WebAssembly module" });
  for (const length of [0, 3, 7, 9, 20, module.length - 1]) {
    t.match(refusal(module.subarray(0, length)), { reason: String }, `the first ${length} bytes`);
  }
  t.match(refusal(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0xff)), {
    reason: "a number out of range",
  });
});

function refusal(bytes: Uint8Array): unknown {
  try {
    return inspectModule(bytes);
  } catch (caught) {
    return isStepgateError(caught, "PACK_IMPORT_REFUSED") ? caught.detail : caught;
  }
}
