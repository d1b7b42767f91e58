/**
 * Artifacts: what is known of one, and its bytes as a download. The routes translate.
 *
 * Not here: storing and sealing (evidence/, storage/).
 */
import Type from "typebox";
import { type ArtifactId, DIGEST_PATTERN } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import type { Api } from "../parts.ts";
import type { Artifacts } from "../ports/evidence.ts";
import { ArtifactView } from "../views/record.ts";
import { closedObject, ref } from "../views/schema.ts";
import { found } from "./found.ts";
import { sendBytes } from "./send-bytes.ts";

const ArtifactPath = closedObject(
  { artifact: Type.String({ pattern: DIGEST_PATTERN, description: "SHA-256 of the stored bytes, hex." }) },
  "One artifact.",
);

export function artifactRoutes(app: Api, { artifacts }: { readonly artifacts: Artifacts }): void {
  app.get(
    "/v1/artifacts/:artifact",
    {
      schema: {
        operationId: "getArtifact",
        summary: "Look at an artifact",
        tags: ["evidence"],
        params: ArtifactPath,
        response: { 200: ref(ArtifactView) },
      },
    },
    async (request) =>
      found(await artifacts.get({ caller: callerOf(request), artifactId: request.params.artifact as ArtifactId })),
  );
  app.get(
    "/v1/artifacts/:artifact/content",
    {
      schema: {
        operationId: "getArtifactContent",
        summary: "Download an artifact's bytes",
        tags: ["evidence"],
        params: ArtifactPath,
      },
    },
    async (request, reply) => {
      const artifactId = request.params.artifact as ArtifactId;
      const content = found(await artifacts.content({ caller: callerOf(request), artifactId }));
      return sendBytes(reply, content, artifactId);
    },
  );
}
