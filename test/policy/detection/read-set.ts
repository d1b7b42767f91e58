/**
 * The labelled texts of this folder (README.md), read and checked.
 *
 * In: which set. Out: samples. Not here: what a pack makes of them (measure.ts).
 */
import { readFileSync } from "node:fs";

export const HALVES = ["tuning", "held-out"] as const;

/** The halves, and what was written for training when the rules were there. */
export const SETS = [...HALVES, "training"] as const;

export type TextSet = (typeof SETS)[number];

export interface InjectionSample {
  readonly family: string;
  readonly attack: boolean;
  readonly payload: unknown;
}

/** Kind, start, end after the last one; in UTF-16 code units. */
export type Span = readonly [kind: string, start: number, end: number];

export interface PiiSample {
  readonly family: string;
  readonly text: string;
  readonly spans: readonly Span[];
}

/** The bytes of a set, as its digest covers them. */
export function readSetFile(name: string): Buffer {
  return readFileSync(new URL(name, import.meta.url));
}

export function readInjectionSet(set: TextSet): readonly InjectionSample[] {
  return lines(`injection.${set}.jsonl`).map((line) => JSON.parse(line));
}

export function readPiiSet(set: TextSet): readonly PiiSample[] {
  return lines(`pii.${set}.jsonl`).map((line) => JSON.parse(line));
}

function lines(name: string): readonly string[] {
  return readSetFile(name).toString("utf8").trim().split("\n");
}
