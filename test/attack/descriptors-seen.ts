/** A service that prints which descriptors it has itself and which of them a sandboxed program sees. */
import { readdirSync } from "node:fs";
import { outputOf, PERL, provedAdapter, run } from "../executors/process/sandbox.ts";

const LIST =
  'for my $fd (3 .. 1023) { next unless open(my $h, "<&=", $fd); my $d = (stat $h)[6] == 0x103 ? "devnull" : "open"; print "$fd=$d " }';
const adapter = await provedAdapter();
const { stdout = "" } = outputOf(await run(adapter, { command: ["perl", "-e", LIST] }, { settings: PERL }));
process.stdout.write(JSON.stringify({ service: readdirSync("/proc/self/fd"), program: stdout }));
