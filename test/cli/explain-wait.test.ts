import t from "tap";
import { showWaits } from "../../src/cli/explain-wait.ts";
import { commandFor, type TargetOptions } from "../../src/cli/target-options.ts";
import type { WaitView } from "../../src/cli/wire.ts";
import { WAIT_REASONS } from "../../src/scheduler/wait-reasons.ts";
import { capture } from "./captured.ts";

const RUN = "0199aaaa-0000-7000-8000-000000000001";

function shown(waits: WaitView["waits"], target: TargetOptions = {}): readonly string[] {
  const seen = capture();
  showWaits(seen.around.terminal, { status: "queued", waits }, { run: RUN, type: "http", command: commandFor(target) });
  return seen.out().trimEnd().split("\n");
}

t.test("each reason is told in words, with what to type next where something can be done", async (t) => {
  const nothingToDo = ["compensation", "not_before", "waiting", "alone"];
  for (const reason of WAIT_REASONS) {
    const [text, next] = shown([{ reason, steps: ["a"], of: "crm", until: "2026-01-02T03:04:05.000Z", count: 2 }]);
    t.match(text, /^ {2}waits {5}\S+ \S+/, reason);
    t.not(text?.trim(), `waits     ${reason}`, `${reason} has words of its own`);
    if (nothingToDo.includes(reason)) t.equal(next, undefined, reason);
    else t.match(next, /^ {2}next {6}npx stepgate \S+ [^<>]+$/, `${reason}: a command that can be pasted`);
  }
  t.same(shown([{ reason: "gravity" }]), ["  waits     gravity"], "what a newer gateway knows");
});

t.test("commands act on the run, the type and the tenant that were asked about", async (t) => {
  const waits = [{ reason: "run_paused" }, { reason: "tenant_paused" }, { reason: "type_paused" }];
  const target = { tenant: "acme", keyFile: "my keys/it's mine", url: "https://gate.example:8181" };
  const same = "--url https://gate.example:8181 --key-file 'my keys/it'\\''s mine' --tenant acme";
  t.same(shown(waits, target), [
    "  waits     the run is paused",
    "  waits     the tenant is paused",
    "  waits     steps of type http are paused",
    `  next      npx stepgate run resume ${RUN} ${same}`,
    `  next      npx stepgate queue resume ${same}`,
    `  next      npx stepgate queue resume http ${same}`,
  ]);
});

t.test("of a step that runs it is told since when, and who has it", async (t) => {
  const seen = capture();
  const view = { status: "running", worker: "worker-7", started_at: "2026-01-02T03:04:05.000Z", waits: [] };
  showWaits(seen.around.terminal, view, { run: RUN, type: "http", command: commandFor({}) });
  t.equal(seen.out(), "  runs      since 2026-01-02T03:04:05.000Z, in the hands of worker-7\n");
});

t.test("that a step would be the next is told only where nothing else stands against it", async (t) => {
  t.match(shown([{ reason: "rank", count: 0 }]), [
    /it is the next of its tenant/,
    "  next      npx stepgate queue show",
  ]);
  t.same(shown([{ reason: "tenant_paused" }, { reason: "rank", count: 0 }]), [
    "  waits     the tenant is paused",
    "  next      npx stepgate queue resume",
  ]);
  t.match(
    shown([
      { reason: "quota", of: "daily" },
      { reason: "rank", count: 1 },
    ]),
    ["  waits     the quota daily leaves no room for it", "  waits     1 step of the tenant goes first"],
  );
});
