/**
 * Tracing where there is a collector, none where there is not. Not here: how spans are sent (export-spans.ts).
 */
import type { Ids } from "../core/ids.ts";
import { noTracing, type Tracing } from "./tracing.ts";

/** Sends spans to a collector: `<endpoint>/v1/traces` (OTLP over HTTP), none without an endpoint. */
export async function startTracing(
  endpoint: string | undefined,
  deps: { readonly random: Ids["random"]; readonly version: string },
): Promise<Tracing> {
  if (endpoint === undefined) return noTracing;
  // the exporter is one in twenty of the modules of a start, and most have no collector
  const { exportSpans, makeOtlpExporter } = await import("./export-spans.ts");
  return exportSpans({ ...deps, exporter: makeOtlpExporter(`${endpoint.replace(/\/$/, "")}/v1/traces`) });
}
