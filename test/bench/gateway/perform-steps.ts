/**
 * Steps of durable runs, performed by the service's own worker: what memory is measured after.
 */
import type { Service } from "./service.ts";

const STEPS_PER_RUN = 100;
const POLL_MS = 200;

/** Submits runs of 100 steps, one after the other, and returns when none of them waits or runs any more. */
export async function performSteps(
  { url, key }: Service,
  steps: number,
  onProgress: (share: number) => void,
): Promise<void> {
  const call = async (method: "GET" | "POST", path: string, body?: object): Promise<unknown> => {
    const response = await fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new TypeError(`${method} ${path}: ${response.status} ${await response.text()}`);
    return await response.json();
  };
  for (let done = 0; done < steps; done += STEPS_PER_RUN) {
    const each = Array.from({ length: STEPS_PER_RUN }, (_, index) => ({
      id: `step-${index}`,
      type: "noop",
      inputs: { text: "please look at the ticket and answer kindly. ".repeat(20), index },
    }));
    await call("POST", "/v1/runs", { steps: each });
  }
  for (;;) {
    const { counts } = (await call("GET", "/v1/queue")) as { counts: readonly { count: number }[] };
    const left = counts.reduce((sum, { count }) => sum + count, 0);
    onProgress(1 - left / steps);
    if (left === 0) return;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
}
