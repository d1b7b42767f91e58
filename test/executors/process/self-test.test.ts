/** The self-test: which level it gives on a machine with less, and that a probe which sees nothing proves nothing. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import t from "tap";
import { type Machine, surveyMachine } from "../../../src/executors/process/machine.ts";
import { proveIsolation } from "../../../src/executors/process/self-test.ts";
import { makeSlotPool } from "../../../src/executors/process/slots.ts";

const here = surveyMachine();
const slots = makeSlotPool({ firstUid: here.isRoot ? 61_600 : undefined, count: 4 });
const prove = (change: Partial<Machine> = {}) =>
  proveIsolation({ machine: { ...here, ...change }, slots, scratchFolder: tmpdir() });

const folder = mkdtempSync(join(tmpdir(), "stepgate-fake-"));
chmodSync(folder, 0o755);
t.teardown(() => rmSync(folder, { recursive: true, force: true }));

/** A program that stands in for one of the machine's own. */
function fake(name: string, script: string): string {
  const path = join(folder, name);
  writeFileSync(path, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  chmodSync(path, 0o755);
  return path;
}

t.test("gives the strongest level here, with every wall and every control seen", async (t) => {
  const { report } = await prove();
  t.equal(report.level, here.isRoot ? "namespaces+seccomp+uid" : "namespaces");
  t.same(
    report.checks.filter(({ held }) => !held),
    [],
  );
  t.equal(report.checks.filter(({ name }) => name.includes("control:")).length, 3);
  t.equal(report.advice === undefined, here.isRoot);
});

t.test("gives less on a machine that has less, and says what to do", async (t) => {
  const machines = [
    {
      why: "no bubblewrap",
      change: { bubblewrap: undefined },
      level: "process",
      advice: /apt-get install -y bubblewrap/,
    },
    {
      why: "an unknown machine has no filter",
      change: { filter: undefined, arch: "riscv64" },
      level: "namespaces",
      advice: /root|riscv64/,
    },
    { why: "no rlimits", change: { prlimit: undefined }, level: "none", advice: /util-linux/ },
    { why: "nothing to probe with", change: { perl: undefined }, level: "none", advice: /perl/ },
    {
      why: "no namespaces",
      change: { bubblewrap: fake("bwrap-denied", "echo 'bwrap: No permissions to create new namespace' >&2; exit 1") },
      level: "process",
      advice: /allow user namespaces/,
    },
  ] as const;
  for (const { why, change, level, advice } of machines) {
    const { report } = await prove(change);
    t.match(report, { level, advice }, why);
  }
});

t.test("E5 gives no level when a wall is open", async (t) => {
  const open = fake(
    "bwrap-open",
    `for a; do shift; [ "$a" = "--unshare-all" ] && set -- "$@" --unshare-all --share-net || set -- "$@" "$a"; done; exec ${here.bubblewrap} "$@"`,
  );
  const { report } = await prove({ bubblewrap: open });
  t.equal(report.level, "process");
  t.match(
    report.checks.find(({ name }) => name.endsWith("TCP to the host")),
    { held: false, detail: "tcp: yes" },
  );
});

t.test("E5 gives no level when the probe would not see an attack", async (t) => {
  const blind = `#!/usr/bin/perl\nprint "descriptors=\\nenvironment=HOME,LANG,PATH,PWD\\nuid=65534,65534\\ncanary=no\\ntcp=no\\nunix_path=no\\nunix_abstract=no\\nwritable=\\npids=2\\npid=2\\nno_new_privs=1\\ncapabilities=0\\nprocesses=17\\nptrace=no\\nEND\\n"`;
  const path = join(folder, "blind-probe");
  writeFileSync(path, blind, { mode: 0o755 });
  const { report } = await prove({ perl: path });
  t.equal(report.level, "none", "the walls look closed, but the controls were not reached either");
  const missed = report.checks.filter(({ held }) => !held).map(({ name }) => name.replace(/^[^:]+: /, ""));
  t.ok(missed.includes("control: shared network") && missed.includes("control: canary's folder bound"));
});

t.test("E5 gives no level when the probe does not come to its end", async (t) => {
  const { report } = await prove({ perl: fake("mute-probe", "echo canary=no") });
  t.equal(report.level, "none");
  t.match(report.checks[0]?.detail, /the probe did not end/);
});

t.test("refuses the uid of the service itself as a program's uid", async (t) => {
  const samePool = makeSlotPool({ firstUid: undefined, count: 4 });
  const { report } = await proveIsolation({
    machine: { ...here, isRoot: true },
    slots: samePool,
    scratchFolder: tmpdir(),
  });
  t.equal(report.level, "none");
});

t.test("fails with a code where nothing can be planted", async (t) => {
  const nowhere = proveIsolation({ machine: here, slots, scratchFolder: join(folder, "nowhere") });
  await t.rejects(nowhere, { code: "SANDBOX_UNAVAILABLE" });
});
