/** When a worker claims and when it does not, against a queue that answers as told. */
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { noFailPoints } from "../../src/core/fail-point.ts";
import type { TenantUid } from "../../src/core/ids.ts";
import type { LeasedStep } from "../../src/gate/leased-step.ts";
import type { OpenableVault } from "../../src/gate/tenant-vault.ts";
import { makeDatabaseClock } from "../../src/scheduler/database-clock.ts";
import { makeLeases } from "../../src/scheduler/leases.ts";
import type { ClaimedStep, Queue, TenantSteps } from "../../src/scheduler/ports.ts";
import { Worker } from "../../src/scheduler/worker.ts";

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined };

interface Claim {
  readonly isIdle: boolean;
  readonly isDeep: boolean;
  readonly inHand: number;
}

/** A worker over a queue of named steps; each is in hand until `finish` is called for it. */
function makeRig(
  steps: readonly { readonly name: string; readonly isAlone: boolean }[],
  {
    handedBack = 0,
    deepMs = 0,
    lateMs = () => 0,
    idleBackoffMs = 1,
  }: {
    readonly handedBack?: number;
    readonly deepMs?: number;
    readonly lateMs?: () => number;
    readonly idleBackoffMs?: number;
  } = {},
) {
  let spentMs = 0;
  const waiting = [...steps];
  const claims: Claim[] = [];
  const inHand = new Map<string, () => void>();
  const late: string[] = [];
  const ended: string[] = [];
  const overdueInHand: number[] = [];
  const putBack: TenantSteps[] = [];
  const charged: { readonly steps: readonly TenantSteps[]; readonly claims: number }[] = [];
  let inOverdue = 0;
  let told = 0;
  let asked = 0;
  let onChange = (): void => undefined;
  let wake = (): void => undefined;
  const take = (isAlone: boolean, most: number) => {
    const taken = waiting.filter((step) => step.isAlone === isAlone).slice(0, most);
    for (const step of taken) waiting.splice(waiting.indexOf(step), 1);
    return taken.map(
      ({ name }) => ({ stepId: name, isAlone, nowMs: Date.now(), leaseEpoch: 1 }) as unknown as ClaimedStep,
    );
  };
  const queue = {
    extendLease: async () => true,
    sayTypes: async () => undefined,
    findHeld: async () => [],
    endLease: async () => handedBack,
    shouldEmpty: async () => {
      asked += 1;
      return waiting.some(({ isAlone }) => isAlone);
    },
    findCancelled: async () => [],
    chargePutBack: async (_types: readonly string[], steps: readonly TenantSteps[]) => {
      charged.push({ steps, claims: claims.length });
    },
    claimOverdue: async (most: number) => {
      overdueInHand.push(inOverdue);
      spentMs += lateMs();
      return late
        .splice(0, most)
        .map((stepId) => ({ stepId, nowMs: Date.now(), leaseEpoch: 1 }) as unknown as ClaimedStep);
    },
    claim: async ({ isIdle, isDeep, maxSteps }: Parameters<Queue["claim"]>[0]) => {
      claims.push({ isIdle, isDeep, inHand: inHand.size });
      if (isDeep) spentMs += deepMs;
      const alone = isIdle ? take(true, 1) : [];
      return alone.length > 0 ? alone : take(false, Math.min(1, maxSteps));
    },
  } as unknown as Queue;
  const worker = new Worker({
    queue,
    types: ["any"],
    open: async (claimed) =>
      claimed.map((step) => ({ ok: true, step: step as unknown as LeasedStep, vault: {} as OpenableVault })),
    runStep: ({ step }) =>
      new Promise((resolve) => {
        inHand.set(step.stepId, () => {
          inHand.delete(step.stepId);
          resolve();
        });
        onChange();
      }),
    endOverdue: async ({ step }) => {
      inOverdue += 1;
      await new Promise((resolve) => setTimeout(resolve, 1));
      inOverdue -= 1;
      ended.push(step.stepId);
      onChange();
    },
    reap: async () => 0,
    takePutBack: () => putBack.splice(0),
    leases: makeLeases({ clock: systemClock }),
    clock: { ...systemClock, monotonicMs: () => systemClock.monotonicMs() + spentMs },
    databaseClock: makeDatabaseClock(systemClock),
    wakeSignal: {
      onReady: (tell) => {
        wake = tell;
        return () => undefined;
      },
      ready: () => {
        told += 1;
      },
    },
    failPoints: noFailPoints,
    settings: {
      maxConcurrentSteps: 8,
      claimBatchSize: 8,
      leaseMs: 30_000,
      idleBackoffMs,
      activeBackoffMs: 1,
      answerMaxMs: 60_000,
      reaperIntervalMs: 5,
      requeueBatchSize: 8,
      drainMs: 1000,
      abortGraceMs: 0,
    },
    log: quiet,
    onClaim: () => undefined,
  });
  const until = async (isThere: () => boolean): Promise<void> => {
    while (!isThere()) {
      await new Promise<void>((resolve) => {
        onChange = resolve;
        setTimeout(resolve, 5);
      });
    }
  };
  return {
    worker,
    claims,
    until,
    inHand: () => [...inHand.keys()],
    /** The worker is told that something may be ready. */
    wake: () => wake(),
    /** A step becomes ready. */
    add: (name: string, isAlone: boolean) => waiting.push({ name, isAlone }),
    /** Steps whose time is up, those that were ended, and how many were being ended whenever some were claimed. */
    late,
    ended,
    /** Steps that were put back, and what was charged for them, with how many claims came before. */
    putBack,
    charged,
    overdueInHand,
    /** How often the worker asked whether to empty its hands. */
    asked: () => asked,
    finish: (name: string) => inHand.get(name)?.(),
    told: () => told,
  };
}

t.test("S8 a worker empties its hands for a step that must run alone, and takes nothing beside it", async (t) => {
  const rig = makeRig([
    { name: "first", isAlone: false },
    { name: "second", isAlone: false },
  ]);
  await rig.worker.start();
  await rig.until(() => rig.inHand().length === 2);
  t.ok(rig.claims.slice(1).every(({ isIdle }) => !isIdle));
  rig.finish("first");
  rig.finish("second");
  await rig.worker.stop();

  const busy = makeRig([
    { name: "long", isAlone: false },
    { name: "lost", isAlone: true },
    { name: "next", isAlone: false },
  ]);
  // the first claim of an idle worker takes what must run alone, and nothing else while that is in hand
  await busy.worker.start();
  await busy.until(() => busy.inHand().length === 1);
  t.same(busy.inHand(), ["lost"]);
  const claimsWithIt = busy.claims.length;
  busy.finish("lost");
  await busy.until(() => busy.inHand().length === 2);
  t.same(
    busy.claims.slice(0, claimsWithIt).map(({ isIdle }) => isIdle),
    [true],
  );
  busy.finish("long");
  busy.finish("next");
  await busy.worker.stop();
});

t.test("a worker that was given all there is claims again when it is told to, not when a step ends", async (t) => {
  const rig = makeRig([{ name: "first", isAlone: false }], { idleBackoffMs: 60_000 });
  await rig.worker.start();
  await rig.until(() => rig.inHand().length === 1);
  rig.finish("first");
  rig.add("second", false);
  for (let turn = 0; turn < 10; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  t.equal(rig.claims.length, 1, "neither at once nor when the step ended");
  rig.wake();
  await rig.until(() => rig.inHand().length === 1);
  t.equal(rig.claims.length, 2);
  rig.finish("second");
  await rig.worker.stop();
});

t.test("S8 a busy worker that is asked to stops claiming until its hands are empty", async (t) => {
  const rig = makeRig([{ name: "long", isAlone: false }]);
  await rig.worker.start();
  await rig.until(() => rig.inHand().length === 1);
  rig.add("lost", true);
  const before = rig.asked();
  // the second answer was given after the first was heard
  await rig.until(() => rig.asked() > before + 1);
  rig.add("next", false);
  const claims = rig.claims.length;
  const asked = rig.asked();
  await rig.until(() => rig.asked() > asked + 5);
  t.equal(rig.claims.length, claims, "nothing is claimed meanwhile");
  rig.finish("long");
  await rig.until(() => rig.inHand().length === 1);
  t.same(rig.inHand(), ["lost"]);
  rig.finish("lost");
  await rig.until(() => rig.inHand().length === 1);
  rig.finish("next");
  await rig.worker.stop();
  t.equal(rig.told(), 0, "nothing was handed back, nobody is told");
});

t.test(
  "S8 between two steps that run alone the others have a turn, and none waits where there are no others",
  async (t) => {
    const rig = makeRig([
      { name: "lost-1", isAlone: true },
      { name: "lost-2", isAlone: true },
      { name: "other", isAlone: false },
      { name: "lost-3", isAlone: true },
    ]);
    const order: string[] = [];
    await rig.worker.start();
    while (order.length < 4) {
      await rig.until(() => rig.inHand().length > 0);
      const [name = ""] = rig.inHand();
      t.equal(rig.inHand().length, 1);
      order.push(name);
      rig.finish(name);
    }
    t.same(order, ["lost-1", "other", "lost-2", "lost-3"]);
    await rig.worker.stop();
  },
);

t.test("a look behind what waits is not repeated soon while it takes long and others find work", async (t) => {
  const names = Array.from({ length: 60 }, (_, index) => `step-${index}`);
  const rig = makeRig(
    names.map((name) => ({ name, isAlone: false })),
    { deepMs: 1000 },
  );
  await rig.worker.start();
  let finished = 0;
  while (finished < names.length) {
    await rig.until(() => rig.inHand().length > 0);
    for (const name of rig.inHand()) {
      rig.finish(name);
      finished += 1;
    }
    // long enough for the reaper to ask for the next look
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  const busy = rig.claims.slice(0, names.length);
  t.equal(busy.filter(({ isDeep }) => isDeep).length, 2, `twice in ${busy.length} claims: one alone says nothing`);
  const before = rig.claims.length;
  await rig.until(() => rig.claims.slice(before + 2).filter(({ isDeep }) => isDeep).length > 1);
  t.pass("again and again once nothing else is found");
  await rig.worker.stop();
});

t.test("steps that were put back are charged for before the next claim, and nothing is where none were", async (t) => {
  const rig = makeRig([]);
  await rig.worker.start();
  await rig.until(() => rig.claims.length > 3);
  t.same(rig.charged, []);
  const steps = [{ tenantUid: "acme" as TenantUid, steps: 3 }];
  const before = rig.claims.length;
  rig.putBack.push(...steps);
  await rig.until(() => rig.claims.length > before + 3);
  t.match(rig.charged, [{ steps }]);
  t.ok(rig.charged.every(({ claims }) => claims >= before && claims <= before + 1));
  await rig.worker.stop();
});

t.test("steps whose time is up are not looked for soon again where that took long and found none", async (t) => {
  const rig = makeRig([], { lateMs: () => 1000 });
  await rig.worker.start();
  // each is more than a millisecond after the one before, and the reaper asks every five
  await rig.until(() => rig.claims.length > 100);
  t.equal(rig.overdueInHand.length, 2, "one that took long may have been held up");
  await rig.worker.stop();
});

t.test("a look for steps whose time is up that was held up once does not put off those that follow", async (t) => {
  const took = [1, 60_000, 1, 1];
  const rig = makeRig([], { lateMs: () => took.shift() ?? 0 });
  await rig.worker.start();
  await rig.until(() => rig.overdueInHand.length > 4);
  t.same(took, []);
  await rig.worker.stop();
});

t.test("a worker that stops tells the others what it handed back", async (t) => {
  const rig = makeRig([], { handedBack: 3 });
  await rig.worker.start();
  await rig.worker.stop();
  t.equal(rig.told(), 1);
});

t.test("steps whose time is up are ended a batch at a time, also by a worker whose hands are full", async (t) => {
  const names = Array.from({ length: 8 }, (_, index) => `step-${index}`);
  const rig = makeRig(names.map((name) => ({ name, isAlone: false })));
  await rig.worker.start();
  await rig.until(() => rig.inHand().length === 8);
  rig.late.push(...Array.from({ length: 20 }, (_, index) => `late-${index}`));
  await rig.until(() => rig.ended.length === 20);
  t.same(rig.inHand(), names, "none of them takes a permit from those that run");
  t.ok(
    rig.overdueInHand.every((count) => count === 0),
    "the next batch is taken when the one before is ended",
  );
  for (const name of names) rig.finish(name);
  await rig.worker.stop();
});
