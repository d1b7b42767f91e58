/**
 * Evaluations of one module for many tenants: an instance for each, thrown away after anything went wrong.
 *
 * In: a module that was inspected, its manifest. Out: results that are decisions or faults, never exceptions.
 * Not here: files (built-pack.ts), the thread it runs in (load-pack.ts, worker-pack.ts).
 */
import type { Clock } from "../core/clock.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import type { TenantUid } from "../core/ids.ts";
import type { HostBuiltin } from "./builtins/builtin.ts";
import type { PackManifest } from "./manifest.ts";
import { instantiateOpa, type OpaImage, type OpaInstance, type OpaModule } from "./opa-instance.ts";
import type { PackFault, PackLimits, PackResult } from "./pack.ts";
import { PolicyAbort } from "./policy-abort.ts";
import { readDecision } from "./read-decision.ts";

export interface TenantInstancesDeps {
  readonly module: OpaModule;
  readonly manifest: Pick<PackManifest, "entrypoint" | "reasons" | "builtins">;
  readonly builtin: (name: string) => HostBuiltin | undefined;
  readonly limits: PackLimits;
  readonly clock: Pick<Clock, "monotonicMs">;
}

export interface TenantInstances {
  readonly evaluate: (input: Uint8Array, tenantUid: TenantUid) => PackResult;
  readonly close: () => void;
}

/**
 * Makes the evaluations of one module; a first instance is made at once, to see whether it is what its manifest says.
 *
 * @throws {StepgateError} PACK_IMPORT_REFUSED for a missing entrypoint, another ABI or a builtin that is not offered;
 *   PACK_MANIFEST_INVALID when the builtins are not those the manifest lists.
 */
export function makeTenantInstances(deps: TenantInstancesDeps): TenantInstances {
  const { limits, clock, manifest } = deps;
  const entrypoint = checkModule(deps);
  const instances = new Map<TenantUid, OpaInstance>();
  let isClosed = false;

  // kept from the second tenant on: one tenant alone does not need it
  let image: OpaImage | undefined;
  const start = (): OpaInstance => {
    const { builtin } = deps;
    const instance = instantiateOpa(deps.module, { builtin, maxMemoryBytes: limits.maxMemoryBytes }, image);
    if (instances.size > 0) image ??= instance.image();
    return instance;
  };
  const take = (tenantUid: TenantUid): OpaInstance => {
    const kept = instances.get(tenantUid);
    // taken out while it works: only an evaluation that ends well puts it back, as the most recently used
    instances.delete(tenantUid);
    return kept ?? start();
  };
  const keep = (tenantUid: TenantUid, instance: OpaInstance): void => {
    if (instance.memoryBytes() > limits.maxIdleMemoryBytes) return;
    instances.set(tenantUid, instance);
    const oldest = instances.size > limits.maxTenants ? instances.keys().next().value : undefined;
    if (oldest !== undefined) instances.delete(oldest);
  };

  return {
    close: () => {
      isClosed = true;
      instances.clear();
    },
    evaluate: (input, tenantUid) => {
      const startMs = clock.monotonicMs();
      const elapsedUs = () => Math.round((clock.monotonicMs() - startMs) * 1000);
      const failed = (fault: PackFault): PackResult => ({ ok: false, fault, durationUs: elapsedUs() });
      if (isClosed) return failed("crashed");
      if (input.length > limits.maxInputBytes) return failed("memory");
      try {
        const instance = take(tenantUid);
        const reading = readDecision(instance.evaluate(entrypoint, input), manifest.reasons);
        keep(tenantUid, instance);
        const durationUs = elapsedUs();
        // too late is a fault even though there is an answer: nobody may rely on how slow a pack can be
        if (durationUs > limits.deadlineMs * 1000) return { ok: false, fault: "timeout", durationUs };
        return { ...reading, durationUs };
      } catch (caught) {
        return failed(faultOf(caught));
      }
    },
  };
}

function checkModule({ module, manifest, builtin, limits }: TenantInstancesDeps): number {
  const instance = instantiateFirst(() => instantiateOpa(module, { builtin, maxMemoryBytes: limits.maxMemoryBytes }));
  const entrypoint = instance.entrypoints.get(manifest.entrypoint);
  if (entrypoint === undefined) {
    throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "no such entrypoint", name: manifest.entrypoint });
  }
  const listed = [...manifest.builtins].sort().join(" ");
  if (instance.builtins.join(" ") !== listed) throw new StepgateError("PACK_MANIFEST_INVALID", { field: "/builtins" });
  return entrypoint;
}

function instantiateFirst(make: () => OpaInstance): OpaInstance {
  try {
    return make();
  } catch (caught) {
    if (isStepgateError(caught, "PACK_IMPORT_REFUSED")) throw caught;
    throw new StepgateError("PACK_IMPORT_REFUSED", { reason: "the module does not start" }, { cause: caught });
  }
}

/** RangeError is the engine's word for memory that cannot grow, and for a stack that is used up: the same limit to us. */
function faultOf(caught: unknown): PackFault {
  if (caught instanceof PolicyAbort) return caught.isOutOfMemory ? "memory" : "crashed";
  return caught instanceof RangeError ? "memory" : "crashed";
}
