/** What every adapter promises; each adapter's test runs this suite with an effect that can be watched from outside. */
import type { Test } from "tap";
import { canonicalJson } from "../../src/core/canonical-json.ts";
import { StepgateError } from "../../src/core/errors.ts";
import type { JsonObject } from "../../src/core/json.ts";
import type { ExecutorAdapter } from "../../src/executors/contract.ts";
import { makeRegistry } from "../../src/executors/registry.ts";
import { type CallOptions, callOf, never, refusingVerifier, stepSpec } from "../executors/call.ts";

export interface ExecutorCase {
  /** A fresh adapter whose self-test ran. */
  readonly make: () => Promise<ExecutorAdapter>;
  /** Inputs of a step with a visible effect, and the settings that allow it. */
  readonly inputs: JsonObject;
  readonly settings: JsonObject;
  /** Other valid inputs, for which a token of `inputs` must not do; undefined when inputs are no part of the scope. */
  readonly otherInputs: JsonObject | undefined;
  /** Inputs that are not of the schema's form. */
  readonly badInputs: readonly JsonObject[];
  /** How often the effect was seen so far. */
  readonly effects: () => number;
}

/** Runs the contract on one adapter. */
export async function executorContract(
  t: Test,
  { make, inputs, settings, otherInputs, badInputs, effects }: ExecutorCase,
): Promise<void> {
  const adapter = await make();
  const call = (options: Partial<CallOptions> = {}) => callOf(adapter, { inputs, settings, ...options });
  const wantsNothing = { minimum: "none", weakerAllowed: false } as const;

  t.test("describes itself, and its defaults fit its own schema", async (t) => {
    const registry = makeRegistry([adapter]);
    t.equal(adapter.describe().type, adapter.type);
    t.same(registry.settingsFaults(adapter.type, adapter.defaultSettings), []);
    t.same(registry.settingsFaults(adapter.type, settings), []);
    t.not(registry.settingsFaults(adapter.type, { ...settings, unknown_field: 1 }).length, 0);
  });

  t.test("demands the same scope every time, and one that can be written down", async (t) => {
    const spec = stepSpec(adapter.type, inputs);
    t.equal(
      canonicalJson(adapter.scope(spec, settings) as never),
      canonicalJson(adapter.scope(spec, settings) as never),
    );
    for (const bad of badInputs) t.same(adapter.scope(stepSpec(adapter.type, bad), settings).arguments, {});
  });

  t.test("performs what its token allows, with a result that is strict JSON", async (t) => {
    const before = effects();
    const result = await adapter.execute(call(), never);
    t.match(result, { ok: true, usage: { tokens: Number } });
    t.equal(effects(), before + 1, "the effect happened once");
    if (result.ok) t.doesNotThrow(() => canonicalJson(result.output));
  });

  t.test("touches nothing when its token is refused", async (t) => {
    const before = effects();
    const refusing = refusingVerifier();
    const refused = call({ verifyToken: refusing.verifyToken, attempt: 2, limits: { calls: 1, wall_ms: 5000 } });
    t.match(await adapter.execute(refused, never), {
      ok: false,
      kind: "capability_denied",
      retryable: false,
      code: "signature",
      message: /: signature, audience$/,
    });
    const [expected] = refusing.expectations;
    t.match(expected, {
      audience: adapter.audience,
      issuer: refused.issuer,
      subject: { stepId: refused.stepId, attempt: 2 },
    });
    t.same(expected?.demand, { ...adapter.scope(refused.spec, settings), limits: { calls: 1, wall_ms: 5000 } });
    t.same(expected?.request, refused.request);
    t.equal(effects(), before);
  });

  t.test("touches nothing when nothing can be verified", async (t) => {
    const before = effects();
    const noKeys = () => {
      throw new StepgateError("KEYS_UNAVAILABLE");
    };
    await t.rejects(adapter.execute(call({ verifyToken: noKeys }), never), { code: "KEYS_UNAVAILABLE" });
    t.equal(effects(), before);
  });

  t.test("refuses tokens of another audience, attempt or request", async (t) => {
    const before = effects();
    const refusals = [
      { why: "another adapter", minted: { audience: "adapter.other" }, code: "audience" },
      { why: "another attempt", minted: { attempt: 2 }, code: "subject" },
      ...(otherInputs === undefined
        ? []
        : [{ why: "other arguments", minted: { inputs: otherInputs }, code: "argument" }]),
    ];
    for (const { why, minted, code } of refusals) {
      const result = await adapter.execute(call({ minted }), never);
      t.match(result, { ok: false, kind: "capability_denied", code: new RegExp(code) }, why);
    }
    t.equal(effects(), before);
  });

  t.test("refuses the call after the last that a token allows", async (t) => {
    const before = effects();
    const once = call();
    t.equal((await adapter.execute(once, never)).ok, true);
    t.match(await adapter.execute(once, never), { ok: false, kind: "capability_denied", code: "limit_calls" });
    t.equal(effects(), before + 1);
  });

  t.test("refuses an attempt older than one it has seen", async (t) => {
    const second = call({ attempt: 2 });
    t.equal((await adapter.execute(second, never)).ok, true);
    const first = call({ attempt: 1, stepId: second.stepId });
    t.match(await adapter.execute(first, never), { ok: false, kind: "capability_denied", code: "superseded" });
  });

  t.test("does nothing once it is aborted, and says by which", async (t) => {
    const before = effects();
    t.match(await adapter.execute(call(), AbortSignal.abort()), { ok: false, kind: "cancelled" });
    const late = AbortSignal.abort(new DOMException("late", "TimeoutError"));
    t.match(await adapter.execute(call(), late), { ok: false, kind: "deadline_exceeded" });
    t.equal(effects(), before);
  });

  t.test("refuses inputs and settings that are not of its schema", async (t) => {
    for (const bad of badInputs) {
      t.match(
        adapter.check(stepSpec(adapter.type, bad), settings, wantsNothing),
        { ok: false, kind: "invalid_request" },
        JSON.stringify(bad),
      );
    }
    const spec = stepSpec(adapter.type, inputs);
    t.match(adapter.check(spec, { ...settings, unknown_field: 1 }, wantsNothing), {
      ok: false,
      reasons: ["settings_malformed"],
    });
    t.equal(adapter.check(spec, settings, wantsNothing).ok, true, "the control");
  });

  t.test("E6 refuses isolation that it cannot give, unless the tenant allowed less by name", async (t) => {
    const spec = stepSpec(adapter.type, inputs);
    const refused = adapter.check(spec, settings, { minimum: "vm", weakerAllowed: false });
    t.match(refused, { ok: false, kind: "sandbox_unavailable", reasons: ["isolation_too_weak"] });
    const allowed = adapter.check(spec, settings, { minimum: "vm", weakerAllowed: true });
    t.match(
      allowed,
      { ok: true, isolation: adapter.describe().isolation },
      "the level really given goes into the record",
    );
  });
}
