/**
 * What a start is given and what it says meanwhile. Not here: starting (main.ts).
 */
import type { Config } from "./config/config.ts";
import type { Clock } from "./core/clock.ts";
import type { ExecutorAdapter } from "./executors/contract.ts";
import type { LoadedPack } from "./policy/pack.ts";
import type { EmbeddedProgress } from "./storage/embedded/embedded-server.ts";
import type { DatabaseTarget } from "./storage/pool.ts";
import type { Log } from "./telemetry/logger.ts";

export type StartProgress =
  | EmbeddedProgress
  | "checking_database"
  | "migrating"
  | "opening_keys"
  | "loading_packs"
  | "testing_isolation"
  | "listening";

export interface StartInput {
  readonly config: Config;
  readonly log: Log;
  /** What a person waits for. */
  readonly onProgress: (progress: StartProgress) => void;
  /** Beside those of the product: adapters and packs of whoever embeds it, a database that is open already, a machine's clock. */
  readonly parts?: {
    readonly adapters?: readonly ExecutorAdapter[];
    readonly packs?: ReadonlyMap<string, LoadedPack>;
    readonly database?: DatabaseTarget;
    readonly clock?: Clock;
  };
}
