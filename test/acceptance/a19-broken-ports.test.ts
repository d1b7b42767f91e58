/**
 * A19: every port × {throws, hangs, answers undefined or in another form, disk full} at every call before *execute*: the
 * executor is not called, no token leaves the gate, nothing is lost, and the step is taken again once the port works.
 *
 * The table is made of the calls that a step really makes, so a new port joins by being called. A port that no step calls
 * must be named below.
 */
import t, { type Test } from "tap";
import { FAULTS, type Fault, LOST_ANSWERS, watched } from "./broken-ports.ts";
import { makePortWorker, makeWorld, type Scenario, type World } from "./port-worker.ts";
import { allow, type Decide } from "./rig.ts";

const EXECUTE = ["gate.adapters().execute", "gate.tools.open().tool.adapter.execute"];
/** Asked only once an attempt was made, once a step found no place, at the end of a lease, or for a type told apart before. */
const NOT_BEFORE_EXECUTE: readonly string[] = [
  "gate.failPoints.trigger",
  "gate.jitter",
  "queue.chargePutBack",
  "queue.endLease",
  "queue.findCancelled",
  "queue.findLost",
  // through `open.queue`
  "queue.readBlobs",
  "queue.readReferred",
  "run.onOutcome",
  "queue.releaseLapsed",
  "queue.wake",
  "run.failPoints.trigger",
  "run.waitingRoom.putBack",
];
/** What they answer decides nothing: told something, or asked for a duration that is only measured. */
const UNHEARD: readonly string[] = [
  "gate.onLag",
  "gate.onMinted",
  "gate.onStage",
  "gate.clock.monotonicMs",
  // which keys may be shown; without a schema none is
  "gate.inputsSchema",
  // for whoever asks why a step waits
  "queue.sayTypes",
];
const PATIENCE_MS = 10_000;

/** Answers that are as good as the right one. */
function isRight(path: string, { name }: Fault): boolean {
  // asked beside the steps in hand, which go on whatever comes of it: it only puts off the next claim
  if (path === "queue.shouldEmpty") return true;
  // that it came back is all that it says
  if (path === "gate.store.retain") return name.startsWith("answers");
  const right: Readonly<Record<string, readonly string[]>> = {
    "gate.breakpoints.find": ["undefined"],
    "gate.validateInputs": ["[]"],
    "gate.tools.open().tool.inputFaults": ["[]"],
    "queue.claim": ["[]"],
    "queue.claimOverdue": ["[]"],
    "queue.findHeld": ["[]"],
    "queue.extendLease": ["true"],
  };
  return right[path]?.some((answer) => name === `answers ${answer}`) === true;
}

interface Call {
  readonly path: string;
  /** Of this path, from 1. */
  readonly nth: number;
  readonly isAsync: boolean;
}

/** Every call before the step's execution, or before its end where nothing is executed. */
async function callsOf(scenario: Scenario): Promise<readonly Call[]> {
  const world = await makeWorld(scenario);
  const calls: Call[] = [];
  let isOver = false;
  const ports = watched(world.ports, (path, call) => {
    if (EXECUTE.includes(path)) isOver = true;
    const answer = call();
    const nth = calls.filter((one) => one.path === path).length + 1;
    if (!isOver) calls.push({ path, nth, isAsync: answer instanceof Promise });
    return answer;
  });
  const worker = makePortWorker(ports, () => undefined);
  await worker.start();
  while (!isEnded(world)) await world.moved();
  isOver = true;
  await worker.stop();
  return calls;
}

const isEnded = (world: World): boolean => ["succeeded", "failed", "refused", "held"].includes(world.state());

interface Ending {
  readonly isStarted: boolean;
  readonly executedBroken: number;
  readonly executed: number;
  readonly state: string;
  readonly inFlight: number;
  readonly hasToken: boolean;
}

/** One step with one call broken, and every later one of that port, until somebody noticed; then everything works. */
async function endingOf(scenario: Scenario, { path, nth, isAsync }: Call, fault: Fault): Promise<Ending> {
  const world = await makeWorld(scenario);
  let seen = 0;
  let isBroken = false;
  let isMended = false;
  let executedBroken = 0;
  const mend = (): void => {
    if (isBroken && !isMended) {
      isMended = true;
      executedBroken = world.calls.length;
    }
  };
  const ports = watched(world.ports, (called, call) => {
    // a refusal is on its way to the store, or the step is given up: it was noticed
    if (called === "queue.abandon" && path !== called) mend();
    if (called === "gate.store.settle" && path !== called) mend();
    if (called !== path || isMended) return call();
    seen += 1;
    if (seen < nth) return call();
    isBroken = true;
    return fault.act(call, isAsync);
  });
  const worker = makePortWorker(ports, mend);
  const endMs = performance.now() + PATIENCE_MS;
  // a worker that cannot start takes nothing
  const isStarted = await worker.start().then(
    () => true,
    () => false,
  );
  if (isStarted) {
    while (!isEnded(world) && performance.now() < endMs) {
      await Promise.race([world.moved(), new Promise((resolve) => setTimeout(resolve, 50))]);
    }
  }
  mend();
  await worker.stop();
  return {
    isStarted,
    executedBroken,
    executed: world.calls.length,
    state: world.state(),
    inFlight: world.inFlight(),
    hasToken: world.stored().includes("eyJ"),
  };
}

const deny: Decide = () => ({ effect: "deny", reasons: ["no"] });
const hold: Decide = () => ({ effect: "hold", reasons: ["ask"] });
const retain: Decide = () => ({
  effect: "allow",
  obligations: [{ id: "law", type: "retain", properties: { days: 400 } }],
});

t.test(
  "A19 every port that the worker and the gate have is asked before execute, or named as asked later",
  async (t) => {
    const scenarios = [
      { runtime: allow },
      { runtime: deny },
      { runtime: hold },
      { runtime: retain },
      { runtime: allow, isTool: true },
    ];
    const asked = new Set((await Promise.all(scenarios.map(callsOf))).flat().map(({ path }) => path));
    const { ports } = await makeWorld({ runtime: allow });
    const all = Object.entries(ports).flatMap(([room, members]) => portsOf(members as object, room));
    t.ok(all.length > 25, `${all.length} ports`);
    const known = new Set([...asked, ...NOT_BEFORE_EXECUTE, "queue.abandon", "gate.store.settle"]);
    t.same(
      all.filter((path) => !known.has(path)),
      [],
      "none is left out of the table",
    );
    t.same(
      NOT_BEFORE_EXECUTE.filter((path) => asked.has(path)),
      [],
      "none is named that is asked",
    );
  },
);

function portsOf(value: object, path: string): readonly string[] {
  return Object.entries(value).flatMap(([key, member]: [string, unknown]) => {
    if (typeof member === "function") return [`${path}.${key}`];
    return typeof member === "object" && member !== null && Object.getPrototypeOf(member) === Object.prototype
      ? portsOf(member, `${path}.${key}`)
      : [];
  });
}

async function breakEverything(
  test: Test,
  { end, isIn, ...scenario }: Scenario & { readonly end: string; readonly isIn: (call: Call) => boolean },
): Promise<void> {
  const cases = (await callsOf(scenario)).filter(isIn).flatMap((call) => {
    // at every call: what is asked by several stages is looked at by each of them
    const faults = FAULTS.filter(
      (fault) => !isRight(call.path, fault) && !(UNHEARD.includes(call.path) && /answers|hangs/.test(fault.name)),
    );
    const isDurable = call.path.startsWith("gate.store.") || call.path === "queue.claim";
    return (isDurable ? [...faults, ...LOST_ANSWERS] : faults).map((fault) => ({ call, fault }));
  });
  const wrong: object[] = [];
  const breakOne = async ({ call, fault }: (typeof cases)[number]): Promise<void> => {
    const ending = await endingOf(scenario, call, fault);
    const isSafe = ending.executedBroken === 0 && ending.executed <= 1 && !ending.hasToken && ending.inFlight === 0;
    const isEnd = ending.state === end || ending.state === "refused" || !ending.isStarted;
    if (!isSafe || !isEnd) wrong.push({ port: call.path, nth: call.nth, fault: fault.name, ...ending });
  };
  // each case waits more than it works
  const queue = [...cases];
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) await breakOne(next);
    }),
  );
  test.same(wrong, [], `${cases.length} cases`);
  test.ok(cases.length > 10);
}

t.test(
  "A19 whatever breaks before execute: no executor call, no token out, nothing in flight, taken again",
  async (t) => {
    await breakEverything(t, { runtime: allow, end: "succeeded", isIn: () => true });
  },
);

t.test("A19 the same for what a step that is refused, held or to be kept for longer asks for beside", async (t) => {
  const asked = new Set((await callsOf({ runtime: allow })).map(({ path }) => path));
  for (const [runtime, end] of [
    [deny, "refused"],
    [hold, "held"],
    [retain, "succeeded"],
  ] as const)
    await breakEverything(t, { runtime, end, isIn: ({ path }) => !asked.has(path) || path === "gate.signBatch" });
});

t.test("A19 the same for what a step of type tool asks of its tool and its secrets", async (t) => {
  await breakEverything(t, {
    runtime: allow,
    isTool: true,
    end: "succeeded",
    isIn: ({ path }) => path.startsWith("gate.tools.") || path.startsWith("gate.secrets."),
  });
});

/** Members that decide whether a floor holds, a step is done again, or a sum stays one; with what is right for them too. */
const DECIDING: readonly (readonly [port: string, member: readonly string[], right: readonly string[]])[] = [
  ["queue.claim", ["0", "errorAttempts"], []],
  ["queue.claim", ["0", "lostAttempts"], []],
  // null is none
  ["queue.claim", ["0", "spec", "execution", "cost_hint", "tokens"], ["null"]],
  ["run.authorities.at", ["minIsolation"], ["{}"]],
  ["run.authorities.at", ["requiredGuardrails"], ["[]"]],
  ["run.authorities.at", ["runtimePack"], []],
  ["run.authorities.at", ["sinks"], ["[]"]],
  ["run.authorities.at", ["weakerIsolationAllowed"], ["[]"]],
];

function withMember(answer: unknown, [key, ...rest]: readonly string[], to: unknown): unknown {
  if (key === undefined) return to;
  // a claim that found nothing
  if (Array.isArray(answer)) return answer.map((item, at) => (String(at) === key ? withMember(item, rest, to) : item));
  const object = answer as Readonly<Record<string, unknown>>;
  return { ...object, [key]: withMember(object[key], rest, to) };
}

t.test("A19 the same for an answer of the right form but for one member that decides", async (t) => {
  const scenario = { runtime: allow };
  const values = { null: null, true: true, "{}": {}, NaN: Number.NaN, "[]": [], '"1"': "1" };
  const cases = DECIDING.flatMap(([path, member, right]) =>
    Object.entries(values)
      .filter(([name]) => !right.includes(name))
      .map(([name, value]) => ({ path, member, name, value })),
  );
  await Promise.all(
    cases.map(async ({ path, member, name, value }) => {
      const act = async (call: () => unknown) => withMember(await call(), member, value);
      const ending = await endingOf(scenario, { path, nth: 1, isAsync: true }, { name, act });
      const about = `${path} ${member.join(".")} = ${name}`;
      t.match(ending, { executedBroken: 0, inFlight: 0, hasToken: false, state: /^(succeeded|refused)$/ }, about);
    }),
  );
});

t.test("A19 after execute: whatever breaks while the result is inspected, it is denied and never stored", async (t) => {
  for (const port of ["gate.packs.get", "gate.packs.get().evaluate", "gate.databaseClock.nowMs"]) {
    for (const fault of FAULTS.filter(({ name }) => !(port.endsWith("nowMs") && name === "disk full"))) {
      const world = await makeWorld({ runtime: allow });
      let isInspecting = false;
      const ports = watched(world.ports, (path, call) => {
        const answer = call();
        if (EXECUTE.includes(path) && answer instanceof Promise) {
          return answer.finally(() => {
            isInspecting = true;
          });
        }
        if (path === port && isInspecting) {
          isInspecting = false;
          return fault.act(call, false);
        }
        return answer;
      });
      const worker = makePortWorker(ports, () => undefined);
      await worker.start();
      while (!isEnded(world)) await world.moved();
      await worker.stop();
      t.same([world.state(), world.errorKind()], ["failed", "output_denied"], `${port} ${fault.name}`);
      t.equal(world.inFlight(), 0);
    }
  }
});
