/**
 * Breakpoints of a live run: list, set, remove. The routes translate; pausing is the gate's.
 *
 * Not here: breakpoints given with a submission (runs/submission.ts).
 */
import Type from "typebox";
import { NAME_PATTERN } from "../../core/ids.ts";
import { callerOf } from "../access.ts";
import { type Api, RunPath, runRefOf, WriteHeaders } from "../parts.ts";
import type { Runs } from "../ports/runs.ts";
import { BREAKPOINT_TARGETS, BreakpointList, BreakpointView } from "../views/run.ts";
import { closedObject, oneOf, ref } from "../views/schema.ts";
import { found } from "./found.ts";

const BreakpointPath = closedObject(
  {
    ...RunPath.properties,
    target: oneOf(BREAKPOINT_TARGETS, "What `value` names."),
    value: Type.String({ pattern: NAME_PATTERN, description: "A step id, a slug or a step type." }),
  },
  "One breakpoint.",
);

export function breakpointRoutes(app: Api, { runs }: { readonly runs: Runs }): void {
  const response = { 200: ref(BreakpointList) };
  app.get(
    "/v1/runs/:run/breakpoints",
    {
      schema: {
        operationId: "listBreakpoints",
        summary: "List a run's breakpoints",
        tags: ["debugging"],
        params: RunPath,
        response,
      },
    },
    async (request) => ({
      items: found(await runs.breakpoints({ caller: callerOf(request), run: runRefOf(request.params) })),
    }),
  );
  app.post(
    "/v1/runs/:run/breakpoints",
    {
      schema: {
        operationId: "setBreakpoint",
        summary: "Set a breakpoint",
        tags: ["debugging"],
        params: RunPath,
        headers: WriteHeaders,
        body: BreakpointView,
        response,
      },
    },
    async (request) => {
      const run = { caller: callerOf(request), run: runRefOf(request.params) };
      return { items: found(await runs.setBreakpoint({ ...run, breakpoint: request.body })) };
    },
  );
  app.delete(
    "/v1/runs/:run/breakpoints/:target/:value",
    {
      schema: {
        operationId: "removeBreakpoint",
        summary: "Remove a breakpoint",
        tags: ["debugging"],
        params: BreakpointPath,
        headers: WriteHeaders,
        response,
      },
    },
    async (request) => {
      const { target, value } = request.params;
      const run = { caller: callerOf(request), run: runRefOf(request.params) };
      return { items: found(await runs.removeBreakpoint({ ...run, breakpoint: { target, value } })) };
    },
  );
}
