/** Secrets in a program's environment: there, in no argument vector on the way, and nothing of their way is left open. */
import { readdirSync, readFileSync } from "node:fs";
import t from "tap";
import { confine } from "../../../src/executors/process/confine.ts";
import { type Machine, surveyMachine } from "../../../src/executors/process/machine.ts";
import { callOf, never } from "../call.ts";
import { outputOf, PERL, provedAdapter, run } from "./sandbox.ts";

const VALUE = "line \"one\" = 'x'\nline two\\ é";
const secrets = [
  { name: "CRM_KEY", value: VALUE },
  { name: "CRM_USER", value: "user-name" },
];
const perl = (code: string) => ({ command: ["perl", "-e", code] });
/** Which descriptors are open beside the three, and what the environment says. */
const LOOK = `print "$ENV{CRM_KEY}|$ENV{CRM_USER}|", join(",", grep { open(my $f, "<&=", $_) } 3 .. 63), "|$ENV{PATH}"`;

const MACHINES: readonly { readonly why: string; readonly change: Partial<Machine> }[] = [
  { why: "in namespaces", change: {} },
  { why: "with a uid of its own only", change: { bubblewrap: undefined } },
];

for (const { why, change } of MACHINES)
  t.test(`${why} a program reads its secrets from its environment, whole`, async (t) => {
    const adapter = await provedAdapter(change);
    t.match(adapter.describe().isolation, why === "in namespaces" ? /namespaces/ : /^process$/);
    const { stdout } = outputOf(await run(adapter, perl(LOOK), { settings: PERL, secrets }));
    const [key, user, descriptors, path] = String(stdout).split("|");
    t.same([key, user], [VALUE, "user-name"]);
    t.equal(descriptors, "", "no descriptor is left");
    t.ok(path, "beside what every program has");
    const none = outputOf(await run(adapter, perl(LOOK), { settings: PERL }));
    t.match(none["stdout"], /^\|\|/, "the control: without secrets there are none");
  });

for (const { why, change } of MACHINES)
  t.test(`${why} no argument vector of this machine holds a secret while the program runs`, async (t) => {
    const adapter = await provedAdapter(change);
    const secret = `never-in-argv-${process.pid}-${Date.now()}`;
    const marker = `seen-in-argv-${process.pid}-${Date.now()}`;
    // it runs until it has been looked at: its input is what ends it
    const running = new AbortController();
    const context = callOf(adapter, {
      inputs: { command: ["perl", "-e", "print qq($ENV{CRM_KEY}); sleep 60", marker] },
      settings: PERL,
      secrets: [{ name: "CRM_KEY", value: secret }],
    });
    const ended = adapter.execute(context, running.signal);
    const vectors = await untilSeen(marker);
    t.same(
      vectors.filter((vector) => vector.includes(secret)),
      [],
    );
    running.abort();
    t.match(await ended, { ok: false, code: "aborted" });
    const machine = { ...surveyMachine(), ...change };
    const walls = change.bubblewrap === undefined && "bubblewrap" in change ? "plain" : "bubblewrap";
    const program = { path: "/usr/bin/perl", args: [], env: {}, secrets: context.secrets, limits: LIMITS };
    const start = confine(machine, { walls, hasFilter: false, hasProc: true }, program, undefined);
    t.notOk(start.args.join(" ").includes(secret), "nor those of the processes on the way to it");
  });

const LIMITS = { wall_ms: 1, cpu_s: 1, memory_bytes: 2 ** 28, processes: 4, output_bytes: 1, file_bytes: 65_536 };

/** Every argument vector there is, once one of them holds the marker. */
async function untilSeen(marker: string): Promise<readonly string[]> {
  for (;;) {
    const vectors = readdirSync("/proc")
      .filter((name) => /^[0-9]+$/.test(name))
      .flatMap((pid) => {
        try {
          return [readFileSync(`/proc/${pid}/cmdline`, "latin1")];
        } catch {
          // it has ended meanwhile
          return [];
        }
      });
    if (vectors.some((vector) => vector.startsWith("/usr/bin/perl") && vector.includes(marker))) return vectors;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

t.test("a step that is refused before it starts is handed nothing", async (t) => {
  const adapter = await provedAdapter();
  const context = callOf(adapter, { inputs: { command: ["sh", "-c", "env"] }, settings: PERL, secrets });
  t.match(await adapter.execute(context, never), { ok: false, code: "program_not_listed" });
});
