/**
 * Things planted on the host that a sandboxed program must not reach, and that the negative controls must.
 *
 * In: a folder to plant in. Out: where they are, and how to remove them again. Not here: reaching for them (probe.ts).
 */
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import { StepgateError } from "../../core/errors.ts";
import type { PlantedThings } from "./probe.ts";

export interface Plantation extends PlantedThings {
  /** Holds canary and socket; open to every uid, so that only the sandbox can be what hides it. */
  readonly folder: string;
  readonly remove: () => Promise<void>;
}

/**
 * Plants a canary file, a unix socket by path and by abstract name, and a loopback port.
 *
 * @throws {StepgateError} SANDBOX_UNAVAILABLE when something cannot be planted: then nothing can be proved.
 */
export async function plant(scratchFolder: string): Promise<Plantation> {
  const servers: Server[] = [];
  let folder: string | undefined;
  const remove = async () => {
    for (const server of servers) server.close();
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  };
  try {
    folder = await mkdtemp(join(scratchFolder, "stepgate-self-test-"));
    return { folder, ...(await plantIn(folder, servers)), remove };
  } catch (cause) {
    await remove();
    throw new StepgateError("SANDBOX_UNAVAILABLE", { missing: "canary" }, { cause });
  }
}

async function plantIn(folder: string, servers: Server[]): Promise<PlantedThings> {
  const canary = join(folder, "canary");
  const socket = join(folder, "socket");
  const abstract = `stepgate-self-test-${randomBytes(8).toString("hex")}`;
  await writeFile(canary, "canary", { mode: 0o644 });
  await chmod(folder, 0o755);
  await listen(servers, { path: socket });
  await chmod(socket, 0o777);
  await listen(servers, { path: `\0${abstract}` });
  const address = (await listen(servers, { host: "127.0.0.1", port: 0 })).address();
  if (address === null || typeof address === "string") throw new StepgateError("SANDBOX_UNAVAILABLE");
  return { canary, socket, abstract, port: address.port };
}

async function listen(servers: Server[], where: { path: string } | { host: string; port: number }): Promise<Server> {
  const server = createServer((connection) => connection.destroy());
  servers.push(server);
  server.listen(where);
  await once(server, "listening");
  return server;
}
