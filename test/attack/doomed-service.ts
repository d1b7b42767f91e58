/**
 * A service that runs one program which spreads, and waits to be killed. Arguments: a marker, and the bubblewrap to use in
 * place of the machine's own, or "none".
 */
import { PERL, provedAdapter, run } from "../executors/process/sandbox.ts";
import { SPREAD } from "./spread.ts";

const [, , marker = "", bubblewrap] = process.argv;
const change = bubblewrap === undefined ? {} : { bubblewrap: bubblewrap === "none" ? undefined : bubblewrap };
const adapter = await provedAdapter(change);
await run(adapter, { command: ["perl", "-e", SPREAD, marker] }, { settings: PERL });
