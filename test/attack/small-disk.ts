/**
 * A disk of a few hundred megabytes that a test may fill: a file system in memory, seen by one program and its children.
 *
 * In a mount namespace of that program, so that nothing stays mounted however it ends. As root by `unshare`, else by
 * `bwrap`, which needs user namespaces as the sandbox of `process` does.
 */
import { closeSync, openSync, statfsSync, writeSync } from "node:fs";
import { mkdtemp, rm, stat, truncate } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Test } from "tap";

/** Runs a file of tests as a subtest, with the path of the disk as its argument. */
export async function spawnOnSmallDisk(t: Test, file: string, bytes: number): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-disk-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const program = [process.execPath, fileURLToPath(new URL(file, import.meta.url)), folder];
  const mount = `mount -t tmpfs -o size=${bytes},mode=755 disk "$0" && exec "$@"`;
  const [command, args] =
    process.geteuid?.() === 0
      ? ["unshare", ["--mount", "sh", "-c", mount, folder, ...program]]
      : ["bwrap", ["--dev-bind", "/", "/", "--size", String(bytes), "--tmpfs", folder, "--", ...program]];
  await t.spawn(command as string, args as string[], { stdio: ["ignore", "pipe", "inherit"] }, file);
}

export interface Ballast {
  /** Takes what is free, but for so many bytes. */
  readonly fill: (leftBytes?: number) => Promise<void>;
  /** Gives it all back. */
  readonly drop: () => Promise<void>;
}

const CHUNK_BYTES = 1 << 22;

/** A file that takes what is free on the disk, as other users of a disk do. */
export function makeBallast(disk: string): Ballast {
  const path = join(disk, "ballast");
  return {
    fill: async (leftBytes = 0) => {
      const file = openSync(path, "a");
      // at once, so that nobody else of this process takes or gives room meanwhile
      for (let bytes = CHUNK_BYTES; bytes > 0 && statfsSync(disk).bavail > 0; ) {
        try {
          writeSync(file, Buffer.alloc(bytes));
        } catch {
          // not so much room any more
          bytes >>= 1;
        }
      }
      closeSync(file);
      const { size } = await stat(path);
      if (leftBytes > 0) await truncate(path, size - leftBytes);
    },
    drop: () => rm(path, { force: true }),
  };
}
