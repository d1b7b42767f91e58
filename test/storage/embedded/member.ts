/**
 * A process that uses an embedded server, for tests that start several of them or kill one.
 *
 * In: a home folder, and folders for root's server, as arguments. Out: one JSON line per progress, then `{ready …}`; when
 * its input ends it stops, then `{stopped}`. A failure is `{code, detail}`.
 */
import { isStepgateError } from "../../../src/core/errors.ts";
import { startEmbedded } from "../../../src/storage/embedded/embedded-server.ts";

const [home = "", ...rootParents] = process.argv.slice(2);
const print = (line: object): boolean => process.stdout.write(`${JSON.stringify(line)}\n`);
const log = { info: () => undefined, warn: () => undefined, error: () => undefined };

try {
  const server = await startEmbedded({ home, log, rootParents, onProgress: (progress) => print({ progress }) });
  const { role, version, dataDirectory, connection } = server;
  print({ ready: true, role, version, dataDirectory, connection });
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once("end", resolve));
  await server.stop();
  print({ stopped: true });
} catch (caught) {
  if (!isStepgateError(caught)) throw caught;
  print({ code: caught.code, detail: caught.detail });
}
