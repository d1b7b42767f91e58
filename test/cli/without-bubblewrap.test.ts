/** A machine without bubblewrap, made by covering the program in a mount namespace: what `npm start` shows there. */
import { spawnSync } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { surveyMachine } from "../../src/executors/process/machine.ts";
import { runSampleProcess, SAMPLE_ARGS } from "./sample-process.ts";

const BIN = join(import.meta.dirname, "..", "..", "src", "cli", "bin.mjs");
const isRoot = process.geteuid?.() === 0;

t.test("without bubblewrap the sample's process step is sandbox_unavailable, as it then declares", async (t) => {
  const home = await mkdtemp(join(tmpdir(), "stepgate-bare-"));
  t.teardown(() => rm(home, { recursive: true, force: true }));
  const { bubblewrap = "" } = surveyMachine();
  const cover = `mount --bind /dev/null "$0" && exec "$@"`;
  t.equal(spawnSync(bubblewrap, ["--version"]).status, 0, "the control: it is there outside");
  const args = [isRoot ? "-m" : "-rm", "/bin/sh", "-c", cover, bubblewrap, process.execPath, BIN, ...SAMPLE_ARGS];
  const env = { PATH: process.env["PATH"] };
  const { code, printed } = await runSampleProcess("/usr/bin/unshare", args, { home, env });
  t.equal(code, 0, printed);
  t.match(printed, /isolation: process/);
  t.match(printed, /fetch_ticket.*sandbox_unavailable/);
  t.match(printed, "as the sample declares");
  t.match(printed, "all signatures good");
});
