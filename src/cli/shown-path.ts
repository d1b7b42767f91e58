/**
 * A path as a person would type it here: below the working directory without it, elsewhere absolute.
 */
import { relative, resolve } from "node:path";

export function shownPath(path: string): string {
  const below = relative("", path);
  return below === "" || below.startsWith("..") ? resolve(path) : below;
}
