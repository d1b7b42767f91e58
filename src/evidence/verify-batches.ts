/**
 * Batches of a bundle: signature, statement, and the root that records are checked against.
 *
 * In: envelopes and trust. Out: roots by batch id, findings. Not here: the records (verify-records.ts).
 */
import type { BundledBatch } from "./bundle.ts";
import type { CheckCode, Findings } from "./checks.ts";
import type { Envelope } from "./dsse.ts";
import { leafHash, verifyInclusion } from "./merkle.ts";
import { count, instant, picks, readable, text } from "./shape.ts";
import { predicateType, readStatement, sha256Text } from "./statement.ts";
import type { Trust } from "./trust-bundle.ts";
import { verifyStatement } from "./verify-signature.ts";

/** A batch whose statement was read; only the findings say whether its signature holds. */
export interface BatchRoot {
  readonly root: Uint8Array;
  readonly size: number;
}

const batchPredicate = picks({ batch: text, instance: text, root: sha256Text, size: count, time: instant });

/** Checks all batches; without trust their signatures are left to the open `trust` check. */
export function verifyBatches(
  batches: readonly BundledBatch[],
  trust: Pick<Trust, "instanceUid" | "keys"> | undefined,
  findings: Findings,
): ReadonlyMap<string, BatchRoot> {
  const roots = new Map<string, BatchRoot>();
  for (const { batch, envelope } of batches) {
    if (trust !== undefined) checkBatchSignature(envelope, trust, batch, findings);
    const read = readBatch(Buffer.from(envelope.payload, "base64"));
    const isOurs = trust === undefined || read?.instance === trust.instanceUid;
    if (!findings.expect("batch_statement", read !== undefined && read.batch === batch && isOurs, { batch })) continue;
    if (read !== undefined) roots.set(batch, read);
  }
  return roots;
}

/** A batch statement's root and size, from the bytes that were verified; undefined when it is none. */
export function readBatch(
  payload: Uint8Array | string,
): (BatchRoot & { readonly batch: string; readonly instance: string }) | undefined {
  return readable(() => {
    const { predicate, predicateType: type, subject } = readStatement(payload);
    const { batch, instance, root, size } = batchPredicate(predicate, "/predicate");
    if (type !== predicateType("batch") || subject.length !== 1 || subject[0]?.digest.sha256 !== root) return undefined;
    return { batch, instance, root: Buffer.from(root, "hex"), size };
  });
}

/** Tells whether an id is the leaf at this place of the batch. */
export function isLeaf(id: string, index: number, path: readonly string[], { root, size }: BatchRoot): boolean {
  return verifyInclusion({
    index,
    size,
    leafHash: leafHash(Buffer.from(id, "hex")),
    path: path.map((node) => Buffer.from(node, "hex")),
    root,
  });
}

const BATCH_CODES = ["batch_key", "batch_signature", "batch_keyid"] as const satisfies readonly CheckCode[];

function checkBatchSignature(envelope: Envelope, trust: Pick<Trust, "keys">, batch: string, findings: Findings): void {
  const verdict = verifyStatement(envelope, trust, "decision");
  if (!verdict.ok) {
    findings.fail(`batch_${verdict.fault}`, { batch, reason: verdict.reason });
    return;
  }
  for (const code of BATCH_CODES) findings.expect(code, true, {});
}
