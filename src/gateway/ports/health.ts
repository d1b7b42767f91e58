/**
 * The process itself.
 *
 * What holds of every port: ../ports.ts.
 */
import type { JwksView, ReadyView } from "../views/health.ts";

export interface Health {
  readonly ready: () => Promise<ReadyView>;
  readonly jwks: () => JwksView;
  /** Prometheus text; no tenant in any label. */
  readonly metricsText: () => Promise<string>;
}
