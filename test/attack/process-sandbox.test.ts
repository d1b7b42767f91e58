/**
 * The attack matrix of the sandbox: the full profile lets nothing through, the weaker level exactly what is documented, and
 * without walls the same attacks work, so that a blocked one was blocked by us.
 */
import t from "tap";
import { confine } from "../../src/executors/process/confine.ts";
import { launch } from "../../src/executors/process/launch.ts";
import { surveyMachine } from "../../src/executors/process/machine.ts";
import { never } from "../executors/call.ts";
import { provedAdapter } from "../executors/process/sandbox.ts";
import { ALL_FENCES, type Fence, without } from "./fences.ts";
import { ATTACKS, type Attack, arm } from "./sandbox-attacks.ts";
import { LEAST_CONTROLS, openRange } from "./sandbox-range.ts";

const isRoot = process.geteuid?.() === 0;

const FENCE_UID = 61_590;
const LIMITS = {
  wall_ms: 10_000,
  cpu_s: 10,
  memory_bytes: 2 ** 28,
  processes: 32,
  output_bytes: 65_536,
  file_bytes: 2 ** 24,
};

const { folder, planted, throughAdapter, throughNothing } = await openRange(t);

t.test("lets no attack through the strongest profile of this machine", async (t) => {
  const adapter = await provedAdapter();
  t.match(adapter.describe().isolation, /^namespaces/, "install bubblewrap, and allow user namespaces");
  for (const attack of ATTACKS) t.equal(await throughAdapter(adapter, attack), false, attack.name);
});

t.test(
  "lets through exactly what is documented where there are only rlimits and a uid",
  { skip: !isRoot && "needs root" },
  async (t) => {
    const adapter = await provedAdapter({ bubblewrap: undefined });
    t.equal(adapter.describe().isolation, "process");
    for (const attack of ATTACKS.filter(({ plain }) => plain !== "depends"))
      t.equal((await throughAdapter(adapter, attack)) ? "through" : "blocked", attack.plain, attack.name);
  },
);

/** The same attack in the strongest profile of this machine, but for these fences. */
async function throughAllBut(fences: readonly Fence[], attack: Attack): Promise<boolean> {
  const machine = surveyMachine();
  const program = { path: "/usr/bin/perl", args: ["-e", arm(attack, planted)], env: {}, secrets: [], limits: LIMITS };
  const strongest = { walls: "bubblewrap", hasFilter: true, hasProc: true } as const;
  const start = confine(machine, strongest, program, FENCE_UID);
  const result = await launch(without(fences, start, { folder }), {
    stdin: "",
    wallMs: 10_000,
    maxOutputBytes: 65_536,
    graceMs: 0,
    signal: never,
  });
  if (result.kind === "not_started") throw new TypeError(`${attack.name}: ${result.message}`);
  return result.stdout.includes("THROUGH");
}

const controls = new Map<string, boolean>();

t.test("shows that the attacks work where there are no walls", async (t) => {
  for (const attack of ATTACKS) {
    controls.set(attack.name, await throughNothing(attack));
    if (controls.get(attack.name) === false) t.comment(`no control on this machine: ${attack.name}`);
  }
  const works = [...controls.values()].filter(Boolean).length;
  t.ok(works >= LEAST_CONTROLS, `${works} of ${ATTACKS.length} attacks work without walls`);
});

t.test(
  "holds each attack by the fences it is said to: without just these it gets through",
  { skip: !isRoot && "needs root" },
  async (t) => {
    for (const attack of ATTACKS.filter(({ name }) => controls.get(name)))
      t.equal(await throughAllBut(attack.fences, attack), true, `${attack.name}, without ${attack.fences.join("+")}`);
    const named = new Set(ATTACKS.flatMap(({ fences }) => fences));
    t.same(
      ALL_FENCES.filter((fence) => !named.has(fence)),
      [],
      "and every fence holds something",
    );
  },
);
