/**
 * Tells of every folder that is made and every file that is put in its place in this process, before whoever asked for it
 * goes on: "keys made", "root.key written", "root.key in place".
 */
import fileSystem from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { basename } from "node:path";

export function watchFiles(reached: (step: string) => void): void {
  const { mkdir, link, rename } = fileSystem;
  const placing = (place: typeof link) => async (from: string, to: string) => {
    reached(`${basename(to)} written`);
    await place(from, to);
    reached(`${basename(to)} in place`);
  };
  Object.assign(fileSystem, {
    mkdir: async (path: string, options: { readonly mode: number }) => {
      const made = await mkdir(path, options);
      reached(`${basename(path)} made`);
      return made;
    },
    link: placing(link),
    rename: placing(rename),
  });
  syncBuiltinESMExports();
}
