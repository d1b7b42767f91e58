/**
 * Trace context of a run: the caller's when it is valid, else one made from the run's uid (spec 01, trace context).
 *
 * In: what was submitted. Out: what the run carries for ever. Not here: spans (telemetry/).
 */
import type { RunUid } from "../core/ids.ts";

export interface RunTrace {
  readonly traceparent: string;
  readonly tracestate?: string;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(-.*)?$/;
/** Printable ASCII of key=value members (W3C Trace Context §3.3.1, length and alphabet only). */
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/**
 * The run's trace, and whether a submitted one had to be replaced, which deserves a warning.
 *
 * Made from the run: trace id = the uid's bytes, span id = XOR of their halves (1 if that is zero), sampled.
 */
export function runTrace(
  runUid: RunUid,
  submitted: RunTrace | undefined,
): { readonly trace: RunTrace; readonly isReplaced: boolean } {
  if (submitted !== undefined && isTraceparent(submitted.traceparent)) {
    const { traceparent, tracestate } = submitted;
    const isStateValid = tracestate !== undefined && TRACESTATE.test(tracestate);
    return { trace: { traceparent, ...(isStateValid && { tracestate }) }, isReplaced: false };
  }
  const hex = runUid.replaceAll("-", "");
  const spanId = BigInt(`0x${hex.slice(0, 16)}`) ^ BigInt(`0x${hex.slice(16)}`) || 1n;
  const traceparent = `00-${hex}-${spanId.toString(16).padStart(16, "0")}-01`;
  return { trace: { traceparent }, isReplaced: submitted !== undefined };
}

/** Version 00 is exactly four fields; later versions may go on (W3C Trace Context §4.3). */
function isTraceparent(text: string): boolean {
  const match = TRACEPARENT.exec(text);
  if (match === null) return false;
  const [, version, traceId = "", spanId = "", more] = match;
  return (version !== "00" || more === undefined) && !/^0+$/.test(traceId) && !/^0+$/.test(spanId);
}
