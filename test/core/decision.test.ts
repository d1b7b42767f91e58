import t from "tap";
import { dominantEffect, EFFECTS } from "../../src/core/decision.ts";

t.test("the strongest of several effects decides: deny over hold over redact over allow", async (t) => {
  t.equal(dominantEffect([]), "allow");
  for (const [strength, effect] of EFFECTS.entries())
    for (const other of EFFECTS.slice(0, strength + 1)) {
      t.equal(dominantEffect([effect, other]), effect, `${effect}, ${other}`);
      t.equal(dominantEffect([other, effect, "allow"]), effect, `${other}, ${effect}, allow`);
    }
});
