/** The README and the pages for each audience: every command in them works as it stands, on a gateway as a first start makes it. */
import { spawn } from "node:child_process";
import { access, cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import t, { type Test } from "tap";
import { TOKEN_REASONS } from "../../src/core/capability.ts";
import { startRig } from "../acceptance/rig.ts";
import { openTestDatabase } from "../storage/test-database.ts";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const PAGES = ["policies/README.md", "deploy/README.md", "policies/examples/README.md"];
const readText = (path: string) => readFile(join(ROOT, path), "utf8");

interface Ran {
  readonly command: string;
  readonly code: number | null;
  readonly output: string;
}

/** The lines of a page's shell blocks. */
function commandsOf(page: string): readonly string[] {
  return [...page.matchAll(/^```sh\n([\s\S]*?)^```/gm)].flatMap(([, block = ""]) => block.trim().split("\n"));
}

/** Runs one line as a reader would paste it, in a folder of its own. */
function paste(command: string, place: { readonly folder: string; readonly url: string }): Promise<Ran> {
  const line = command.replaceAll("http://127.0.0.1:8181", place.url);
  const shim = `npx() { shift; "${process.execPath}" "${join(ROOT, "src/cli/bin.mjs")}" "$@"; }`;
  const child = spawn("bash", ["-c", `${shim}\n${line}`], {
    cwd: place.folder,
    env: {
      PATH: process.env["PATH"],
      STEPGATE_HOME: ".stepgate",
      STEPGATE_LISTEN: new URL(place.url).host,
      STEPGATE_ADMIN_KEY: "acceptance-test-admin-key-0123456789",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.on("data", (bytes: Buffer) => {
      output += bytes.toString();
    });
  return new Promise((resolve) => child.on("close", (code) => resolve({ command, code, output })));
}

async function place(t: Test) {
  const folder = await mkdtemp(join(tmpdir(), "stepgate-pages-"));
  t.teardown(() => rm(folder, { recursive: true }));
  await cp(join(ROOT, "policies"), join(folder, "policies"), { recursive: true });
  return folder;
}

/** The gateway that a page is read beside, with the packs that were built in the folder. */
async function serve(t: Test, folder: string) {
  const env = { STEPGATE_PACKS: join(folder, ".stepgate/packs") };
  const rig = await startRig(t, { database: await openTestDatabase(t), env });
  return { folder, url: rig.stepgate.gateway?.url ?? "" };
}

t.test("every command of the pages works when it is pasted", { timeout: 600_000 }, async (t) => {
  const rig = await startRig(t, { database: await openTestDatabase(t) });
  const at = { folder: await place(t), url: rig.stepgate.gateway?.url ?? "" };
  let count = 0;
  for (const path of PAGES) {
    for (const command of commandsOf(await readText(path))) {
      const wanted = Number(/# exit (\d)/.exec(command)?.[1] ?? 0);
      const { code, output } = await paste(command, at);
      t.equal(code, wanted, `${path}: ${command}\n${output}`);
      count += 1;
    }
  }
  t.ok(count > 15, `${count} commands`);
});

t.test(
  "every command of the README works when it is pasted, what stands for an id filled in",
  { timeout: 600_000 },
  async (t) => {
    const commands = commandsOf(await readText("README.md")).filter((command) => command.startsWith("npx "));
    const folder = await place(t);
    const isOffline = (command: string) => command.startsWith("npx stepgate pack ");
    const run = async (command: string, url: string) => {
      const { code, output } = await paste(command, { folder, url });
      t.equal(code, 0, `${command}\n${output}`);
      return output;
    };
    for (const command of commands.filter(isOffline)) await run(command, "http://127.0.0.1:1");
    const { url } = await serve(t, folder);
    const ids = new Map([["<step>", "say"]]);
    for (const command of commands.filter((one) => !isOffline(one))) {
      const filled = command.replaceAll(/<[a-z ]+>/g, (name) => ids.get(name) ?? name);
      const output = await run(filled, url);
      const [uid] = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/.exec(output) ?? [];
      if (uid !== undefined && filled.includes(" run submit ") && !ids.has("<run id>")) ids.set("<run id>", uid);
      if (uid !== undefined && filled.includes(" approval list ")) ids.set("<approval id>", uid);
    }
    t.ok(commands.length > 12, `${commands.length} commands`);
    t.same([...ids.keys()].sort(), ["<approval id>", "<run id>", "<step>"]);
  },
);

t.test("what the pages link to is there, and the reasons they name exist", async (t) => {
  for (const path of PAGES) {
    const page = await readText(path);
    for (const [, target = ""] of page.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      await t.resolves(access(join(ROOT, dirname(path), target)), `${path}: ${target}`);
    }
  }
  const table = /\| Reason \|[\s\S]*?\n\n/.exec(await readText("policies/examples/README.md"))?.[0] ?? "";
  const named = [...table.matchAll(/`(\w+)`/g)].map(([, name = ""]) => name);
  t.ok(named.length > 8);
  for (const name of named) t.ok((TOKEN_REASONS as readonly string[]).includes(name), name);
});
