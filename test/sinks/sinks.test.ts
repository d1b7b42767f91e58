/**
 * What is asked of the store where a sink's existence is all that counts.
 */
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import type { SinkRow, SinkStore } from "../../src/sinks/ports.ts";
import { makeSinks } from "../../src/sinks/sinks.ts";
import { sinkTo, TENANT } from "./outbox.ts";

const { url, eventTypes, secret } = sinkTo("one.example");
const ROW: SinkRow = { name: "hooks", url, eventTypes, secret, isPaused: false, version: 1, createdAtMs: 0 };

/** A store with one sink, whose backlog nobody can count. */
const refuse = async (): Promise<never> => {
  throw new StepgateError("INTERNAL", { reason: "the backlog was counted" });
};
const store: SinkStore = {
  ...{ list: refuse, get: refuse, put: refuse, remove: refuse },
  find: async (_, name) => (name === ROW.name ? ROW : undefined),
  putSecret: async () => true,
  waiting: async () => [],
  deadLetters: async () => [],
  redrive: async () => 3,
};
const sinks = makeSinks({
  store,
  vault: { seal: async () => secret, open: async () => '{"current":"whsec_c2VjcmV0"}' },
  ids: { random: (size) => new Uint8Array(size) },
  nowMs: () => 0,
  approvedHosts: async () => ({ hosts: [], privateHosts: [] }),
});

t.test("nothing is counted to find that a sink is there, or is not", async (t) => {
  const caller = { keyId: "k", tenantUid: TENANT };
  const asks = {
    waiting: (name: string) => sinks.waiting({ caller, name, after: undefined, limit: 1 }),
    deadLetters: (name: string) => sinks.deadLetters({ caller, name, after: undefined, limit: 1 }),
    redrive: (name: string) => sinks.redrive({ caller, name, runUid: undefined }),
    rotate: (name: string) => sinks.rotate({ caller, name }),
  };
  for (const [what, ask] of Object.entries(asks)) {
    t.ok(await ask("hooks"), what);
    t.equal(await ask("other"), undefined, `${what} of none`);
  }
});
