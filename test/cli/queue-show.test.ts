/** What `queue show` says of counts, and of counts that are not of all. */
import t from "tap";
import { showQueue } from "../../src/cli/commands/queue-show.ts";
import { capture } from "./captured.ts";

const QUEUE = { is_paused: false, paused_types: [], served_types: ["noop"], is_partial: false };
const COUNTS = [{ type: "noop", state: "queued", count: 5000, oldest_ready_at: "2026-01-01T00:00:00.000Z" }];

function shown(queue: Parameters<typeof showQueue>[1]): string {
  const { around, out } = capture();
  showQueue(around.terminal, queue);
  return out();
}

t.test("counts that are not of all steps are said to be of at least so many", async (t) => {
  t.match(shown({ ...QUEUE, counts: COUNTS }), /noop +queued +5000 +2026-01-01T00:00:00.000Z\s*$/);
  t.match(shown({ ...QUEUE, is_partial: true, counts: COUNTS }), /5000[\s\S]*of each line at least so many\n$/);
});

t.test("an empty queue is called so only where all of it was looked at", async (t) => {
  t.equal(shown({ ...QUEUE, counts: [] }), "nothing waits and nothing runs\n");
  t.notMatch(shown({ ...QUEUE, is_partial: true, counts: [] }), "nothing waits");
});
