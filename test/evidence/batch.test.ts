import t from "tap";
import type { BatchId, Digest, RecordId } from "../../src/core/ids.ts";
import { batchEnvelope, inclusionOf, signBatch } from "../../src/evidence/batch.ts";
import { openEnvelope, STATEMENT_PAYLOAD_TYPE } from "../../src/evidence/dsse.ts";
import { makeSigner, signingKeyOf } from "../../src/evidence/signing-key.ts";
import { readStatement } from "../../src/evidence/statement.ts";
import { isLeaf, readBatch } from "../../src/evidence/verify-batches.ts";
import { digest, INSTANCE } from "./sample-run.ts";
import { NOW_MS, seededIds } from "./seeded.ts";

const key = signingKeyOf(seededIds("batch").random(32));
const context = { batchId: "01990000-0000-7000-8000-000000000001" as BatchId, instanceUid: INSTANCE, nowMs: NOW_MS };
const idsOf = (size: number) => Array.from({ length: size }, (_, index) => digest(`record ${index}`));

t.test("a batch of any size is one signed statement under which every id stands at its place only", async (t) => {
  for (const size of [1, 2, 3, 7, 64]) {
    const ids = idsOf(size);
    const batch = signBatch(ids, makeSigner("decision", key), context);
    const opened = openEnvelope(batchEnvelope(batch), STATEMENT_PAYLOAD_TYPE, [
      { kid: key.publicJwk.kid, publicKey: key.publicKey },
    ]);
    t.match(opened, { ok: true });
    const root = readBatch(batch.statement);
    for (const [index, id] of ids.entries()) {
      const { path } = inclusionOf(batch, index);
      if (root === undefined || !isLeaf(id, index, path, root)) t.fail(`leaf ${index} of ${size}`);
      if (root !== undefined && isLeaf(digest("stranger"), index, path, root))
        t.fail(`a stranger at ${index} of ${size}`);
    }
    t.match(batch, { size, kid: key.publicJwk.kid });
    t.equal(batch.leaves.length, size * 32);
  }
});

t.test("a batch statement names its root, size, instance and time", async (t) => {
  const { statement } = signBatch(idsOf(3), makeSigner("decision", key), context);
  const { subject, predicate, predicateType } = readStatement(statement);
  t.equal(predicateType, "https://stepgate.dev/batch/v1");
  t.match(predicate, { batch: context.batchId, instance: INSTANCE, size: 3, time: "2026-11-21T12:00:00.000Z" });
  t.equal(subject[0]?.digest.sha256, predicate["root"]);
  t.ok(readBatch(statement), "the control");
  t.equal(
    readBatch(statement.replace(/"sha256":"[^"]+"/, `"sha256":"${digest("other")}"`)),
    undefined,
    "another subject",
  );
  t.equal(readBatch(statement.replace("batch/v1", "seal/v1")), undefined, "another type");
});

t.test("refuses to sign nothing, or what is not a SHA-256", async (t) => {
  const refusals: readonly (readonly string[])[] = [
    [],
    ["ab"],
    [digest("a").toUpperCase()],
    [`${digest("a")}00`],
    ["g".repeat(64)],
  ];
  for (const ids of refusals) {
    t.throws(() => signBatch(ids as readonly RecordId[], makeSigner("decision", key), context), { code: "INTERNAL" });
  }
  const batch = signBatch([digest("a") as Digest], makeSigner("decision", key), context);
  for (const index of [1, -1, 0.5]) t.throws(() => inclusionOf(batch, index), { code: "INTERNAL" });
});
