/**
 * The thread of one pack that did not come with the product (entry file of worker-pack.ts).
 *
 * In: the module and its limits, then inputs. Out: one answer each, posted before the signal is raised.
 * Not here: the watchdog, which must not run in the thread it watches.
 */
import { randomBytes } from "node:crypto";
import { workerData } from "node:worker_threads";
import { systemClock } from "../core/clock.ts";
import { isStepgateError } from "../core/errors.ts";
import { resolveBuiltins } from "./host-builtin.ts";
import { makeTenantInstances, type TenantInstances } from "./tenant-instances.ts";
import { lazyToolchain } from "./toolchain.ts";
import type { ThreadAnswer, ThreadQuestion, ThreadStart } from "./worker-pack.ts";

const { port, signal, work } = workerData as ThreadStart;

function answer(message: ThreadAnswer): void {
  port.postMessage(message);
  Atomics.add(signal, 0, 1);
  Atomics.notify(signal, 0);
}

async function start(): Promise<TenantInstances> {
  const { wasm, memory, manifest, limits, toolchain: place } = work;
  const toolchain = lazyToolchain({ ...place, clock: systemClock, random: (size) => randomBytes(size) });
  const builtin = await resolveBuiltins(manifest.builtins, toolchain);
  const module = { module: await WebAssembly.compile(wasm), memory };
  return makeTenantInstances({ module, manifest, builtin, limits, clock: systemClock });
}

try {
  const instances = await start();
  port.on("message", ({ input, tenantUid }: ThreadQuestion) => {
    answer({ kind: "result", result: instances.evaluate(input, tenantUid) });
  });
  answer({ kind: "ready" });
} catch (caught) {
  answer(
    isStepgateError(caught)
      ? { kind: "refused", code: caught.code, detail: caught.detail }
      : { kind: "refused", code: "PACK_IMPORT_REFUSED", detail: { reason: "not a valid module" } },
  );
}
