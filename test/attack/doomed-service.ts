/** A service that runs one program which spreads, tells when it runs, and waits to be killed. Argument: a marker. */
import { provedAdapter, run, settingsWith } from "../executors/process/sandbox.ts";
import { SPREAD } from "./spread.ts";

const [, , marker = ""] = process.argv;
const adapter = await provedAdapter();
process.stdout.write("running\n");
await run(
  adapter,
  { command: ["perl", "-e", SPREAD, marker] },
  { settings: settingsWith({ perl: { path: "/usr/bin/perl" } }) },
);
