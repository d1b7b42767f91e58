import fc from "fast-check";
import t from "tap";
import type { StepId } from "../../src/core/ids.ts";
import { topologicalOrder } from "../../src/runs/topological-order.ts";

const order = (ids: string, edges: readonly string[]) =>
  topologicalOrder(
    [...ids] as StepId[],
    edges.map((edge) => [edge[0] as StepId, edge[1] as StepId] as const),
  );

t.test("ready roots go in order of declaration, then first in, first out", async (t) => {
  t.same(order("dcba", []), { ok: true, order: ["d", "c", "b", "a"] });
  t.same(order("abcde", ["be", "ad", "dc"]), { ok: true, order: ["a", "b", "d", "e", "c"] });
  t.same(order("abcd", ["ad", "bd", "cd"]), { ok: true, order: ["a", "b", "c", "d"] });
});

t.test("a circle is named step by step, from the first declared of its steps, without what hangs on it", async (t) => {
  t.same(order("a", ["aa"]), { ok: false, cycle: ["a"] });
  t.same(order("xabcy", ["xa", "cy", "ca", "ab", "bc"]), { ok: false, cycle: ["a", "b", "c"] });
  t.same(order("cba", ["ab", "bc", "ca"]), { ok: false, cycle: ["c", "a", "b"] });
});

t.test("property: an order respects every edge, a circle consists of edges", async (t) => {
  const ids = Array.from({ length: 12 }, (_, index) => `s${index}` as StepId);
  const edge = fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...ids));
  fc.assert(
    fc.property(fc.uniqueArray(edge, { maxLength: 20, selector: (pair) => pair.join(" ") }), (edges) => {
      const ordering = topologicalOrder(ids, edges);
      if (ordering.ok) {
        const place = new Map(ordering.order.map((id, index) => [id, index]));
        return (
          ordering.order.length === ids.length && edges.every(([a, b]) => (place.get(a) ?? 0) < (place.get(b) ?? 0))
        );
      }
      const { cycle } = ordering;
      return cycle.every((id, index) => {
        const next = cycle[(index + 1) % cycle.length];
        return edges.some(([a, b]) => a === id && b === next);
      });
    }),
    { numRuns: 500 },
  );
  t.pass("500 graphs");
});
