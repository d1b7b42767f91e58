/**
 * Server-sent events read from bytes (WHATWG HTML §9.2.5): event name and data of each message.
 *
 * In: a body's stream. Out: messages, in order. Not here: what they mean, coming back after a break (api.ts).
 */
export interface StreamMessage {
  readonly event: string;
  readonly data: string;
}

/** Reads messages until the stream ends or breaks off; a message that was not ended by a blank line is dropped. */
export async function* readMessages(
  body: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): AsyncGenerator<StreamMessage> {
  const decoder = new TextDecoder();
  let rest = "";
  let event = "message";
  let data: string[] = [];
  try {
    for await (const chunk of body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split(/\r\n|\n|\r/);
      rest = lines.pop() ?? "";
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { event, data: data.join("\n") };
          event = "message";
          data = [];
        } else if (line.startsWith("event:")) event = line.slice(6).trimStart();
        else if (line.startsWith("data:")) data.push(line.slice(5).replace(/^ /, ""));
      }
    }
  } catch (caught) {
    // a broken connection is the caller's to mend; an interrupt is not
    if (signal.aborted) throw caught;
  }
}
