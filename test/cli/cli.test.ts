/** Exit codes and what errors look like, command by command, run in this process. */
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { sampleKeys, sampleRun, sampleTrust } from "../evidence/sample-run.ts";
import { runCli } from "./run-cli.ts";

const folder = await mkdtemp(join(tmpdir(), "stepgate-cli-"));
t.teardown(() => rm(folder, { recursive: true, force: true }));

t.test("verify exits 0, 1 or 2: all good, a check failed, nothing could be established", async (t) => {
  const keys = sampleKeys("instance");
  const { file } = sampleRun({}, keys);
  const [evidence, tampered, trust] = [join(folder, "good"), join(folder, "bad"), join(folder, "trust.json")];
  await writeFile(evidence, file);
  await writeFile(tampered, file.replace('"seq":3', '"seq":4'));
  // the command line's clock is the machine's, so the trust it is given must be good now
  const times = { issuedAtMs: Date.now() - 60_000, expiresAtMs: Date.now() + 3_600_000 };
  await writeFile(trust, sampleTrust(keys, {}, times));
  const good = await runCli(["verify", evidence, "--trust", trust]);
  t.equal(good.code, 0, good.out + good.err);
  t.match(good.out, /checks hold[\s\S]*all signatures good, nothing missing/);
  const bad = await runCli(["verify", tampered, "--trust", trust, "--json"]);
  t.equal(bad.code, 1);
  t.match(JSON.parse(bad.out), { status: "failed" });
  t.equal((await runCli(["verify", evidence])).code, 2, "no trust given");
  t.equal((await runCli(["verify", evidence, "--trust", trust, "--root", "another"])).code, 2, "another root");
  t.match(await runCli(["verify", join(folder, "nothing")]), { code: 64, err: /no readable file[\s\S]*\[USAGE\]/ });
});

t.test("what is not understood exits 64 and says how to find out", async (t) => {
  for (const args of [["frobnicate"], ["verify"], ["serve", "--frobnicate"], ["key", "create", "--owner", "x"]]) {
    const { code, err } = await runCli(args);
    t.equal(code, 64, args.join(" "));
    t.match(err, /error: [\s\S]*--help[\s\S]*\[USAGE\]/, args.join(" "));
  }
  t.match(await runCli(["--help"]), { code: 0, out: /Usage: stepgate/ });
  t.match(await runCli(["--version"]), { code: 0, out: /^\d+\.\d+\.\d+\n$/ });
});

t.test("settings are refused all at once, and secrets are printed nowhere", async (t) => {
  const secret = "postgres://u:topsecret@db/x";
  const printed = await runCli(["config", "print"], { STEPGATE_DATABASE_URL: secret, STEPGATE_ROLE: "worker" });
  t.equal(printed.code, 0);
  t.match(printed.out, /^STEPGATE_ROLE=worker$/m);
  t.match(printed.out, /^STEPGATE_DATABASE_URL=\(hidden\)$/m);
  t.notMatch(printed.out + printed.err, "topsecret");
  const refused = await runCli(["serve"], { STEPGATE_LEASE_MS: "soon", STEPGATE_LISTN: secret });
  t.equal(refused.code, 64);
  t.match(refused.err, /STEPGATE_LISTN[\s\S]*is it STEPGATE_LISTEN\?[\s\S]*\[CONFIG_INVALID\]/);
  t.match(refused.err, /STEPGATE_LEASE_MS="soon"/);
  t.notMatch(refused.err, "topsecret");
});

t.test("a gateway that is not there is one error with what to do, without a stack", async (t) => {
  const keyFile = join(folder, "key");
  await writeFile(keyFile, "some-key-of-somebody\n");
  const { code, err } = await runCli(["run", "get", "x", "--url", "http://127.0.0.1:1", "--key-file", keyFile]);
  t.equal(code, 1);
  t.match(
    err,
    /^error: the gateway does not answer \(url http:\/\/127\.0\.0\.1:1\)\n {2}start it .*\[GATEWAY_UNREACHABLE\]\n$/,
  );
});

t.test("an answer that is not the gateway's is refused, and a redirect is not followed", async (t) => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    if (request.url === "/v1/runs/moved") response.writeHead(307, { location: "/elsewhere" }).end();
    else
      response
        .writeHead(request.url === "/v1/runs/html" ? 502 : 200)
        .end(request.url === "/v1/runs/odd" ? "{}" : "<html>");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.teardown(() => server.close());
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
  const keyFile = join(folder, "key");
  for (const run of ["moved", "odd", "html", "text"]) {
    const { code, err } = await runCli(["run", "get", run, "--url", url, "--key-file", keyFile]);
    t.equal(code, 1, run);
    t.match(err, /\[(GATEWAY_UNREACHABLE|JSON_INVALID)\]/, run);
  }
  t.notOk(asked.includes("/elsewhere"));
});

t.test("doctor looks without making anything, and exits 1 when something needs attention", async (t) => {
  const home = join(folder, "home");
  const before = await runCli(["doctor", "--json"], { STEPGATE_HOME: home, STEPGATE_LISTEN: "127.0.0.1:0" });
  t.match(
    JSON.parse(before.out).map((finding: { readonly name: string }) => finding.name),
    ["node", "postgresql"],
  );
  await mkdir(home, { mode: 0o755 });
  const after = await runCli(["doctor"], { STEPGATE_HOME: home, STEPGATE_LISTEN: "127.0.0.1:0" });
  t.equal(after.code, 1);
  t.match(after.out, /FAIL +home .*mode 0755\n.*chmod 700/);
});

t.test("pack commands report by place, and exit 1 for what does not hold", async (t) => {
  const pack = join(folder, "broken");
  await mkdir(pack);
  await writeFile(
    join(pack, "manifest.json"),
    JSON.stringify({
      name: "broken",
      version: "1.0.0",
      title: "x",
      entrypoint: "stepgate/broken/decision",
      reasons: {},
    }),
  );
  await writeFile(join(pack, "broken.rego"), "package stepgate.broken\n\ndecision := nothing\n");
  t.match(await runCli(["pack", "check", pack]), { code: 1, out: /^broken\/broken\.rego:3:\d+: .*nothing/ });
  t.match(await runCli(["pack", "check", join(folder, "no-pack")]), { code: 1, err: /\[PACK_NOT_FOUND\]/ });
  t.match(await runCli(["pack", "test", "policies/examples/internal_mail"]), { code: 0, out: /3 of 3 tests/ });
  t.match(await runCli(["pack", "fmt", "--check", "policies/examples/internal_mail"]), { code: 0 });
});

t.test("stepgate runs as a program, also where Node.js was launched without anything", async (t) => {
  const bin = fileURLToPath(new URL("../../src/cli/bin.mjs", import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [bin, "--version"], { env: {} });
  t.match(stdout, /^\d+\.\d+\.\d+\n$/);
});
