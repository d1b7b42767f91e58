/**
 * Files of our own on a full disk: keys, the cluster, packs. Refused with a code that says what to do, nothing half made, and
 * the same act succeeds when there is room. Argument: the disk (small-disk.ts).
 */
import { randomUUID } from "node:crypto";
import { cp, mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import t from "tap";
import { openKeyFiles } from "../../src/evidence/key-files.ts";
import { startEmbedded } from "../../src/storage/embedded/embedded-server.ts";
import { runCli } from "../cli/run-cli.ts";
import { silentLog } from "../storage/test-database.ts";
import { makeBallast } from "./small-disk.ts";

const [, , disk = ""] = process.argv;
const ballast = makeBallast(disk);
const MARGIN_BYTES = 4096;

t.afterEach(() => ballast.drop());

t.test("a key file is made whole or not at all, and an old one stays what it was", async (t) => {
  const home = join(disk, "keys-home");
  const files = await openKeyFiles({ home, uid: process.geteuid?.() ?? 0, uuid: randomUUID });
  await files.create("old.key", Buffer.from("old"));
  await ballast.fill();
  const big = Buffer.alloc(3 * MARGIN_BYTES, "k");
  await t.rejects(files.create("new.key", big), { code: "DISK_FULL", detail: { path: files.pathOf("new.key") } });
  await t.rejects(files.replace("old.key", big), { code: "DISK_FULL" });
  t.same(await readdir(join(home, "keys")), ["old.key"], "nothing half made is left");
  t.equal(Buffer.from((await files.read("old.key")) ?? []).toString(), "old");
  await ballast.drop();
  await files.create("new.key", big);
  t.same(await files.read("new.key"), big);
});

t.test("a first start for which there is no room is refused, and the next one goes on from there", async (t) => {
  const home = join(disk, "home");
  const start = () => startEmbedded({ home, log: silentLog, rootParents: [disk] });
  await mkdir(home, { mode: 0o700 });
  // none at all, then some for the small files, then some for half a cluster
  for (const leftBytes of [0, 16 * MARGIN_BYTES, 20 << 20]) {
    await ballast.fill(leftBytes);
    await t.rejects(start(), { code: "DISK_FULL", detail: { path: /^\// } }, `${leftBytes} bytes left`);
    await ballast.drop();
  }
  await (await start()).stop();
});

t.test("a command that finds no room for its files keeps what was there and says what to do", async (t) => {
  const pack = join(disk, "allow_all");
  await cp(new URL("../../policies/packs/allow_all/", import.meta.url), pack, { recursive: true });
  const rule = (await readdir(pack)).find((name) => name.endsWith(".rego") && !name.endsWith("_test.rego")) ?? "";
  const text = `${await readFile(join(pack, rule), "utf8")}\n\n# ${"x".repeat(3 * MARGIN_BYTES)}\n\n\n`;
  await writeFile(join(pack, rule), text);
  const made = join(disk, "made");
  const commands = [
    ["pack", "fmt", pack],
    ["pack", "new", made],
    ["pack", "build", pack, "--out", join(disk, "built")],
  ];
  for (const command of commands) {
    await ballast.fill();
    const { code, out, err } = await runCli(command);
    t.equal(code, 1, `${command}: ${out}`);
    t.match(err, /^error: the disk has no space left.*\n {2}make room on the disk.*\[DISK_FULL\]/, `${command}`);
    await ballast.drop();
  }
  t.equal(await readFile(join(pack, rule), "utf8"), text, "the rules are as they were");
  t.notOk((await readdir(disk)).includes("made"), "half a pack does not stand in the way");
  for (const command of commands) t.match(await runCli(command), { code: 0 }, `${command}`);
});
