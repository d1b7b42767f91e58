/** The sandbox of a service that is not root: what it is said to be, and that a step which asks for more does not run. */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import t from "tap";
import { stepSpec } from "../executors/call.ts";
import { provedAdapter, run, settingsWith } from "../executors/process/sandbox.ts";
import { ATTACKS } from "./sandbox-attacks.ts";
import { LEAST_CONTROLS, openRange } from "./sandbox-range.ts";

const { folder, throughAdapter, throughNothing } = await openRange(t);
const adapter = await provedAdapter();
const level = adapter.describe().isolation;
const ECHO = { command: ["echo", "it ran"] };
const programs = { echo: { path: "/usr/bin/echo" } };

t.test("the control: this service has no uid but its own to give", async (t) => {
  t.not(process.geteuid?.(), 0);
  t.match(spawnSync("/usr/bin/true", { uid: 61_500 }).error, { code: "EPERM" });
});

t.test(
  "what the self-test says is what holds: every attack is refused by namespaces, or no program runs",
  async (t) => {
    const { checks } = await adapter.selfTest();
    const own = Array(4).fill(process.geteuid?.()).join(",");
    if (level === "namespaces") {
      t.match(
        checks.find(({ name }) => name.endsWith("uid on the host")),
        { held: true, detail: own },
        "a program has the service's own uid, and it is not said to have another",
      );
      for (const attack of ATTACKS) t.equal(await throughAdapter(adapter, attack), false, attack.name);
      let works = 0;
      for (const attack of ATTACKS) works += Number(await throughNothing(attack));
      t.ok(works >= LEAST_CONTROLS, `the control: ${works} of ${ATTACKS.length} attacks work without walls`);
    } else {
      t.match(
        checks.find(({ held }) => !held),
        { detail: /namespace|uid map|permitted|ENOSPC/i },
      );
      t.match(await run(adapter, ECHO, { isolation: "namespaces" }), { ok: false, code: "isolation_too_weak" });
    }
  },
);

/** A machine whose kernel lets nobody but root make namespaces: bubblewrap says so and ends. */
function withoutNamespaces(): string {
  const path = join(folder, "bwrap");
  const refusal = "bwrap: No permissions to create new namespace, likely because the kernel does not allow it";
  writeFileSync(path, `#!/bin/sh\necho '${refusal}' >&2; exit 1\n`, { mode: 0o755 });
  return path;
}

t.test(
  "a step that asks for a level this service was not proved to give is refused, before and after admission",
  async (t) => {
    const weaker = await provedAdapter({ bubblewrap: withoutNamespaces() });
    t.equal(weaker.describe().isolation, "process", "without namespaces nothing is said to be one");
    const unproved = await provedAdapter({ prlimit: undefined });
    t.equal(unproved.describe().isolation, "none");
    const cases = [
      { why: "a uid of its own", by: adapter, settings: { programs, min_isolation: "namespaces+seccomp+uid" } },
      { why: "the floor of settings that name none", by: weaker, settings: { programs } },
      { why: "namespaces", by: weaker, settings: { programs, min_isolation: "namespaces" } },
      { why: "anything, where nothing is proved", by: unproved, settings: { programs, min_isolation: "process" } },
    ];
    for (const { why, by, settings } of cases) {
      const check = by.check(stepSpec("process", ECHO), settings, { minimum: "none", weakerAllowed: false });
      t.match(check, { ok: false, kind: "sandbox_unavailable", reasons: ["isolation_too_weak"] }, why);
    }
    for (const by of [adapter, weaker, unproved]) {
      const refused = await run(by, ECHO, { settings: settingsWith(programs), isolation: "namespaces+seccomp+uid" });
      t.match(refused, { ok: false, code: "isolation_too_weak" }, by.describe().isolation);
    }
    const result = await run(weaker, ECHO, { settings: settingsWith(programs) });
    t.match(
      result,
      { ok: true, output: { stdout: "it ran\n" } },
      "the control: where the weaker level is enough, it runs",
    );
  },
);
