/**
 * The client of the load, in a process of its own: a closed loop over some connections to one route.
 *
 * In: one JSON argument. Out: one line of JSON: requests per second, latencies, answers that were not wanted.
 */
import { Client } from "undici";
import { quantilesOf } from "./quantiles.ts";

export interface LoadInput {
  readonly url: string;
  readonly key: string;
  readonly path: string;
  readonly body: object;
  readonly connections: number;
  readonly durationMs: number;
}

const input = JSON.parse(process.argv[2] ?? "{}") as LoadInput;
const body = JSON.stringify(input.body);
const headers = { authorization: `Bearer ${input.key}`, "content-type": "application/json" };
const durationsMs: number[] = [];
let unwanted = 0;
const warmMs = performance.now() + input.durationMs / 4;
const endMs = warmMs + input.durationMs;

async function loop(): Promise<void> {
  const client = new Client(input.url);
  while (performance.now() < endMs) {
    const startMs = performance.now();
    const response = await client.request({ path: input.path, method: "POST", headers, body });
    await response.body.dump();
    const nowMs = performance.now();
    if (response.statusCode !== 200) unwanted += 1;
    if (nowMs >= warmMs && nowMs <= endMs) durationsMs.push(nowMs - startMs);
  }
  await client.close();
}

await Promise.all(Array.from({ length: input.connections }, loop));
const perSecond = Math.round(durationsMs.length / (input.durationMs / 1000));
console.log(JSON.stringify({ perSecond, ms: quantilesOf(durationsMs), unwanted }));
