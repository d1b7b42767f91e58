/** The steps of a batch do not keep the event loop: between a few pieces of their work others have their turn. */
import t from "tap";
import { systemClock } from "../../src/core/clock.ts";
import { makeGate } from "../../src/gate/gate.ts";
import { makeInFlight } from "../../src/gate/pressure.ts";
import { makeLeases } from "../../src/scheduler/leases.ts";
import { makeOpenSteps } from "../../src/scheduler/open-steps.ts";
import { makeRunStep } from "../../src/scheduler/run-step.ts";
import { makeWorld } from "../acceptance/port-worker.ts";

const STEPS = 16;
const PIECE_MS = 4;

type Kind = "guardrails" | "mint" | "execute" | "inspect";
const KINDS: readonly Kind[] = ["guardrails", "mint", "execute", "inspect"];

for (const slow of KINDS) {
  t.test(`no more of a batch is done in one turn than fits a slice, where ${slow} is slow`, async (t) => {
    const { pieces, settled } = await performBatch(slow);
    t.same(settled, Array(STEPS).fill("succeeded"));
    const number = pieces.reduce((sum, inTurn) => sum + inTurn, 0);
    t.ok(number >= STEPS, `every step did its piece: ${number}`);
    // a slice of 10 ms and the piece that outlasts it; a pack that redacts is asked twice at once
    t.ok(Math.max(...pieces) <= 4, `${Math.max(...pieces)} at most in one turn`);
  });
}

/** How many slow pieces were done in each turn, and how the steps ended. */
async function performBatch(slow: Kind): Promise<{ readonly pieces: readonly number[]; readonly settled: string[] }> {
  const world = await makeWorld({ runtime: () => ({ effect: "allow" }) });
  const { gate: given, open, queue } = world.ports;
  let nowMs = 0;
  let turn = 0;
  const byTurn = new Map<number, number>();
  const piece = (kind: Kind): void => {
    if (kind !== slow) return;
    nowMs += PIECE_MS;
    byTurn.set(turn, (byTurn.get(turn) ?? 0) + 1);
  };
  const clock = { ...systemClock, monotonicMs: () => nowMs };
  const gate = makeGate({
    ...given,
    clock,
    inFlight: makeInFlight({ maxTokens: undefined, maxUsdMicros: undefined }),
    prepareMaxMs: 60_000,
    signer: () => {
      piece("mint");
      return given.signer();
    },
    packs: {
      get: (name) => {
        const pack = given.packs.get(name);
        return (
          pack && {
            ...pack,
            evaluate: (input, tenant) => {
              piece(Buffer.from(input).includes('"output":') ? "inspect" : "guardrails");
              return pack.evaluate(input, tenant);
            },
          }
        );
      },
    },
    adapters: (type) => {
      const adapter = given.adapters(type);
      return (
        adapter && {
          ...adapter,
          execute: (context, signal) => {
            piece("execute");
            return adapter.execute(context, signal);
          },
        }
      );
    },
  });
  const leases = makeLeases({ clock });
  leases.hold(1_000_000);
  const settled: string[] = [];
  const runStep = makeRunStep({
    ...world.ports.run,
    gate,
    leases,
    admit: async () => ({ kind: "started", budget: undefined }),
    settle: async ({ kind }) => {
      settled.push(kind);
      return { isSettled: true, runStatus: "running" };
    },
  });
  const [claimed] = await queue.claim({ types: ["sink"], maxSteps: 1, isIdle: true, isDeep: false });
  if (claimed === undefined) throw new Error("the test has no step");
  const opened = await makeOpenSteps(open)(Array.from({ length: STEPS }, () => claimed));
  let isOver = false;
  const count = (): void => {
    turn += 1;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await Promise.all(opened.map(runStep));
  isOver = true;
  return { pieces: [...byTurn.values()], settled };
}
