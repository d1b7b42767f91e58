/**
 * pg-boss with no-op jobs, taken and completed by the hundred. Started by peers.ts.
 *
 * In: a JSON argument {target, jobs, preload}. Out: `ready` once its queue is filled or it works.
 */
import { createInterface } from "node:readline";
import { PgBoss } from "pg-boss";

const { target, jobs, preload } = JSON.parse(process.argv[2] ?? "");
const boss = new PgBoss({
  ...("url" in target ? { connectionString: target.url } : target.connection),
  max: 10,
  supervise: false,
  schedule: false,
});
boss.on("error", () => undefined);
await boss.start();
if (preload) {
  await boss.createQueue("noop");
  for (let from = 0; from < jobs; from += 5000) {
    await boss.insert(
      "noop",
      Array.from({ length: Math.min(5000, jobs - from) }, (_, index) => ({ data: { id: from + index } })),
    );
  }
}
process.stdout.write("ready\n");
const cpuUs = () => {
  const { user, system } = process.cpuUsage();
  return user + system;
};
let isStopping = false;
const loop = async () => {
  while (!isStopping) {
    const taken = await boss.fetch("noop", { batchSize: 100 });
    if (taken.length === 0) return;
    await boss.complete(
      "noop",
      taken.map(({ id }) => id),
    );
  }
};
const input = createInterface({ input: process.stdin });
input.on("line", (line) => {
  if (line === "start") for (let index = 0; index < 4; index += 1) void loop().catch(() => undefined);
  process.stdout.write(`${JSON.stringify({ cpuUs: cpuUs() })}\n`);
});
input.once("close", async () => {
  isStopping = true;
  await boss.stop({ graceful: false }).catch(() => undefined);
  process.exit(0);
});
