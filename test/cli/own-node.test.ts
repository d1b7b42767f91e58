/** The project's own Node.js, as `npm start` runs it. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import t from "tap";
import { NODE_FLAGS } from "../../src/cli/own-node.mjs";

const OWN_NODE = fileURLToPath(new URL("../../src/cli/own-node.mjs", import.meta.url));

t.test("what it runs has the flags of a short pause, its arguments and its exit code", async (t) => {
  const script = "process.stdout.write(JSON.stringify(process.execArgv)); process.exitCode = 3";
  const caller = `import { runNode } from ${JSON.stringify(OWN_NODE)};
    process.exitCode = await runNode(process.execPath, ["-e", ${JSON.stringify(script)}]);`;
  const ran = promisify(execFile)(process.execPath, ["--input-type=module", "-e", caller]);
  const { stdout, code } = await ran.then(
    (fine) => ({ ...fine, code: 0 }),
    (failed: { readonly stdout: string; readonly code: number }) => failed,
  );
  t.equal(code, 3);
  t.same(JSON.parse(stdout), [...NODE_FLAGS, "-e", script]);
  t.ok(NODE_FLAGS.some((flag) => flag.startsWith("--max-semi-space-size=")));
});
