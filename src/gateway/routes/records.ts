/**
 * Signed records, each with what is needed to verify it offline. The route translates.
 *
 * Not here: making and checking records (evidence/).
 */
import Type from "typebox";
import { DIGEST_PATTERN, type RecordId } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import type { Api } from "../parts.ts";
import type { Records } from "../ports/evidence.ts";
import { RecordView } from "../views/record.ts";
import { closedObject, ref } from "../views/schema.ts";
import { found } from "./found.ts";

const RecordPath = closedObject(
  { record: Type.String({ pattern: DIGEST_PATTERN, description: "SHA-256 of the record, hex." }) },
  "One record.",
);

export function recordRoutes(app: Api, { records }: { readonly records: Records }): void {
  app.get(
    "/v1/records/:record",
    {
      schema: {
        operationId: "getRecord",
        summary: "Get a signed record",
        description: "The record, its inclusion path and the signed batch statement.",
        tags: ["evidence"],
        params: RecordPath,
        response: { 200: ref(RecordView) },
      },
    },
    async (request) =>
      found(await records.get({ caller: callerOf(request), recordId: request.params.record as RecordId })),
  );
}
