/**
 * When a stream looks at its credential again: every 60 s of the timers it is given, not of the machine's (spec 10).
 */
import { EventEmitter } from "node:events";
import type { ServerResponse } from "node:http";
import { mock } from "node:test";
import t from "tap";
import { StepgateError } from "../../src/core/errors.ts";
import { STREAM_TIMES, streamEvents } from "../../src/gateway/sse.ts";
import { makeLog } from "../../src/telemetry/logger.ts";

/** As much of a response as a stream writes to. */
function makeResponse(): { readonly response: ServerResponse; readonly sent: string[] } {
  const sent: string[] = [];
  const response = Object.assign(new EventEmitter(), {
    destroyed: false,
    writableEnded: false,
    write: (text: string) => sent.push(text) > 0,
    end: () => undefined,
    destroy: () => undefined,
  });
  return { response: response as unknown as ServerResponse, sent };
}

/** Lets what the timers woke run to where it waits again. */
const settle = () => new Promise<void>((resolve) => setImmediate(resolve));

t.test(
  "K5 a stream asks for its credential every 60 s, and ends in the minute in which it no longer counts",
  async (t) => {
    mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
    t.teardown(() => mock.timers.reset());
    let asked = 0;
    let counts = true;
    const { response, sent } = makeResponse();
    let end: string | undefined;
    const ended = streamEvents(response, {
      source: {
        read: async () => ({ items: [], next_after: 0 }),
        subscribe: async () => () => undefined,
        recheck: async () => {
          asked += 1;
          if (!counts) throw new StepgateError("UNAUTHENTICATED");
        },
      },
      afterSeq: 0,
      times: STREAM_TIMES,
      slot: { onStop: () => undefined, release: () => undefined },
      log: makeLog({ level: "silent" }),
    }).then((reason) => {
      end = reason;
    });
    await settle();
    mock.timers.tick(59_999);
    await settle();
    t.equal(asked, 0, "not before its time");
    mock.timers.tick(1);
    await settle();
    t.equal(asked, 1, "after 60 s");
    mock.timers.tick(60_000);
    await settle();
    t.equal(asked, 2, "and again");
    t.equal(end, undefined, "it goes on");
    counts = false;
    mock.timers.tick(59_999);
    await settle();
    t.equal(end, undefined);
    mock.timers.tick(1);
    await ended;
    t.equal(end, "refused");
    t.match(sent.at(-1), /event: error\ndata: \{"code":"UNAUTHENTICATED"\}/);
  },
);
