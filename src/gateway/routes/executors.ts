/**
 * Executors: which step types are served, and the tenant's settings of each. The routes translate.
 *
 * Not here: the schema of settings, which the adapter owns (executors/).
 */
import Type from "typebox";
import { STEP_TYPE_PATTERN } from "../../runs/step-submission.ts";
import { callerOf } from "../access.ts";
import { type Api, WriteHeaders } from "../parts.ts";
import type { Executors } from "../ports/settings.ts";
import { closedObject, ref } from "../views/schema.ts";
import { ExecutorPage, ExecutorSettings, ExecutorView } from "../views/tool.ts";
import { found } from "./found.ts";

const ExecutorPath = closedObject(
  { type: Type.String({ pattern: STEP_TYPE_PATTERN, description: "The step type." }) },
  "One executor.",
);

export function executorRoutes(app: Api, { executors }: { readonly executors: Executors }): void {
  app.get(
    "/v1/executors",
    {
      schema: {
        operationId: "listExecutors",
        summary: "List executors",
        tags: ["tools"],
        response: { 200: ref(ExecutorPage) },
      },
    },
    async (request) => executors.list({ caller: callerOf(request) }),
  );
  app.get(
    "/v1/executors/:type",
    {
      schema: {
        operationId: "getExecutor",
        summary: "Look at an executor and its settings",
        tags: ["tools"],
        params: ExecutorPath,
        response: { 200: ref(ExecutorView) },
      },
    },
    async (request) => found(await executors.get({ caller: callerOf(request), type: request.params.type })),
  );
  app.put(
    "/v1/executors/:type",
    {
      schema: {
        operationId: "putExecutor",
        summary: "Replace the tenant's settings of an executor",
        description: "The body is the settings; `settings_schema` of the executor says what they may be.",
        tags: ["tools"],
        params: ExecutorPath,
        headers: WriteHeaders,
        body: ref(ExecutorSettings),
        response: { 200: ref(ExecutorView) },
      },
    },
    async (request) =>
      found(await executors.put({ caller: callerOf(request), type: request.params.type, settings: request.body })),
  );
}
