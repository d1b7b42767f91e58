/**
 * What a scenario of the scheduler's bench is, and what several of them need. Not here: the scenarios.
 */
import type { TenantUid } from "../../../../src/core/ids.ts";
import { attemptsEnded, type Bed, openBed } from "../governed.ts";
import type { Progress } from "../progress.ts";
import type { BenchServer } from "../server.ts";
import { boundedMedian } from "./bounded-median.ts";

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
  /** Whether it is told apart from what disturbs the machine; undefined where that is not known. */
  readonly isSure?: boolean;
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

/** Steps that end in a second in each of the windows into which `ms` is cut; one alone says little of a machine that others use. */
export async function ratesOver(bed: Bed, ms: number): Promise<readonly number[]> {
  const rates: number[] = [];
  let [before, startMs] = [await attemptsEnded(bed), performance.now()];
  while (rates.length < WINDOWS) {
    await new Promise((resolve) => setTimeout(resolve, ms / WINDOWS));
    const [ended, endMs] = [await attemptsEnded(bed), performance.now()];
    rates.push(Math.round(((ended - before) * 1000) / (endMs - startMs)));
    [before, startMs] = [ended, endMs];
  }
  return rates;
}

const WINDOWS = 5;

/** Rates as `812 (700 to 850)`: the median, and how far they go. */
export function formatRates(rates: readonly number[]): string {
  return `${boundedMedian(rates).median} (${Math.min(...rates)} to ${Math.max(...rates)})`;
}

/** The figures of rates that were measured as `name`. */
export function rateFigures(name: string, rates: readonly number[]): Readonly<Record<string, number>> {
  return {
    [name]: boundedMedian(rates).median,
    [`${name}Least`]: Math.min(...rates),
    [`${name}Most`]: Math.max(...rates),
  };
}

/** Waits until so many steps have ended. */
export async function untilEnded(bed: Bed, count: number, progress: Progress): Promise<void> {
  for (let ended = 0; ended < count; ended = await attemptsEnded(bed)) {
    progress.show("draining", ended / count);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
