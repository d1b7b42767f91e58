import type pg from "pg";
import t from "tap";
import { makePlanRenewal } from "../../src/storage/plan-age.ts";

t.test(
  "a session's plans are made anew when it is three times as old, at least once a minute, and each session's apart",
  async (t) => {
    let nowMs = 1000;
    const renew = makePlanRenewal(() => nowMs);
    const session = () => {
      const atMs: number[] = [];
      return { atMs, client: { query: async () => atMs.push(nowMs) } as unknown as pg.ClientBase };
    };
    const first = session();
    for (; nowMs < 200_000; nowMs += 50) await renew(first.client);
    t.same(first.atMs, [2000, 5000, 14_000, 41_000, 101_000, 161_000]);
    const second = session();
    await renew(second.client);
    t.same(second.atMs, [], "a new session has no old plans");
  },
);
