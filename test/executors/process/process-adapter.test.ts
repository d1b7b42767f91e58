/** process: the contract at the strongest and the weakest level, which programs may run, what their ends mean. */
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { sha256Hex } from "../../../src/core/canonical-json.ts";
import type { JsonObject } from "../../../src/core/json.ts";
import { surveyMachine } from "../../../src/executors/process/machine.ts";
import { executorContract } from "../../contract/executor.ts";
import { stepSpec } from "../call.ts";
import { outputOf, PERL, provedAdapter, run, settingsWith } from "./sandbox.ts";

const adapter = await provedAdapter();
const folder = mkdtempSync(join(tmpdir(), "stepgate-process-"));
chmodSync(folder, 0o755);
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** The time of a program that was listed; whoever changes it may set the same. */
const LISTED_SEC = 1_700_000_000;
const badInputs: readonly JsonObject[] = [
  { command: "echo hello" },
  { command: [] },
  { command: ["echo", 1] },
  { command: ["echo"], stdin: 1 },
  { command: ["echo"], shell: true },
  { command: ["echo"], parse: "yaml" },
];

t.test("process keeps the contract in its sandbox", async (t) => {
  let answers = 0;
  await executorContract(t, {
    make: async () => ({
      ...adapter,
      execute: async (context, signal) => {
        const result = await adapter.execute(context, signal);
        if (result.ok) answers += 1;
        return result;
      },
    }),
    inputs: { command: ["echo", "hello"], stdin: "in" },
    settings: settingsWith({ echo: { path: "/usr/bin/echo" } }),
    otherInputs: { command: ["echo", "hello"], stdin: "other" },
    badInputs,
    effects: () => answers,
  });
});

t.test("process keeps the contract without namespaces, where a program can touch the host", async (t) => {
  const sink = join(folder, "sink");
  writeFileSync(sink, "", { mode: 0o666 });
  chmodSync(sink, 0o666);
  const append = 'open(my $out, ">>", $ARGV[0]) or die; print $out "x"';
  await executorContract(t, {
    make: () => provedAdapter({ bubblewrap: undefined }),
    inputs: { command: ["perl", "-e", append, sink] },
    settings: PERL,
    otherInputs: { command: ["perl", "-e", append, `${sink}2`] },
    badInputs,
    effects: () => readFileSync(sink).length,
  });
});

t.test("runs what a tenant has that set nothing: echo, cat, sort", async (t) => {
  t.same(outputOf(await run(adapter, { command: ["echo", "$HOME", "*", "; ls"] })), {
    stdout: "$HOME * ; ls\n",
    stderr: "",
    exit_code: 0,
  });
  t.match(outputOf(await run(adapter, { command: ["cat"], stdin: "grüße\n" })), { stdout: "grüße\n" });
  t.match(outputOf(await run(adapter, { command: ["/usr/bin/sort"], stdin: "b\na\n" })), { stdout: "a\nb\n" });
});

t.test("A10 hands the output of one echo to the next, as a reference would", async (t) => {
  const { stdout } = outputOf(await run(adapter, { command: ["echo", "-n", "first"] }));
  t.match(outputOf(await run(adapter, { command: ["echo", "-n", `${stdout}, then second`] })), {
    stdout: "first, then second",
  });
});

t.test("reads stdout as strict JSON where asked to", async (t) => {
  const json = { command: ["cat"], stdin: '{"a":[1,null]}', parse: "json" };
  t.match(outputOf(await run(adapter, json)), { stdout: '{"a":[1,null]}', json: { a: [1, null] } });
  t.match(await run(adapter, { ...json, stdin: '{"a":1,"a":2}' }), {
    ok: false,
    code: "output_not_json",
    retryable: false,
  });
});

t.test("E1 refuses what is not the listed program before a process exists", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "stepgate-programs-"));
  chmodSync(folder, 0o755);
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const { witnessed, starts } = await witnessedAdapter(folder);
  const listed = join(folder, "tool");
  copyFileSync("/usr/bin/echo", listed);
  chmodSync(listed, 0o755);
  utimesSync(listed, LISTED_SEC, LISTED_SEC);
  const link = join(folder, "link");
  symlinkSync("/usr/bin/cat", link);
  const writable = join(folder, "writable");
  copyFileSync("/usr/bin/echo", writable);
  chmodSync(writable, 0o777);
  const open = join(folder, "open");
  mkdirSync(open);
  chmodSync(open, 0o777);
  copyFileSync("/usr/bin/echo", join(open, "echo"));
  symlinkSync(open, join(folder, "linked"));
  const sha256 = sha256Hex(readFileSync("/usr/bin/echo"));
  const settings = settingsWith({
    tool: { path: listed, sha256 },
    link: { path: link },
    writable: { path: writable },
    replaceable: { path: join(open, "echo") },
    linked: { path: join(folder, "linked", "echo") },
    gone: { path: join(folder, "gone") },
    folder: { path: folder },
  });
  const wanted = { minimum: "none", weakerAllowed: false } as const;
  const check = (...command: readonly string[]) => witnessed.check(stepSpec("process", { command }), settings, wanted);
  const before = starts();
  t.equal(check("tool", "hi").ok, true, "the control: listed, by name");
  t.equal(check(listed, "hi").ok, true, "the control: listed, by its exact path");
  const refusals = [
    { why: "not listed", program: "perl", reason: "program_not_listed" },
    { why: "a path that is not listed", program: "/usr/bin/echo", reason: "program_not_listed" },
    { why: "the same file by another spelling", program: join(folder, "..", listed), reason: "program_not_listed" },
    { why: "a name every object has", program: "constructor", reason: "program_not_listed" },
    { why: "listed by a link elsewhere", program: "link", reason: "program_is_link" },
    { why: "a file that others may change", program: "writable", reason: "program_writable" },
    { why: "a file in a folder where others may put another", program: "replaceable", reason: "program_writable" },
    { why: "a file below a link to a folder", program: "linked", reason: "program_is_link" },
    { why: "a file that is not there", program: "gone", reason: "program_missing" },
    { why: "a folder", program: "folder", reason: "program_writable|program_not_a_file" },
  ] as const;
  for (const { why, program, reason } of refusals) {
    const refused = check(program, "hi");
    t.match(refused, { ok: false, kind: "program_not_allowed", reasons: [new RegExp(`^(${reason})$`)] }, why);
    const result = await run(witnessed, { command: [program, "hi"] }, { settings });
    t.match(result, { ok: false, retryable: false, code: new RegExp(`^(${reason})$`) }, `${why}, when executed anyway`);
  }
  writeFileSync(listed, Buffer.alloc(statSync(listed).size, "#"));
  utimesSync(listed, LISTED_SEC, LISTED_SEC);
  const changed = { ok: false, kind: "program_not_allowed", reasons: ["program_digest"] };
  t.match(check("tool", "hi"), changed, "other bytes than listed, with the size and the time of the listed ones");
  t.match(await run(witnessed, { command: ["tool", "hi"] }, { settings }), { ok: false, code: "program_digest" });
  t.equal(starts(), before, "no process was started for any of them");
  copyFileSync("/usr/bin/echo", listed);
  t.match(await run(witnessed, { command: ["tool", "hi"] }, { settings }), { ok: true, output: { stdout: "hi\n" } });
  t.equal(starts(), before + 1, "the control: one was for the listed program");
});

/** An adapter whose sandbox leaves a mark each time it is started. */
async function witnessedAdapter(folder: string) {
  const marks = join(folder, "marks");
  writeFileSync(marks, "", { mode: 0o666 });
  chmodSync(marks, 0o666);
  const witness = join(folder, "bwrap");
  writeFileSync(witness, `#!/bin/sh\necho >> ${marks}\nexec ${surveyMachine().bubblewrap} "$@"\n`, { mode: 0o755 });
  const witnessed = await provedAdapter({ bubblewrap: witness });
  return { witnessed, starts: () => statSync(marks).size };
}

t.test("gives a program no more arguments and names than its settings allow", async (t) => {
  const settings = settingsWith({
    perl: {
      path: "/usr/bin/perl",
      fixed_args: ["-e", "print map { qq($_=$ENV{$_};) } sort keys %ENV; print qq(@ARGV)"],
      env: ["REGION"],
      max_args: 1,
    },
  });
  const given = { command: ["perl", "one"], env: { REGION: "eu" } };
  t.match(
    outputOf(await run(adapter, given, { settings }))["stdout"],
    /^HOME=\/tmp;LANG=C\.UTF-8;PATH=[^;]+;(PWD=\/tmp;)?REGION=eu;one$/,
  );
  const wanted = { minimum: "none", weakerAllowed: false } as const;
  const check = (inputs: JsonObject) => adapter.check(stepSpec("process", inputs), settings, wanted);
  t.match(check({ command: ["perl", "one", "two"] }), { kind: "invalid_request", reasons: ["too_many_arguments"] });
  t.match(check({ command: ["perl"], env: { LD_PRELOAD: "x" } }), {
    kind: "invalid_request",
    reasons: ["env_not_allowed"],
  });
});

t.test("tells apart how a program can end badly", async (t) => {
  const perl = (code: string) => ({ command: ["perl", "-e", code] });
  const limited = (limits: JsonObject): JsonObject => ({ ...PERL, limits });
  const ends = [
    {
      why: "a non-zero exit",
      inputs: perl('print "out"; print STDERR "err"; exit 7'),
      code: "exit_code",
      retryable: true,
      details: { exit_code: 7, stdout: "out", stderr: "err" },
    },
    {
      why: "an exit that looks like bubblewrap's own",
      inputs: perl('print STDERR "bwrap: no"; exit 1'),
      code: "exit_code",
      retryable: true,
      details: { exit_code: 1 },
    },
    {
      why: "a signal",
      inputs: perl("kill 9, $$; sleep 5"),
      code: "exit_code",
      retryable: true,
      details: { exit_code: 137 },
    },
    {
      why: "bytes that are not UTF-8",
      inputs: perl('print "a\\xffb"'),
      code: "output_not_text",
      retryable: false,
      details: { stdout: "a\ufffdb" },
    },
    {
      why: "U+0000, which no text may hold",
      inputs: perl('print "a\\0b"'),
      code: "output_not_text",
      retryable: false,
      details: { stdout: "a\ufffdb" },
    },
    {
      why: "more output than allowed",
      inputs: perl('print "y\\n" x 1000 while 1'),
      settings: limited({ output_bytes: 5000 }),
      code: "output_too_large",
      retryable: false,
      details: {},
    },
    {
      why: "more wall time than allowed",
      inputs: perl("sleep 60"),
      settings: limited({ wall_ms: 200 }),
      code: "timeout",
      retryable: true,
      details: {},
    },
    {
      why: "more CPU than allowed",
      inputs: perl("1 while 1"),
      settings: limited({ cpu_s: 1 }),
      code: "cpu_limit",
      retryable: false,
      details: { exit_code: 152 },
    },
    {
      why: "a larger file than allowed",
      inputs: perl('open(my $f, ">", "/tmp/big"); print $f "x" x 70000'),
      settings: limited({ file_bytes: 65_536 }),
      code: "file_limit|exit_code",
      retryable: Boolean,
      details: {},
    },
  ];
  for (const { why, inputs, settings = PERL, code, retryable, details } of ends) {
    const result = await run(adapter, inputs, { settings });
    t.match(
      result,
      {
        ok: false,
        kind: "execution_error",
        code: new RegExp(`^(${code})$`),
        retryable,
        details,
        usage: { tokens: 0, usdMicros: 0 },
      },
      why,
    );
  }
});

t.test("cuts output at the cap, and never waits for the program to agree", async (t) => {
  const result = await run(
    adapter,
    { command: ["perl", "-e", '$SIG{TERM} = "IGNORE"; print "y" x 4096 while 1'] },
    { settings: { ...PERL, limits: { output_bytes: 10_000 } } },
  );
  const details = result.ok ? {} : (result.details as JsonObject);
  t.equal(String(details["stdout"]).length, 10_000);
});

t.test("holds the token's own limits where they are narrower than the settings'", async (t) => {
  const loud = { command: ["perl", "-e", 'print "y" x 2000'] };
  t.match(await run(adapter, loud, { settings: PERL, limits: { calls: 1, bytes_out: 1000 } }), {
    code: "output_too_large",
  });
  const slow = { command: ["perl", "-e", "sleep 60"] };
  t.match(await run(adapter, slow, { settings: PERL, limits: { calls: 1, wall_ms: 100 } }), { code: "timeout" });
});

t.test("asks a program to end before it ends it", async (t) => {
  const polite = { command: ["perl", "-e", '$| = 1; $SIG{TERM} = sub { print "bye"; exit 0 }; print "on "; sleep 60'] };
  const stubborn = {
    command: ["perl", "-e", '$| = 1; $SIG{TERM} = sub { print "no " }; print "on "; sleep 60 while 1'],
  };
  for (const { inputs, stdout } of [
    { inputs: polite, stdout: "on bye" },
    { inputs: stubborn, stdout: "on no " },
  ]) {
    const abort = new AbortController();
    const running = run(adapter, inputs, {
      settings: PERL,
      signal: abort.signal,
      limits: { calls: 1, wall_ms: 10_000 },
    });
    setTimeout(() => abort.abort(), 400);
    t.match(await running, { ok: false, kind: "cancelled", code: "aborted", details: { stdout } });
  }
});

t.test("waits for a slot, in turn, and not beyond its abort", async (t) => {
  const single = await provedAdapter({}, 1);
  const holder = new AbortController();
  const held = run(single, { command: ["perl", "-e", "sleep 60"] }, { settings: PERL, signal: holder.signal });
  const impatient = new AbortController();
  const waiting = run(single, { command: ["echo"] }, { signal: impatient.signal });
  const patient = run(single, { command: ["echo", "-n", "at last"] });
  impatient.abort();
  t.match(await waiting, { ok: false, kind: "cancelled" });
  holder.abort();
  t.match(await held, { ok: false, kind: "cancelled" });
  t.match(outputOf(await patient), { stdout: "at last" });
});

t.test("says that the sandbox failed when it was not the program", async (t) => {
  const text = join(folder, "not-a-program");
  writeFileSync(text, "neither script nor binary");
  chmodSync(text, 0o644);
  const result = await run(adapter, { command: ["text"] }, { settings: settingsWith({ text: { path: text } }) });
  t.match(result, { ok: false, kind: "execution_error", code: /sandbox_failed|exit_code/ });
});

t.test("runs nothing before its self-test, and nothing at a level that was admitted but is gone", async (t) => {
  const { makeProcessAdapter } = await import("../../../src/executors/process/process-adapter.ts");
  const { adapterDeps } = await import("../call.ts");
  const untested = makeProcessAdapter({
    ...adapterDeps(),
    survey: surveyMachine,
    slots: { firstUid: 61_500, count: 1 },
    graceMs: 0,
    scratchFolder: tmpdir(),
  });
  const spec = stepSpec("process", { command: ["echo"] });
  t.match(untested.check(spec, untested.defaultSettings, { minimum: "none", weakerAllowed: true }), {
    ok: false,
    kind: "sandbox_unavailable",
  });
  t.match(await run(untested, { command: ["echo"] }), { ok: false, code: "isolation_too_weak" });
  t.match(await run(adapter, { command: ["echo"] }, { isolation: "vm" }), { ok: false, code: "isolation_too_weak" });
});
