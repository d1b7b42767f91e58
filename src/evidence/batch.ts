/**
 * Batches: one signature for all records of one transaction (spec 00, records; performance.md rule 1).
 *
 * In: record ids (or metadata digests of artifacts) and a signer. Out: a Merkle tree (RFC 6962) over their 32 bytes each,
 * and one DSSE-signed statement over its root; a path per leaf. Not here: storing either in that same transaction.
 */

import { StepgateError } from "../core/errors.ts";
import type { ArtifactId, BatchId, Digest, RecordId } from "../core/ids.ts";
import { DIGEST_PATTERN } from "../core/ids.ts";
import type { Signer } from "../core/keys.ts";
import { type Envelope, makeEnvelope, preAuthEncoding, STATEMENT_PAYLOAD_TYPE } from "./dsse.ts";
import { inclusionPath, leafHash, merkleLevels, merkleRoot } from "./merkle.ts";
import { predicateType, statementText, timeText } from "./statement.ts";

const LEAF_BYTES = 32;
const DIGEST = new RegExp(DIGEST_PATTERN);

/** A signed batch, in the form of its row. */
export interface Batch {
  readonly batchId: BatchId;
  readonly kid: string;
  /** Canonical text of the batch statement; its UTF-8 bytes are what was signed, in DSSE's encoding. */
  readonly statement: string;
  readonly signature: Uint8Array;
  readonly size: number;
  /** The leaves' 32 bytes each, in order. */
  readonly leaves: Uint8Array;
}

/** Signs the ids that one transaction writes under one key; the batch is stored in that same transaction. */
export type SignBatch = (purpose: "decision" | "artifact", ids: readonly (RecordId | Digest)[]) => Batch;

/** Where a leaf stands in its batch, and the hashes that lead to the root, lowest first, lower-case hex. */
export interface Inclusion {
  readonly index: number;
  readonly path: readonly Digest[];
}

export interface BatchContext {
  readonly batchId: BatchId;
  /** The instance uid of instance_check. */
  readonly instanceUid: string;
  readonly nowMs: number;
}

/**
 * Signs 1 … n ids with one synchronous signature.
 *
 * @throws {StepgateError} INTERNAL for no ids or one that is not a lower-case hex SHA-256; SIGNER_UNAVAILABLE.
 */
export function signBatch(
  ids: readonly (RecordId | ArtifactId | Digest)[],
  signer: Signer,
  { batchId, instanceUid, nowMs }: BatchContext,
): Batch {
  const leaves = packLeaves(ids);
  const root = Buffer.from(merkleRoot(leafHashes(leaves))).toString("hex");
  const statement = statementText(predicateType("batch"), [{ name: `urn:stepgate:batch:${batchId}`, sha256: root }], {
    batch: batchId,
    instance: instanceUid,
    root,
    size: ids.length,
    time: timeText(nowMs),
  });
  const signature = signer.sign(preAuthEncoding(STATEMENT_PAYLOAD_TYPE, Buffer.from(statement)));
  return { batchId, kid: signer.kid, statement, signature, size: ids.length, leaves };
}

/** Paths of a batch's leaves; the tree is built once. @throws {StepgateError} INTERNAL when there is no such leaf. */
export function inclusionsOf(batch: Pick<Batch, "leaves">): (index: number) => Inclusion {
  const levels = merkleLevels(leafHashes(batch.leaves));
  return (index) => {
    if (levels[0]?.[index] === undefined) throw new StepgateError("INTERNAL", { reason: "no such leaf", index });
    const path = inclusionPath(levels, index).map((node) => Buffer.from(node).toString("hex") as Digest);
    return { index, path };
  };
}

/** The path of one leaf. @throws {StepgateError} INTERNAL when there is no such leaf. */
export function inclusionOf(batch: Pick<Batch, "leaves">, index: number): Inclusion {
  return inclusionsOf(batch)(index);
}

/** The batch as any DSSE reader takes it. */
export function batchEnvelope(batch: Pick<Batch, "statement" | "signature" | "kid">): Envelope {
  return makeEnvelope(STATEMENT_PAYLOAD_TYPE, Buffer.from(batch.statement), batch.kid, batch.signature);
}

function packLeaves(ids: readonly string[]): Uint8Array {
  // Buffer.from(…, "hex") would cut a malformed id short and sign something else
  if (ids.length === 0 || !ids.every((id) => DIGEST.test(id))) {
    throw new StepgateError("INTERNAL", { reason: "a batch signs SHA-256 ids, at least one", size: ids.length });
  }
  return Buffer.from(ids.join(""), "hex");
}

function leafHashes(leaves: Uint8Array): readonly Uint8Array[] {
  const hashes: Uint8Array[] = [];
  for (let at = 0; at < leaves.length; at += LEAF_BYTES) hashes.push(leafHash(leaves.subarray(at, at + LEAF_BYTES)));
  return hashes;
}
