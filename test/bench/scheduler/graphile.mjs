/**
 * graphile-worker with no-op jobs, as its own performance test runs it. Started by peers.ts.
 *
 * In: a JSON argument {url | connection, jobs, batched, preload}. Out: `ready` once its queue is filled or it works.
 */
import { createInterface } from "node:readline";
import { Logger, makeWorkerUtils, run, runMigrations } from "graphile-worker";
import pg from "pg";

const { target, jobs, batched, preload } = JSON.parse(process.argv[2] ?? "");
const pool = new pg.Pool({
  ...("url" in target ? { connectionString: target.url } : target.connection),
  max: 26,
});
pool.on("error", () => undefined);
pool.on("connect", (client) => client.on("error", () => undefined));
const logger = new Logger(() => () => undefined);

if (preload) {
  await runMigrations({ pgPool: pool, logger });
  const utils = await makeWorkerUtils({ pgPool: pool, logger });
  for (let from = 0; from < jobs; from += 5000) {
    const specs = Array.from({ length: Math.min(5000, jobs - from) }, (_, index) => ({
      identifier: "noop",
      payload: { id: from + index },
    }));
    await utils.addJobs(specs);
  }
  await utils.release();
  await pool.query("vacuum analyze");
}
process.stdout.write("ready\n");
const input = createInterface({ input: process.stdin });
let runner;
const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
input.on("line", async (line) => {
  if (line === "start") {
    runner = await run({
      pgPool: pool,
      logger,
      noHandleSignals: true,
      taskList: { noop: () => undefined },
      preset: {
        worker: {
          concurrentJobs: 24,
          ...(batched ? { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 } : {}),
        },
      },
    });
  }
  process.stdout.write(`${JSON.stringify({ cpuUs: cpuUs() })}\n`);
});
input.once("close", async () => {
  await runner?.stop().catch(() => undefined);
  await pool.end().catch(() => undefined);
  process.exit(0);
});
