/**
 * Records, artifacts and the audit chain.
 *
 * What holds of every port: ../ports.ts.
 */
import type { ArtifactId, RecordId } from "../../core/ids.ts";
import type { AuditPage } from "../views/audit.ts";
import type { ArtifactView, RecordView } from "../views/record.ts";
import type { Caller } from "./caller.ts";
import type { ByteContent, PageInput } from "./request.ts";

export interface Records {
  readonly get: (input: { readonly caller: Caller; readonly recordId: RecordId }) => Promise<RecordView | undefined>;
}

export interface Artifacts {
  readonly get: (input: {
    readonly caller: Caller;
    readonly artifactId: ArtifactId;
  }) => Promise<ArtifactView | undefined>;
  /** The bytes, hashed again while they are read; opened if they are sealed. */
  readonly content: (input: {
    readonly caller: Caller;
    readonly artifactId: ArtifactId;
  }) => Promise<ByteContent | undefined>;
}

export interface Audit {
  /** In the order of the chain. */
  readonly list: (input: PageInput) => Promise<AuditPage>;
}
