/**
 * What is piped into a command, whole.
 */
import type { Readable } from "node:stream";
import { StepgateError } from "../core/errors.ts";

/** Far above any value that a command reads, far below what would hurt. */
const MAX_INPUT_BYTES = 262_144;

/** Undefined for a terminal. @throws {StepgateError} USAGE for more than 256 KiB. */
export async function readInput(input: Readable & { readonly isTTY?: boolean }): Promise<Uint8Array | undefined> {
  if (input.isTTY === true) return undefined;
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of input) {
    const read = Buffer.from(chunk);
    bytes += read.length;
    if (bytes > MAX_INPUT_BYTES) throw new StepgateError("USAGE", { reason: "more than 256 KiB in standard input" });
    chunks.push(read);
  }
  return Buffer.concat(chunks);
}
