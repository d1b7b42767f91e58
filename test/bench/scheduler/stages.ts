/**
 * From a processor profile to µs by stage of the pipeline: each sample counts for the outermost frame that names a stage.
 */
import type { Profiler } from "node:inspector";

/** Parts of a file's path, in order of the table that is printed. */
const STAGES = [
  ["claim", /scheduler\/worker\.ts|storage\/claim-store\.ts/],
  ["open", /scheduler\/open-steps\.ts|storage\/blob-rows\.ts/],
  ["observe, deadline, pressure", /gate\/(observe|breakpoint|deadline|pressure)\.ts/],
  ["guardrails", /gate\/guardrails\.ts/],
  ["decide", /gate\/decide\.ts/],
  ["mint", /gate\/mint\.ts/],
  ["guard", /gate\/guard\.ts/],
  ["admission record", /gate\/(prepare-admission|gate-record)\.ts/],
  ["sign batches", /evidence\/batch\.ts/],
  ["encode rows", /storage\/(pipeline-store|pipeline-values)\.ts/],
  ["execute", /gate\/execute\.ts|executors\//],
  ["inspect", /gate\/inspect\.ts/],
  ["outcome record", /gate\/settle-(attempt|refusal)\.ts/],
  ["seal", /runs\/seal-runs\.ts|evidence\/seal\.ts/],
  ["metrics, log", /main-worker\.ts|telemetry\//],
  ["database protocol", /node_modules\/pg|storage\/|node:net|stream_base_commons/],
] as const satisfies readonly (readonly [string, RegExp])[];

const OTHERS = "everything else";
const COLLECTOR = "garbage collector";

export type Stage = (typeof STAGES)[number][0] | typeof OTHERS | typeof COLLECTOR;

/** µs of processor time by stage; idle time is left out. */
export function stageTimes(profile: Profiler.Profile): Readonly<Record<Stage, number>> {
  const times = Object.fromEntries(
    [...STAGES.map(([name]) => name), COLLECTOR, OTHERS].map((name) => [name, 0]),
  ) as Record<Stage, number>;
  const stageOf = stagesOfNodes(profile);
  const { samples = [], timeDeltas = [] } = profile;
  for (const [index, node] of samples.entries()) {
    const stage = stageOf.get(node);
    if (stage !== undefined) times[stage] += timeDeltas[index] ?? 0;
  }
  return times;
}

/** The stage of each node of the call tree; undefined for idle time. */
function stagesOfNodes({ nodes }: Profiler.Profile): ReadonlyMap<number, Stage | undefined> {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const stages = new Map<number, Stage | undefined>();
  const visit = (node: Profiler.ProfileNode, inherited: Stage | undefined): void => {
    const { functionName, url } = node.callFrame;
    const own = STAGES.find(([, path]) => path.test(url))?.[0];
    const stage = inherited ?? own;
    stages.set(node.id, functionName === "(idle)" ? undefined : nameOf(functionName, stage));
    for (const child of node.children ?? []) {
      const next = byId.get(child);
      if (next !== undefined) visit(next, stage);
    }
  };
  const [root] = nodes;
  if (root !== undefined) visit(root, undefined);
  return stages;
}

function nameOf(functionName: string, stage: Stage | undefined): Stage {
  if (functionName === "(garbage collector)") return COLLECTOR;
  return stage ?? OTHERS;
}
