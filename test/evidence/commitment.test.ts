import { createHash } from "node:crypto";
import t from "tap";
import { commit, commitmentOf, isCommittedTo } from "../../src/evidence/commitment.ts";
import { seededIds } from "./seeded.ts";

t.test("a commitment is SHA-256 of 32 random bytes and the canonical form", async (t) => {
  const { commitment, nonce } = commit('{"card":"4111"}', seededIds("commitment").random);
  t.equal(nonce.length, 32);
  t.equal(commitment, createHash("sha256").update(nonce).update('{"card":"4111"}').digest("hex"));
  t.equal(isCommittedTo(commitment, '{"card":"4111"}', nonce), true);
});

t.test("the same payload commits differently each time", async (t) => {
  const { random } = seededIds("twice");
  t.not(commit("1", random).commitment, commit("1", random).commitment);
});

t.test("another text, nonce or border between them does not open a commitment", async (t) => {
  const { commitment, nonce } = commit("ab", seededIds("open").random);
  t.equal(isCommittedTo(commitment, "ac", nonce), false);
  t.equal(isCommittedTo(commitment, "ab", Buffer.alloc(32)), false);
  const moved = Buffer.concat([nonce, Buffer.from("a")]);
  t.equal(commitmentOf("b", moved), commitment, "the bytes are the same");
  t.equal(isCommittedTo(commitment, "b", moved), false, "the nonce's length is not");
});
