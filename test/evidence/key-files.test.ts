import { execFileSync } from "node:child_process";
import { chmodSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { openKeyFiles, readKeyFile } from "../../src/evidence/key-files.ts";
import { seededIds } from "./seeded.ts";

const uid = process.getuid?.() ?? 0;
const open = (home: string, owner = uid) => openKeyFiles({ home, uid: owner, uuid: seededIds("files").uuid });
const modeOf = (path: string) => lstatSync(path).mode & 0o777;

t.test("home and keys are made 0700, files 0600, and nothing temporary is left", async (t) => {
  const home = join(t.testdir(), "home");
  const files = await open(home);
  t.equal(await files.read("instance.key"), undefined);
  await files.create("instance.key", Buffer.from("secret"));
  await files.replace("trust.json", Buffer.from("{}"));
  await files.replace("trust.json", Buffer.from("[]"));
  t.same([home, join(home, "keys")].map(modeOf), [0o700, 0o700]);
  t.same(
    ["instance.key", "trust.json"].map((name) => modeOf(files.pathOf(name))),
    [0o600, 0o600],
  );
  t.same(readdirSync(join(home, "keys")), ["instance.key", "trust.json"]);
  t.equal(String(await files.read("trust.json")), "[]");
});

t.test("K1 two creations at once end with one file, and both see it", async (t) => {
  const files = await open(join(t.testdir(), "home"));
  const standing = await Promise.all(
    Array.from({ length: 8 }, (_, index) => files.create("root.key", Buffer.from(`key ${index}`))),
  );
  t.equal(new Set(standing.map(String)).size, 1);
  t.equal(String(await files.read("root.key")), String(standing[0]));
  t.equal(String(await files.create("root.key", Buffer.from("later"))), String(standing[0]), "a key is never replaced");
});

t.test("K1 a home, folder or file that others own, read, write or redirect is refused", async (t) => {
  const refusals: readonly { why: string; reason: string; spoil: (home: string) => void }[] = [
    { why: "a 0644 key", reason: "mode", spoil: (home) => chmodSync(join(home, "keys/k"), 0o644) },
    { why: "a 0660 key", reason: "mode", spoil: (home) => chmodSync(join(home, "keys/k"), 0o660) },
    { why: "a 0755 home", reason: "mode", spoil: (home) => chmodSync(home, 0o755) },
    { why: "a 0750 key folder", reason: "mode", spoil: (home) => chmodSync(join(home, "keys"), 0o750) },
    { why: "a linked key", reason: "link", spoil: (home) => symlinkSync(join(home, "keys/k"), join(home, "keys/l")) },
    { why: "a folder for a key", reason: "kind", spoil: (home) => mkdirSync(join(home, "keys/l"), { mode: 0o700 }) },
    {
      why: "a huge key",
      reason: "size",
      spoil: (home) => writeFileSync(join(home, "keys/l"), Buffer.alloc(1_048_577), { mode: 0o600 }),
    },
  ];
  for (const [index, { why, reason, spoil }] of refusals.entries()) {
    const home = join(t.testdir(), `home-${index}`);
    const files = await open(home);
    await files.create("k", Buffer.from("secret"));
    spoil(home);
    const read = async () => {
      const again = await open(home);
      return Promise.all([again.read("k"), again.read("l")]);
    };
    await t.rejects(read(), { code: "KEY_FILE_UNSAFE", detail: { reason } }, why);
  }
  const home = join(t.testdir(), "owned");
  await (await open(home)).create("k", Buffer.from("secret"));
  await t.rejects(open(home, uid + 1), { code: "KEY_FILE_UNSAFE", detail: { reason: "owner" } }, "another owner");
  await t.rejects(readKeyFile(join(home, "keys/k"), uid + 1), { code: "KEY_FILE_UNSAFE", detail: { reason: "owner" } });
  const linked = join(t.testdir(), "linked");
  symlinkSync(home, linked);
  await t.rejects(open(linked), { code: "KEY_FILE_UNSAFE", detail: { reason: "link" } }, "a symlinked home");
});

t.test("what the file system refuses is an error with its reason, and a pipe does not hang the start", async (t) => {
  const dir = t.testdir({ file: "" });
  await t.rejects(open(join(dir, "no", "home")), { code: "KEY_FILE_UNAVAILABLE", detail: { reason: "ENOENT" } });
  await t.rejects(open(join(dir, "file", "home")), { code: "KEY_FILE_UNAVAILABLE", detail: { reason: "ENOTDIR" } });
  const files = await open(join(dir, "home"));
  execFileSync("mkfifo", ["-m", "600", files.pathOf("pipe")]);
  await t.rejects(files.read("pipe"), { code: "KEY_FILE_UNSAFE", detail: { reason: "kind" } });
  await t.rejects(files.create("no/such/folder", Buffer.from("x")), { code: "KEY_FILE_UNAVAILABLE" });
});
