/**
 * The labelled texts of this folder (README.md), read and checked.
 *
 * In: which half. Out: samples. Not here: what a pack makes of them (measure.ts).
 */
import { readFileSync } from "node:fs";

export const HALVES = ["tuning", "held-out"] as const;

export type Half = (typeof HALVES)[number];

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

export function readInjectionSet(half: Half): readonly InjectionSample[] {
  return lines(`injection.${half}.jsonl`).map((line) => JSON.parse(line));
}

export function readPiiSet(half: Half): readonly PiiSample[] {
  return lines(`pii.${half}.jsonl`).map((line) => JSON.parse(line));
}

function lines(name: string): readonly string[] {
  return readSetFile(name).toString("utf8").trim().split("\n");
}
