/**
 * Stands between the product and its database, and cuts one connection at a statement: before the server gets it, or when
 * the server has committed and the answer is under way. To the driver both look the same.
 */
import { connect, createServer, type NetConnectOpts, type Socket } from "node:net";
import type { Test } from "tap";
import type { DatabaseTarget } from "../../src/storage/pool.ts";

export type Moment = "before the server has it" | "after the commit";

export interface Cutter {
  readonly target: DatabaseTarget;
  readonly isCut: () => boolean;
}

/** ReadyForQuery outside a transaction: whatever the statement did is committed. */
const COMMITTED = Buffer.from([0x5a, 0, 0, 0, 5, 0x49]);

/** Cuts the first connection that prepares a statement with `text` in it. */
export async function cutAt(t: Test, target: DatabaseTarget, text: string, moment: Moment): Promise<Cutter> {
  let isCut = false;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const database = connect(serverOf(target));
    let isAsked = false;
    let asked = "";
    let answered: Buffer = Buffer.alloc(0);
    const end = (): void => {
      client.destroy();
      database.destroy();
    };
    for (const socket of [client, database]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", end);
    }
    client.on("data", (bytes) => {
      // a text may come in two parts
      asked = (asked + bytes.toString("latin1")).slice(-bytes.length - text.length);
      if (!isCut && asked.includes(text)) {
        isCut = true;
        isAsked = true;
        if (moment === "before the server has it") return end();
      }
      database.write(bytes);
    });
    database.on("data", (bytes) => {
      if (!isAsked) return client.write(bytes);
      answered = Buffer.concat([answered, bytes]);
      if (answered.subarray(-COMMITTED.length).equals(COMMITTED)) end();
      return true;
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("no port");
  return { target: throughPort(target, address.port), isCut: () => isCut };
}

function serverOf(target: DatabaseTarget): NetConnectOpts {
  if ("url" in target) {
    const { hostname, port, searchParams } = new URL(target.url);
    return addressOf(searchParams.get("host") ?? hostname, Number(port || 5432));
  }
  const { host, port = 5432 } = target.connection;
  return addressOf(host, port);
}

/** A host that is a folder holds the server's socket. */
function addressOf(host: string, port: number): NetConnectOpts {
  return host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host, port };
}

function throughPort(target: DatabaseTarget, port: number): DatabaseTarget {
  if (!("url" in target)) return { connection: { ...target.connection, host: "127.0.0.1", port } };
  const url = new URL(target.url);
  url.searchParams.delete("host");
  url.hostname = "127.0.0.1";
  url.port = String(port);
  return { url: url.href };
}
