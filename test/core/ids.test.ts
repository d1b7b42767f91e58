import fc from "fast-check";
import t from "tap";
import { DIGEST_PATTERN, makeIds, NAME_PATTERN, UUID_PATTERN, uuidV5 } from "../../src/core/ids.ts";

const NOW_MS = 1_763_712_000_123;

const idsAt = (...times: readonly number[]) => {
  let call = 0;
  return makeIds({ nowMs: () => times[Math.min(call++, times.length - 1)] ?? NOW_MS, monotonicMs: () => 0 });
};

t.test("a uuid is version 7 and carries the clock's milliseconds", async (t) => {
  const uuid = idsAt(NOW_MS).uuid();
  t.match(uuid, new RegExp(UUID_PATTERN));
  t.equal(Number.parseInt(uuid.replace("-", "").slice(0, 12), 16), NOW_MS);
  t.equal(uuid[14], "7", "the version (RFC 9562 §4.2)");
  t.match(uuid[19], /[89ab]/, "the variant (RFC 9562 §4.1)");
});

t.test(
  "uuids grow within a millisecond, over more of them than the counter holds, and when the clock goes back",
  async (t) => {
    const ids = idsAt(NOW_MS, ...Array.from({ length: 9000 }, (_, call) => NOW_MS - (call % 3)));
    const made = Array.from({ length: 10_000 }, () => ids.uuid());
    t.strictSame(made, [...made].sort(), "the order of making is the order of the text");
    t.equal(new Set(made).size, made.length, "none twice");
  },
);

t.test("uuids of any clock are distinct and ordered", async () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 2, maxLength: 50 }), (offsets) => {
      const ids = idsAt(...offsets.map((offset) => NOW_MS + offset));
      const made = offsets.map(() => ids.uuid());
      return made.every((uuid, index) => index === 0 || uuid > (made[index - 1] ?? ""));
    }),
    { numRuns: 200 },
  );
});

t.test("random gives as many bytes as asked, never the same twice", async (t) => {
  const ids = idsAt(NOW_MS);
  t.equal(ids.random(32).length, 32);
  t.notSame(ids.random(32), ids.random(32));
});

t.test("a uuid of a name is version 5, the same for ever", async (t) => {
  // RFC 9562 appendix A.4: namespace DNS, www.example.com
  t.equal(uuidV5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  t.not(uuidV5("6ba7b811-9dad-11d1-80b4-00c04fd430c8", "www.example.com"), "2ed6657d-e927-568b-95e1-2665a8aea6a2");
});

t.test("the patterns accept a whole name and nothing around it", async (t) => {
  const rows: readonly (readonly [pattern: string, text: string, accepted: boolean])[] = [
    [NAME_PATTERN, "a", true],
    [NAME_PATTERN, "Fetch.ticket_1-b", true],
    [NAME_PATTERN, "a".repeat(128), true],
    [NAME_PATTERN, "a".repeat(129), false],
    [NAME_PATTERN, "", false],
    [NAME_PATTERN, ".a", false],
    [NAME_PATTERN, "a b", false],
    [NAME_PATTERN, "a\n", false],
    [NAME_PATTERN, "a/b", false],
    [NAME_PATTERN, "é", false],
    [UUID_PATTERN, "2ed6657d-e927-568b-95e1-2665a8aea6a2", true],
    [UUID_PATTERN, "2ED6657D-e927-568b-95e1-2665a8aea6a2", false],
    [UUID_PATTERN, "2ed6657d-e927-568b-95e1-2665a8aea6a2\n", false],
    [DIGEST_PATTERN, "a".repeat(64), true],
    [DIGEST_PATTERN, "A".repeat(64), false],
    [DIGEST_PATTERN, "a".repeat(63), false],
  ];
  for (const [pattern, text, accepted] of rows)
    t.equal(new RegExp(pattern).test(text), accepted, `${text} ${accepted}`);
});
