/**
 * The service as a user that is not root: the sandbox is what its self-test says, or the step is refused.
 *
 * Root starts the programs as another user, in a mount namespace where that user can reach this checkout whatever stands above
 * it; anybody else starts them as they are.
 */
import { chmod, chown, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { runSampleProcess, SAMPLE_ARGS } from "../cli/sample-process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const isRoot = process.geteuid?.() === 0;
/** Everybody's nobody, who has a name. */
const NOBODY = 65_534;
/** Of no password file: what a container is started with when somebody says `--user`. */
const NAMELESS = 54_321;
/** `$3` is what is done in the mount namespace first. */
const bind = (uid: number) =>
  `mount --bind "$1" "$2" && cd "$2" && eval "$3" && shift 3 && exec setpriv --reuid ${uid} --regid ${uid} --clear-groups "$@"`;

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** A folder of that user's own. */
  readonly home: string;
}

/** How to run a file of this checkout by somebody who is not root; `prepare` is a shell's, before root gives up its rights. */
async function byOther(
  t: Test,
  { uid, prepare = "true" }: { readonly uid: number; readonly prepare?: string },
  ...command: readonly [file: string, ...args: readonly string[]]
): Promise<Program> {
  const [file, ...args] = command;
  const folder = await mkdtemp(join(tmpdir(), "stepgate-nobody-"));
  const home = await mkdtemp(join(tmpdir(), "stepgate-nobody-home-"));
  t.teardown(() => Promise.all([folder, home].map((path) => rm(path, { recursive: true, force: true }))));
  if (!isRoot) {
    const own = [process.execPath, join(ROOT, file), ...args] as const;
    if (uid === NOBODY) return { command: own[0], args: own.slice(1), home };
    return { command: "unshare", args: ["--user", `--map-user=${uid}`, `--map-group=${uid}`, "--", ...own], home };
  }
  await chmod(folder, 0o755);
  await chown(home, uid, uid);
  const node = relative(ROOT, process.execPath);
  const program = [node.startsWith("..") ? process.execPath : join(folder, node), join(folder, file), ...args];
  return {
    command: "unshare",
    args: ["--mount", "sh", "-c", bind(uid), "sh", ROOT, folder, prepare, ...program],
    home,
  };
}

const PLAIN = { PATH: "/usr/bin:/bin", TMPDIR: tmpdir() };

t.test("the attack matrix of the sandbox, by a service that is not root", { timeout: 200_000 }, async (t) => {
  const { command, args } = await byOther(t, { uid: NOBODY }, "test/attack/unprivileged-sandbox.ts");
  await t.spawn(command, [...args], { stdio: ["ignore", "pipe", "inherit"], env: PLAIN }, "unprivileged-sandbox.ts");
});

t.test(
  "the sample, by a service that is not root: its program runs as isolated as is said, or not at all",
  async (t) => {
    const { command, args, home } = await byOther(t, { uid: NOBODY }, "src/cli/bin.mjs", ...SAMPLE_ARGS);
    const { code, printed } = await runSampleProcess(command, args, { home: join(home, "home"), env: PLAIN });
    t.equal(code, 0, printed);
    const level = /isolation: (\S+)/.exec(printed)?.[1];
    if (level === "namespaces") t.match(printed, /fetch_ticket.*sandbox namespaces$/m);
    else t.match(printed, /fetch_ticket.*sandbox_unavailable/, `${level}`);
    t.match(printed, "as the sample declares");
    t.match(printed, "all signatures good");
  },
);

t.test("a service whose user has no name makes its database, keys and evidence like any other", async (t) => {
  const { command, args, home } = await byOther(t, { uid: NAMELESS }, "src/cli/bin.mjs", ...SAMPLE_ARGS);
  const { code, printed } = await runSampleProcess(command, args, { home: join(home, "home"), env: PLAIN });
  t.equal(code, 0, printed);
  t.match(printed, "all signatures good");
});

t.test(
  "where no namespace gives it one, it is told what its user lacks, and leaves nothing half made",
  { skip: !isRoot && "needs root" },
  async (t) => {
    const lacking = { uid: NAMELESS, prepare: "mount --bind /bin/false /usr/bin/unshare" };
    const { command, args, home } = await byOther(t, lacking, "src/cli/bin.mjs", "migrate");
    const { code, printed } = await runSampleProcess(command, args, { home: join(home, "home"), env: PLAIN });
    t.equal(code, 1);
    t.match(printed, `(uid ${NAMELESS})`);
    t.match(printed, /useradd --uid <uid>[\s\S]*STEPGATE_DATABASE_URL[\s\S]*\[EMBEDDED_USER_NAMELESS\]/);
    const left = await readdir(join(home, "home"), { recursive: true });
    t.same(
      left.filter((name) => /PG_VERSION|data/.test(name)),
      [],
    );
  },
);
