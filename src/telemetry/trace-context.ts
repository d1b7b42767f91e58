/**
 * W3C Trace Context (Level 1): reading, writing and continuing a trace.
 *
 * In: header texts. Out: ids, or nothing for a text that is not valid. What a run carries, and the trace made of its own
 * uid, is runs/run-trace.ts. Not here: spans (tracing.ts).
 */
export interface TraceContext {
  readonly traceparent: string;
  readonly tracestate?: string;
}

export interface Traceparent {
  /** 32 hex digits, not all 0. */
  readonly traceId: string;
  /** 16 hex digits, not all 0. */
  readonly spanId: string;
  readonly isSampled: boolean;
}

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
const MEMBER =
  /^(?:[a-z][a-z0-9_*/-]{0,255}|[a-z0-9][a-z0-9_*/-]{0,240}@[a-z][a-z0-9_*/-]{0,13})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/;
const MAX_TRACEPARENT_LENGTH = 512;
const MAX_TRACESTATE_LENGTH = 512;
const MAX_MEMBERS = 32;
const SAMPLED = 1;

/** Reads a traceparent (§3.2); versions after 00 may go on after the flags (§4.3). Undefined when it is not valid. */
export function parseTraceparent(text: string): Traceparent | undefined {
  if (text.length > MAX_TRACEPARENT_LENGTH) return undefined;
  const match = TRACEPARENT.exec(text);
  if (match === null) return undefined;
  const [, version, traceId = "", spanId = "", flags = "", more] = match;
  if (version === "00" && more !== undefined) return undefined;
  return { traceId, spanId, isSampled: (Number.parseInt(flags, 16) & SAMPLED) === SAMPLED };
}

/** Writes a traceparent of version 00. */
export function formatTraceparent({ traceId, spanId, isSampled }: Traceparent): string {
  return `00-${traceId}-${spanId}-${isSampled ? "01" : "00"}`;
}

/**
 * Reads the two headers of a request. A tracestate that is not valid is dropped alone (§3.3.1.5).
 *
 * Undefined when the traceparent is missing or not valid: then a tracestate means nothing either.
 */
export function readTraceHeaders(
  traceparent: string | undefined,
  tracestate: string | undefined,
): TraceContext | undefined {
  if (traceparent === undefined || parseTraceparent(traceparent) === undefined) return undefined;
  return tracestate !== undefined && isTracestate(tracestate) ? { traceparent, tracestate } : { traceparent };
}

function isTracestate(text: string): boolean {
  const members = text.split(",").map((member) => member.trim());
  const keys = members.map((member) => member.split("=", 1)[0]);
  return (
    text.length <= MAX_TRACESTATE_LENGTH &&
    members.length <= MAX_MEMBERS &&
    members.every((member) => MEMBER.test(member)) &&
    new Set(keys).size === keys.length
  );
}
