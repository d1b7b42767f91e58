/**
 * A stranger on the embedded server's socket, which speaks PostgreSQL's protocol as far as a client's first question.
 *
 * `refusing` knows another password; `welcoming` lets everybody in and serves a folder of its own.
 */
import { once } from "node:events";
import { createServer } from "node:net";

type RogueKind = "refusing" | "welcoming";

const text = (value: string): Buffer => Buffer.from(`${value}\0`);
const int32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer).swap32();
const int16 = (value: number): Buffer => Buffer.from(Uint16Array.of(value).buffer).swap16();

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

const READY = message("Z", Buffer.from("I"));
const REFUSAL = message("E", text("SFATAL"), text("C28P01"), text("Mwrong password"), Buffer.from("\0"));
const WELCOME = Buffer.concat([message("R", int32(0)), READY]);

/** One row of texts. */
function row(fields: Readonly<Record<string, string>>): Buffer {
  const columns = Object.keys(fields).flatMap((name) => [
    text(name),
    int32(0),
    int16(0),
    int32(25),
    int16(65_535),
    int32(4_294_967_295),
    int16(0),
  ]);
  const values = Object.values(fields).flatMap((value) => [int32(value.length), Buffer.from(value)]);
  const count = int16(Object.keys(fields).length);
  return Buffer.concat([
    message("T", count, ...columns),
    message("D", count, ...values),
    message("C", text("SELECT 1")),
    READY,
  ]);
}

/** Listens at `path` until `close`. */
export async function startRogue(path: string, kind: RogueKind) {
  const server = createServer((socket) => {
    socket.on("error", () => undefined);
    socket.once("data", () => {
      if (kind === "refusing") return socket.end(REFUSAL);
      socket.on("data", () => socket.write(row({ folder: "/var/lib/rogue", version: "18.4" })));
      return socket.write(WELCOME);
    });
  });
  server.listen(path);
  await once(server, "listening");
  return {
    close: async (): Promise<void> => {
      server.close();
      await once(server, "close");
    },
  };
}
