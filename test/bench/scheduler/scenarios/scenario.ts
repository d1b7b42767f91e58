/**
 * What a scenario of the scheduler's bench is, and what several of them need. Not here: the scenarios.
 */
import type { TenantUid } from "../../../../src/core/ids.ts";
import { attemptsEnded, type Bed, openBed } from "../governed.ts";
import type { Progress } from "../progress.ts";
import type { BenchServer } from "../server.ts";

export interface Scene {
  readonly server: BenchServer;
  readonly folder: string;
  readonly progress: Progress;
}

export interface ScenarioFigure {
  readonly name: string;
  /** What must hold, in words. */
  readonly aim: string;
  /** What was measured, in words with units. */
  readonly found: string;
  readonly holds: boolean;
  readonly figures: Readonly<Record<string, number>>;
}

export interface Scenario {
  readonly name: string;
  readonly run: (scene: Scene) => Promise<ScenarioFigure>;
}

/** Runs `work` on a fresh database. */
export async function withBed<Result>(
  { server, folder }: Scene,
  name: string,
  work: (bed: Bed) => Promise<Result>,
): Promise<Result> {
  const bed = await openBed(server, folder, name);
  try {
    return await work(bed);
  } finally {
    await bed.stop();
  }
}

const STEPS_A_RUN = 1000;

/** Submits so many steps in runs of a thousand. */
export async function submitMany(
  bed: Bed,
  {
    steps,
    tenantUid,
    progress,
  }: { readonly steps: number; readonly tenantUid?: TenantUid; readonly progress: Progress },
): Promise<void> {
  for (let done = 0; done < steps; done += STEPS_A_RUN) {
    progress.show("submitting", done / steps);
    await bed.submit(Math.min(STEPS_A_RUN, steps - done), tenantUid);
  }
}

/** Steps that end in a second, over so many of them. */
export async function rateOver(bed: Bed, ms: number): Promise<number> {
  const [before, startMs] = [await attemptsEnded(bed), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, ms));
  return Math.round(((await attemptsEnded(bed)) - before) / ((performance.now() - startMs) / 1000));
}

/** Waits until so many steps have ended. */
export async function untilEnded(bed: Bed, count: number, progress: Progress): Promise<void> {
  for (let ended = 0; ended < count; ended = await attemptsEnded(bed)) {
    progress.show("draining", ended / count);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
