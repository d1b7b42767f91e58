/**
 * The server's settings, given on its command line, where neither a file nor ALTER SYSTEM can undo them.
 *
 * Sized for a small machine (23 MB resident when idle); durability as PostgreSQL has it. Not here: limits of a session (pool.ts).
 */
import { type Place, SOCKET_PORT } from "./place.ts";

/** Settings by name, as `postgres -c name=value` takes them. */
export function serverSettings(place: Place): Readonly<Record<string, string>> {
  return {
    // reached through our own folder only
    listen_addresses: "",
    unix_socket_directories: place.socketFolder,
    unix_socket_permissions: "0600",
    port: String(SOCKET_PORT),
    // acknowledged means on disk
    fsync: "on",
    full_page_writes: "on",
    synchronous_commit: "on",
    // a small machine: less memory, no helper processes that a queue of short statements never uses
    shared_buffers: "64MB",
    max_connections: "100",
    io_method: "sync",
    max_parallel_workers_per_gather: "0",
    max_parallel_maintenance_workers: "0",
    jit: "off",
    huge_pages: "off",
    min_wal_size: "64MB",
    // half of it was full within half a minute of load, and each checkpoint made the log half as long again
    max_wal_size: "1GB",
    // queue tables turn over quickly: dead rows must not pile up between rounds
    autovacuum_naptime: "10s",
    // an ERROR's message can hold a value of a payload; LOG and FATAL never do
    log_min_messages: "log",
    log_min_error_statement: "panic",
    log_error_verbosity: "terse",
    log_checkpoints: "off",
    log_timezone: "UTC",
    timezone: "UTC",
    lc_messages: "C",
  };
}
