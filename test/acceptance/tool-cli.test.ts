/**
 * Tools from the command line: registered, listed and shown; a table on a terminal, plain when piped, `--json` (spec 09).
 */
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { runCli } from "../cli/run-cli.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { call, GREETING, performed, toolScene } from "./tool-desk.ts";

t.test(
  "a tool is registered, listed and shown from the command line, and a step says which version it used",
  async (t) => {
    const at = await toolScene(t, await openTestDatabase(t));
    const folder = await mkdtemp(join(tmpdir(), "stepgate-cli-"));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const people = {
      olga: await deskOf(at.rig, "olga", "operator", "reader"),
      sam: await deskOf(at.rig, "sam", "submitter", "reader"),
    };
    for (const [name, { secret }] of Object.entries(people)) await writeFile(join(folder, name), secret);
    const [greeting, changed, broken] = [join(folder, "one"), join(folder, "two"), join(folder, "bad")];
    await writeFile(greeting, JSON.stringify({ ...GREETING, egress: ["a.example"], limits: { tokens: 9 } }));
    await writeFile(changed, JSON.stringify({ ...GREETING, effects: "write", idempotent: true }));
    await writeFile(broken, JSON.stringify({ ...GREETING, executor: "ftp" }));
    const cli = (who: string, ...args: readonly string[]) =>
      runCli([...args, "--url", at.rig.stepgate.gateway?.url ?? "", "--key-file", join(folder, who)], {
        STEPGATE_HOME: folder,
      });
    t.match(await cli("olga", "tool", "list"), { code: 0, out: /^TOOL +VERSION +EXECUTOR +EFFECTS +SHA-256\n$/ });
    const put = await cli("olga", "tool", "put", "greet", greeting);
    t.match(put, { code: 0, out: /^tool greet · version 1 · sink · sha-256 [0-9a-f]{64}\n$/ });
    t.equal((await cli("olga", "tool", "put", "greet", greeting)).out, put.out, "the same again changes nothing");
    const digest = put.out.trim().slice(-64);
    const json = await cli("olga", "tool", "put", "greet", changed, "--json");
    t.match(JSON.parse(json.out), { name: "greet", version: 2, effects: "write" });
    t.match(await cli("olga", "tool", "list"), { out: /^greet +2 +sink +write +[0-9a-f]{64}$/m });
    t.match(JSON.parse((await cli("sam", "tool", "list", "--json")).out), [{ name: "greet", version: 2 }]);
    const shown = await cli("sam", "tool", "show", "greet");
    t.match(shown.out, /^tool greet · version 2$/m);
    t.match(shown.out, /performed by +sink\n {2}effects +write, idempotent\n {2}arguments +name\n/);
    t.match(shown.out, new RegExp(`^VERSION +REGISTERED +SHA-256\\n2 +.+\\n1 +20\\S+Z +${digest}\\n$`, "m"));
    const older = await cli("sam", "tool", "show", "greet", "--tool-version", "1");
    t.match(older.out, /hosts +a\.example\n {2}secrets +none\n {2}defaults +\{\}\n {2}limits +\{"tokens":9\}\n/);
    t.match(JSON.parse((await cli("sam", "tool", "show", "greet", "--json")).out), {
      versions: [{ version: 2 }, { digest }],
    });
    const { runUid } = await performed(at, call("greet", { name: "x" }));
    t.match(
      (await cli("sam", "run", "get", runUid, "--why", "a")).out,
      /^ {2}tool {6}greet version 2 · sha256 [0-9a-f]{64}$/m,
    );

    t.match(await cli("sam", "tool", "put", "greet", greeting), { code: 1, err: /\[FORBIDDEN\]/ });
    t.match(await cli("olga", "tool", "put", "greet", broken), { code: 1, err: /\/executor[\s\S]*\[FIELD_INVALID\]/ });
    t.match(await cli("olga", "tool", "show", "nothing"), { code: 1, err: /\[NOT_FOUND\]/ });
    t.match(await cli("olga", "tool", "put", "greet", join(folder, "none")), { code: 64, err: /\[USAGE\]/ });
  },
);
