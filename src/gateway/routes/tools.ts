/**
 * Tools: a tenant's registered definitions, by name and version. The routes translate.
 *
 * Not here: what a definition means for a step (executors/, gate/).
 */
import Type from "typebox";
import { NAME_PATTERN } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { type Api, PageQuery, readPage, WriteHeaders } from "../parts.ts";
import type { Tools } from "../ports/settings.ts";
import { closedObject, ref } from "../views/schema.ts";
import { ToolPage, ToolSubmission, ToolView } from "../views/tool.ts";
import { found } from "./found.ts";

const ToolPath = closedObject(
  { tool: Type.String({ pattern: NAME_PATTERN, description: "The tool's name." }) },
  "One tool.",
);
const VersionQuery = closedObject(
  {
    version: Type.Optional(
      Type.String({ pattern: "^[1-9][0-9]{0,8}$", description: "Which version. Default: the newest." }),
    ),
  },
  "Which version.",
);

export function toolRoutes(app: Api, { tools }: { readonly tools: Tools }): void {
  app.get(
    "/v1/tools",
    {
      schema: {
        operationId: "listTools",
        summary: "List tools",
        description: "One whose stored form cannot be read is left out; asked for by name it is refused.",
        tags: ["tools"],
        querystring: PageQuery,
        response: { 200: ref(ToolPage) },
      },
    },
    async (request) => tools.list({ caller: callerOf(request), ...readPage(request.query) }),
  );
  app.get(
    "/v1/tools/:tool",
    {
      schema: {
        operationId: "getTool",
        summary: "Look at a tool",
        tags: ["tools"],
        params: ToolPath,
        querystring: VersionQuery,
        response: { 200: ref(ToolView) },
      },
    },
    async (request) => {
      const version = request.query.version === undefined ? undefined : Number(request.query.version);
      return found(await tools.get({ caller: callerOf(request), name: request.params.tool, version }));
    },
  );
  app.put(
    "/v1/tools/:tool",
    {
      schema: {
        operationId: "putTool",
        summary: "Add a version of a tool",
        description: "The same definition again changes nothing; an old version is never edited.",
        tags: ["tools"],
        params: ToolPath,
        headers: WriteHeaders,
        body: ref(ToolSubmission),
        response: { 200: ref(ToolView), 201: ref(ToolView) },
      },
    },
    async (request, reply) => {
      const { tool, isNew } = await tools.put({
        caller: callerOf(request),
        name: request.params.tool,
        submission: request.body,
      });
      return reply.code(isNew ? 201 : 200).send(tool);
    },
  );
}
