/** The package as it is published: a tool's author installs it and verifies tokens with one import; its command starts. */
import { execFileSync } from "node:child_process";
import { mkdtemp, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import t from "tap";
import { mintToken } from "../src/capability/mint-token.ts";
import { scopeOf } from "../src/capability/narrow-scope.ts";
import { requestDigest } from "../src/capability/request-digest.ts";
import { callDemand, canonicalJson } from "../src/verify.ts";
import { mintInput, NOW_SEC, SALT, signer, subject } from "./capability/issuer.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const CALL = {
  action: "invoke",
  location: "adapter:mail",
  tool: "mail.send",
  arguments: { to: "a@x.org" },
  egress: [],
};

/** What the author of a tool writes; it prints the verdict. */
const ADAPTER = `
import { callDemand, canonicalJson, loadTrust, verifyToken } from "stepgate/verify";
const [jwks, token, subject, salt, nowSec] = JSON.parse(process.argv[2]);
const call = ${JSON.stringify(CALL)};
const request = { salt: Buffer.from(salt, "base64"), canonical: canonicalJson({ tool: call.tool, arguments: call.arguments }) };
const expected = { issuer: "https://gate.example", audience: "adapter.mail", subject, highestAttemptSeen: 0, request,
  demand: callDemand(call), clockSkewSec: 30 };
console.log(JSON.stringify(verifyToken(token, loadTrust(jwks), expected, nowSec).ok));
`;

t.setTimeout(230_000);

t.test(
  "an installed package verifies a token with one import, and its command runs",
  { timeout: 220_000 },
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "stepgate-package-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const pack = ["pack", "--pack-destination", folder, "--silent"];
    execFileSync("npm", pack, { cwd: ROOT, stdio: ["ignore", "ignore", "inherit"] });
    const [archive = ""] = (await readdir(folder)).filter((name) => name.endsWith(".tgz"));
    execFileSync("mkdir", ["-p", join(folder, "node_modules")]);
    execFileSync("tar", ["-xzf", archive, "-C", "node_modules"], { cwd: folder });
    execFileSync("mv", ["node_modules/package", "node_modules/stepgate"], { cwd: folder });

    await writeFile(join(folder, "adapter.mjs"), ADAPTER);
    const request = canonicalJson({ tool: CALL.tool, arguments: CALL.arguments });
    const { token } = mintToken({
      ...mintInput,
      scope: scopeOf(callDemand(CALL), SALT),
      context: { ...mintInput.context, request_digest: requestDigest(SALT, request) },
    });
    const jwks = JSON.stringify({ keys: [signer.publicJwk] });
    const verdict = (shown: string): string => {
      const given = JSON.stringify([jwks, shown, subject, Buffer.from(SALT).toString("base64"), NOW_SEC]);
      return execFileSync(process.execPath, ["adapter.mjs", given], { cwd: folder, encoding: "utf8" }).trim();
    };
    t.equal(verdict(token), "true", "without any other package beside it");
    t.equal(verdict(`${token.slice(0, -8)}AAAAAAAA`), "false");

    // the command needs the packages it depends on
    for (const name of await readdir(join(ROOT, "node_modules"))) {
      await symlink(join(ROOT, "node_modules", name), join(folder, "node_modules", name)).catch(() => undefined);
    }
    const bin = join(folder, "node_modules", "stepgate", "src", "cli", "bin.mjs");
    const run = (...words: readonly string[]) =>
      // without the tests' own variables, which are no settings
      execFileSync(process.execPath, [bin, ...words], {
        cwd: folder,
        encoding: "utf8",
        env: { PATH: process.env["PATH"] },
      });
    const help = run("--help");
    t.match(help, /run +submit, follow/);
    const settings = run("config", "print");
    t.match(settings, "STEPGATE_LISTEN");
  },
);
