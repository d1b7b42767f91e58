/**
 * The service as a user that is not root: the sandbox is what its self-test says, or the step is refused.
 *
 * Root starts the programs as another user, in a mount namespace where that user can reach this checkout whatever stands above
 * it; anybody else starts them as they are.
 */
import { chmod, chown, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { runSampleProcess, SAMPLE_ARGS } from "../cli/sample-process.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
/** Everybody's nobody: PostgreSQL wants a user that has a name. */
const NOBODY = 65_534;
const BIND = `mount --bind "$1" "$2" && cd "$2" && shift 2 && exec setpriv --reuid ${NOBODY} --regid ${NOBODY} --clear-groups "$@"`;

interface Program {
  readonly command: string;
  readonly args: readonly string[];
  /** A folder of that user's own. */
  readonly home: string;
}

/** How to run a file of this checkout by somebody who is not root. */
async function byNobody(t: Test, file: string, args: readonly string[] = []): Promise<Program> {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-nobody-"));
  const home = await mkdtemp(join(tmpdir(), "stepgate-nobody-home-"));
  t.teardown(() => Promise.all([folder, home].map((path) => rm(path, { recursive: true, force: true }))));
  if (process.geteuid?.() !== 0) return { command: process.execPath, args: [join(ROOT, file), ...args], home };
  await chmod(folder, 0o755);
  await chown(home, NOBODY, NOBODY);
  const node = relative(ROOT, process.execPath);
  const program = [node.startsWith("..") ? process.execPath : join(folder, node), join(folder, file), ...args];
  return { command: "unshare", args: ["--mount", "sh", "-c", BIND, "sh", ROOT, folder, ...program], home };
}

const PLAIN = { PATH: "/usr/bin:/bin", TMPDIR: tmpdir() };

t.test("the attack matrix of the sandbox, by a service that is not root", { timeout: 200_000 }, async (t) => {
  const { command, args } = await byNobody(t, "test/attack/unprivileged-sandbox.ts");
  await t.spawn(command, [...args], { stdio: ["ignore", "pipe", "inherit"], env: PLAIN }, "unprivileged-sandbox.ts");
});

t.test(
  "the sample, by a service that is not root: its program runs as isolated as is said, or not at all",
  async (t) => {
    const { command, args, home } = await byNobody(t, "src/cli/bin.mjs", SAMPLE_ARGS);
    const { code, printed } = await runSampleProcess(command, args, { home: join(home, "home"), env: PLAIN });
    t.equal(code, 0, printed);
    const level = /isolation: (\S+)/.exec(printed)?.[1];
    if (level === "namespaces") t.match(printed, /fetch_ticket.*sandbox namespaces$/m);
    else t.match(printed, /fetch_ticket.*sandbox_unavailable/, `${level}`);
    t.match(printed, "as the sample declares");
    t.match(printed, "all signatures good");
  },
);
