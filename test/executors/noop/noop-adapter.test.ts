/** noop: the contract, and what it answers. */
import t from "tap";
import { makeNoopAdapter } from "../../../src/executors/noop/noop-adapter.ts";
import { executorContract } from "../../contract/executor.ts";
import { adapterDeps, callOf, never } from "../call.ts";

t.test("noop keeps the contract", async (t) => {
  // it touches nothing, so its answers are what can be seen of it
  let answers = 0;
  const adapter = makeNoopAdapter(adapterDeps());
  await executorContract(t, {
    make: async () => ({
      ...adapter,
      execute: async (context, signal) => {
        const result = await adapter.execute(context, signal);
        if (result.ok) answers += 1;
        return result;
      },
    }),
    inputs: { result: { text: "hello" } },
    settings: {},
    otherInputs: undefined,
    badInputs: [
      { usage: { tokens: -1 } },
      { usage: 3 },
      { fail: { code: "Not a code", message: "" } },
      { fail: { code: "x" } },
    ],
    effects: () => answers,
  });
});

t.test("returns the result, the usage and the checkpoint that its inputs name", async (t) => {
  const adapter = makeNoopAdapter(adapterDeps());
  const rich = {
    result: [1, { a: null }],
    usage: { tokens: 10, usd_micros: 400 },
    checkpoint: { page: 2 },
    ticket: { email: "x" },
  };
  t.same(await adapter.execute(callOf(adapter, { inputs: rich }), never), {
    ok: true,
    output: [1, { a: null }],
    usage: { tokens: 10, usdMicros: 400 },
    checkpoint: { page: 2 },
    toolEvents: [],
  });
  t.same(await adapter.execute(callOf(adapter, { inputs: {} }), never), {
    ok: true,
    output: null,
    usage: { tokens: 0, usdMicros: 0 },
    toolEvents: [],
  });
});

t.test("fails on purpose on the first attempts, and then no more", async (t) => {
  const adapter = makeNoopAdapter(adapterDeps());
  const inputs = { result: "done", usage: { tokens: 3 }, fail: { code: "upstream", message: "not now", times: 2 } };
  const outcomes = [];
  for (const attempt of [1, 2, 3]) outcomes.push(await adapter.execute(callOf(adapter, { inputs, attempt }), never));
  t.match(outcomes, [
    { ok: false, kind: "execution_error", code: "upstream", retryable: true, usage: { tokens: 3 } },
    { ok: false, code: "upstream" },
    { ok: true, output: "done" },
  ]);
  const forever = { fail: { code: "upstream", message: "never", retryable: false } };
  t.match(await adapter.execute(callOf(adapter, { inputs: forever, attempt: 3 }), never), {
    ok: false,
    retryable: false,
  });
});
