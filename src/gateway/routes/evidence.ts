/**
 * A run's evidence as one file: records, batches, seal, keys; it verifies offline. The route translates.
 *
 * Not here: what is in the file (evidence/).
 */
import { callerOf } from "../access.ts";
import { type Api, RunPath, runRefOf } from "../parts.ts";
import type { Runs } from "../ports/runs.ts";
import { found } from "./found.ts";
import { sendBytes } from "./send-bytes.ts";

export function evidenceRoutes(app: Api, { runs }: { readonly runs: Runs }): void {
  app.get(
    "/v1/runs/:run/evidence",
    {
      schema: {
        operationId: "getRunEvidence",
        summary: "Download a run's evidence",
        description: "A file for `stepgate verify`, once the run is sealed.",
        tags: ["runs"],
        params: RunPath,
      },
    },
    async (request, reply) => {
      const content = found(await runs.evidence({ caller: callerOf(request), run: runRefOf(request.params) }));
      return sendBytes(reply, content, `${request.params.run}.stepgate`);
    },
  );
}
