/**
 * The composition root: config → stores → rooms → server and scheduler; the only file that knows everything.
 *
 * In: settings, a log. Out: a running Stepgate that can be stopped. Every call can be followed from here by
 * go-to-definition. Not here: what any of them does; the rooms that all roles share (main-rooms.ts), the API's ports
 * (main-gateway.ts), the worker's wiring (main-worker.ts), retention's (main-retention.ts).
 */
import { type GatewayServer, startGateway } from "./main-gateway.ts";
import type { StartInput } from "./main-input.ts";
import { startRetention } from "./main-retention.ts";
import { openRooms, type Rooms } from "./main-rooms.ts";
import { makeWorker } from "./main-worker.ts";

export class Stepgate {
  readonly rooms: Rooms;
  readonly gateway: GatewayServer | undefined;
  private readonly stops: readonly (() => Promise<unknown>)[];

  constructor(rooms: Rooms, gateway: GatewayServer | undefined, stops: readonly (() => Promise<unknown>)[]) {
    this.rooms = rooms;
    this.gateway = gateway;
    this.stops = stops;
  }

  /** Stops taking work, lets what runs end, closes everything; every part is stopped even if another fails to. */
  async stop(): Promise<void> {
    for (const stop of this.stops) {
      await stop().catch((caught: unknown) => this.rooms.log.warn({ err: caught }, "a part did not stop cleanly"));
    }
  }
}

/**
 * Starts what the role asks for, or nothing: whatever was opened is closed again when a later part fails.
 *
 * @throws {StepgateError} with the code of what is wrong: CONFIG_INVALID, EMBEDDED_FAILED, STORE_UNAVAILABLE, SCHEMA_NEWER,
 *   INSTANCE_KEY_MISSING, KEY_FILE_UNSAFE, PACK_DIGEST_MISMATCH, PORT_TAKEN …
 */
export async function startStepgate(input: StartInput): Promise<Stepgate> {
  const stops: (() => Promise<unknown>)[] = [];
  try {
    const rooms = await openRooms(input, stops);
    const { role } = input.config.instance;
    const worker = role === "gateway" ? undefined : makeWorker(rooms, stops);
    await worker?.start();
    if (worker !== undefined) stops.unshift(() => worker.stop(), startRetention(rooms));
    input.onProgress("listening");
    const gateway = role === "worker" ? undefined : await startGateway(rooms, worker);
    if (gateway !== undefined) stops.unshift(() => gateway.stop());
    return new Stepgate(rooms, gateway, stops);
  } catch (caught) {
    for (const stop of stops)
      await stop().catch((again: unknown) => input.log.warn({ err: again }, "a part did not stop cleanly"));
    throw caught;
  }
}
