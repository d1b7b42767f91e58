/** A full disk denies, and all goes on by itself when there is room (design: promises; spec 00, error kinds). */
import t from "tap";
import { spawnOnSmallDisk } from "./small-disk.ts";

t.setTimeout(300_000);

t.test("a full disk under the database refuses and waits, loses nothing, and all goes on when there is room", (t) =>
  spawnOnSmallDisk(t, "database-on-full-disk.ts", 220 << 20),
);

t.test("a full disk under files of our own is named with what to do, and leaves nothing half made", (t) =>
  spawnOnSmallDisk(t, "files-on-full-disk.ts", 100 << 20),
);
