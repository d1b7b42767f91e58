/**
 * The API's ports, each from the room that keeps it, and the server over them (gateway/ports.ts).
 *
 * Here: wiring only. Not here: what a use case does, HTTP.
 */
import type { Rooms } from "./main.ts";

export interface GatewayServer {
  readonly address: string;
  readonly stop: () => Promise<void>;
}

export async function startGateway(_rooms: Rooms, _isWorkerReady: () => boolean): Promise<GatewayServer> {
  return { address: "", stop: async () => undefined };
}
