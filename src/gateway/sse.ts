/**
 * A run's log as a stream of server-sent events (WHATWG HTML §9.2): one message per event, its id the seq.
 *
 * Reads pages by seq and waits for the log to grow, so a reader that comes back misses nothing. A slow reader holds one
 * page, never more: it is waited for, then cut off. Not here: who may read (access.ts), the route (routes/events.ts).
 */
import type { ServerResponse } from "node:http";
import type { ErrorCode } from "../core/errors.ts";
import type { Log } from "../telemetry/logger.ts";
import { convertError } from "./errors.ts";
import type { StreamSlot } from "./stream-slots.ts";
import type { EventPage } from "./views/event.ts";

export interface StreamTimes {
  /** A comment is sent when nothing else was for this long. */
  readonly heartbeatMs: number;
  /** How often the credential is looked at again (spec 10, inbound). */
  readonly recheckMs: number;
  /** How often the log is read without a notification. */
  readonly pollMs: number;
  /** How long a reader may take to make room for more. */
  readonly slowReaderMs: number;
}

export const STREAM_TIMES: StreamTimes = {
  heartbeatMs: 15_000,
  recheckMs: 60_000,
  pollMs: 5_000,
  slowReaderMs: 30_000,
};

export interface StreamSource {
  /** The next events after a seq; undefined when the run is gone. */
  readonly read: (afterSeq: number) => Promise<EventPage | undefined>;
  /** Calls back when the log may have grown; returns how to stop. */
  readonly subscribe: (onChange: () => void) => Promise<(() => void) | undefined>;
  /** @throws {StepgateError} when the credential no longer counts. */
  readonly recheck: () => Promise<void>;
}

export type StreamEnd = "complete" | "gone" | "left" | "slow" | "refused" | "stopped" | "failed";

export interface Stream {
  readonly source: StreamSource;
  readonly afterSeq: number;
  readonly times: StreamTimes;
  readonly slot: StreamSlot;
  readonly log: Log;
}

/**
 * Sends events after `afterSeq` until the run's end and seal, or until the reader leaves, is too slow, loses its right,
 * or the process stops. The response's head is sent before; its end is sent here, and the slot is given back.
 */
export async function streamEvents(response: ServerResponse, stream: Stream): Promise<StreamEnd> {
  const { source, times, slot } = stream;
  const wake = makeWake();
  let end: StreamEnd | undefined;
  const endWith = (reason: StreamEnd) => {
    end ??= reason;
    wake.ring();
  };
  response.once("close", () => endWith("left"));
  // it may have left while the route was looking the run up; then no event tells
  if (response.destroyed) endWith("left");
  slot.onStop(() => endWith("stopped"));
  const write = makeWriter(response, times.slowReaderMs, () => endWith("slow"));
  const timers = [
    setInterval(() => void write(":\n\n"), times.heartbeatMs),
    setInterval(wake.ring, times.pollMs),
    setInterval(() => void source.recheck().catch(() => endWith("refused")), times.recheckMs),
  ];
  let unsubscribe: (() => void) | undefined;
  try {
    unsubscribe = await source.subscribe(wake.ring);
    const reason = await pump({ source, afterSeq: stream.afterSeq, write, wake, ended: () => end });
    if (reason === "refused") await write(problemMessage("UNAUTHENTICATED"));
    return reason;
  } catch (caught) {
    stream.log.error({ err: caught }, "an event stream broke");
    await write(problemMessage(convertError(caught).code));
    return "failed";
  } finally {
    for (const timer of timers) clearInterval(timer);
    unsubscribe?.();
    slot.release();
    if (end === "slow") response.destroy();
    else response.end();
  }
}

interface Pump {
  readonly source: StreamSource;
  readonly afterSeq: number;
  readonly write: (text: string) => Promise<void>;
  readonly wake: Wake;
  readonly ended: () => StreamEnd | undefined;
}

async function pump({ source, afterSeq, write, wake, ended }: Pump): Promise<StreamEnd> {
  let seq = afterSeq;
  for (;;) {
    // armed before the read: what is appended meanwhile rings
    wake.arm();
    const page = await source.read(seq);
    if (page === undefined) return "gone";
    for (const event of page.items) {
      const end = ended();
      if (end !== undefined) return end;
      await write(`id: ${event.seq}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
    }
    seq = page.next_after;
    if (page.end !== undefined) {
      await write(`event: end\ndata: ${JSON.stringify(page.end)}\n\n`);
      return "complete";
    }
    if (page.items.length === 0 && ended() === undefined) await wake.rung();
    const end = ended();
    if (end !== undefined) return end;
  }
}

function problemMessage(code: ErrorCode): string {
  return `event: error\ndata: ${JSON.stringify({ code })}\n\n`;
}

/** Writes, and waits while the socket is full; a reader that makes no room in time is too slow. */
function makeWriter(response: ServerResponse, slowReaderMs: number, onSlow: () => void) {
  return async (text: string): Promise<void> => {
    if (response.destroyed || response.writableEnded || response.write(text)) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        response.off("drain", done);
        response.off("close", done);
        resolve();
      };
      const timer = setTimeout(() => {
        onSlow();
        done();
      }, slowReaderMs);
      response.on("drain", done);
      response.on("close", done);
    });
  };
}

interface Wake {
  readonly ring: () => void;
  /** Forgets earlier rings. */
  readonly arm: () => void;
  /** Resolves once it rang since it was armed. */
  readonly rung: () => Promise<void>;
}

function makeWake(): Wake {
  let isRung = false;
  let resolve: () => void = () => undefined;
  return {
    ring: () => {
      isRung = true;
      resolve();
    },
    arm: () => {
      isRung = false;
    },
    rung: () =>
      isRung
        ? Promise.resolve()
        : new Promise((done) => {
            resolve = done;
          }),
  };
}
