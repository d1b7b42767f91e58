/**
 * Secrets from the command line: piped in, listed, erased, and never printed; the program itself reads them from its input.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import t from "tap";
import { PROCESS_SECRETS } from "../../src/executors/process/secret-env.ts";
import { runCli } from "../cli/run-cli.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { allow, done, makeSink, startRig } from "./rig.ts";
import { GREETING } from "./tool-desk.ts";

const BIN = fileURLToPath(new URL("../../src/cli/bin.mjs", import.meta.url));
const VALUE = "9f86d081884c7d65";

t.test("a secret is put, listed and erased from the command line, and never printed", async (t) => {
  const sink = makeSink(() => done(null));
  const rig = await startRig(t, {
    database: await openTestDatabase(t),
    packs: { runtime: allow },
    adapters: [{ ...sink.adapter, secrets: PROCESS_SECRETS }],
    tenant: { runtime_pack: "runtime", required_guardrails: [] },
  });
  const folder = await mkdtemp(join(tmpdir(), "stepgate-cli-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const [olga, sam] = [await deskOf(rig, "olga", "operator"), await deskOf(rig, "sam", "submitter", "reader")];
  await writeFile(join(folder, "olga"), olga.secret);
  await writeFile(join(folder, "sam"), sam.secret);
  const target = (who: string) => ["--url", rig.stepgate.gateway?.url ?? "", "--key-file", join(folder, who)];
  const printed: string[] = [];
  const cli = async (who: string, args: readonly string[], input?: string | Uint8Array) => {
    const end = await runCli([...args, ...target(who)], { STEPGATE_HOME: folder }, input);
    printed.push(end.out, end.err);
    return end;
  };
  t.match(await cli("olga", ["secret", "list"]), { code: 0, out: "no secret is kept\n" });
  const first = await cli("olga", ["secret", "put", "crm.key"], `${VALUE}\n`);
  t.match(first, { code: 0, out: "secret crm.key · version 1 · fits env, header\n", err: "" });
  t.match(await cli("olga", ["secret", "put", "crm.pem"], `${VALUE}\r\n${VALUE}\r\n`), {
    out: /version 1 · fits env\n$/,
  });
  const opened = await rig.stepgate.rooms.secrets.take(rig.tenantUid, [
    { name: "A", ref: "crm.key", as: "env" },
    { name: "B", ref: "crm.pem", as: "env" },
  ]);
  t.same(
    opened.ok && opened.hand().map(({ value }) => value),
    [VALUE, `${VALUE}\r\n${VALUE}`],
    "one newline is left out",
  );
  t.match(await cli("sam", ["secret", "list"]), {
    out: /^SECRET +VERSION +FITS +WRITTEN\ncrm\.key +1 +env,header +20\S+Z\ncrm\.pem +1 +env +20\S+Z\n$/,
  });
  t.match(JSON.parse((await cli("sam", ["secret", "list", "--json"])).out), [{ name: "crm.key" }, { name: "crm.pem" }]);
  const tool = { ...GREETING, secrets: [{ name: "CRM_KEY", ref: "crm.key", as: "env" }] };
  await writeFile(join(folder, "tool"), JSON.stringify(tool));
  t.match(await cli("olga", ["tool", "put", "greet", join(folder, "tool")]), { code: 0 });
  t.match((await cli("sam", ["tool", "show", "greet"])).out, /^ {2}secrets +crm\.key as env CRM_KEY$/m);
  t.match(await cli("olga", ["secret", "remove", "crm.key"]), {
    code: 0,
    out: "secret crm.key is erased\nsteps of these tools are refused until it is put again: greet\n",
  });
  t.match(await cli("olga", ["secret", "remove", "crm.key"]), { code: 1, err: /\[NOT_FOUND\]/ });
  const missing = await cli("olga", ["tool", "put", "greet2", join(folder, "tool")]);
  t.match(missing, { code: 1, err: /stepgate secret put[\s\S]*\[TOOL_SECRET_MISSING\]/ });

  t.match(await cli("olga", ["secret", "put", "crm.key"]), { code: 64, err: /pipe the value in[\s\S]*\[USAGE\]/ });
  t.match(await cli("olga", ["secret", "put", "crm.key", VALUE], "x"), { code: 64 }, "no value in an argument");
  t.match(await cli("olga", ["secret", "put", "crm.key"], Buffer.from("ff".repeat(9), "hex")), { code: 64 });
  t.match(await cli("olga", ["secret", "put", "crm.key"], "short"), {
    code: 1,
    err: /\/value[\s\S]*\[FIELD_INVALID\]/,
  });
  t.match(await cli("sam", ["secret", "put", "crm.key"], VALUE), { code: 1, err: /\[FORBIDDEN\]/ });
  t.notOk(printed.join("").includes(VALUE));

  const { PATH = "" } = process.env;
  const child = spawn(process.execPath, [BIN, "secret", "put", "crm.key", "--json", ...target("olga")], {
    env: { PATH, STEPGATE_HOME: folder },
    stdio: ["pipe", "pipe", "inherit"],
  });
  child.stdin.end(`${VALUE}\n`);
  const out = text(child.stdout);
  const [code] = await once(child, "exit");
  t.equal(code, 0);
  t.match(JSON.parse(await out), { name: "crm.key", version: 1 }, "the program reads its own input");
});
