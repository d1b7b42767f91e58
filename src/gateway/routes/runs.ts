/**
 * Runs: submit, list, look at, cancel, resume. The routes translate; the runs use cases decide.
 *
 * Not here: events (events.ts), evidence (evidence.ts), breakpoints (breakpoints.ts).
 */
import Type from "typebox";
import { RUN_STATES } from "../../core/state.ts";
import { callerOf } from "../access.ts";
import { readIdempotencyKey } from "../idempotency.ts";
import { type Api, pageFields, RunPath, readPage, runRefOf, WriteHeaders } from "../parts.ts";
import type { Runs } from "../ports/runs.ts";
import { CancelView, RunPage, RunView } from "../views/run.ts";
import { closedObject, oneOf, ref } from "../views/schema.ts";
import { RunSubmissionBody } from "../views/submissions.ts";
import { found } from "./found.ts";

export interface RunRouteDeps {
  readonly runs: Runs;
  readonly maxRunBodyBytes: number;
}

export function runRoutes(app: Api, deps: RunRouteDeps): void {
  submit(app, deps);
  read(app, deps.runs);
  cancel(app, deps.runs);
  pause(app, deps.runs);
  resume(app, deps.runs);
}

function submit(app: Api, { runs, maxRunBodyBytes }: RunRouteDeps): void {
  app.post(
    "/v1/runs",
    {
      bodyLimit: maxRunBodyBytes,
      config: { idempotency: "run" },
      schema: {
        operationId: "submitRun",
        summary: "Submit a run",
        description:
          "201 for a new run; 200 with the existing one for the same run id or Idempotency-Key and the same input.",
        tags: ["runs"],
        headers: WriteHeaders,
        body: RunSubmissionBody,
        response: { 200: ref(RunView), 201: ref(RunView) },
      },
    },
    async (request, reply) => {
      const { run, isNew } = await runs.submit({
        caller: callerOf(request),
        submission: request.body,
        idempotencyKey: readIdempotencyKey(request),
        trace: request.span,
      });
      return reply
        .header("location", `/v1/runs/${run.run_uid}`)
        .code(isNew ? 201 : 200)
        .send(run);
    },
  );
}

const RunQuery = closedObject(
  { ...pageFields, status: Type.Optional(oneOf(RUN_STATES, "Only runs in this state.")) },
  "Which runs.",
);

function read(app: Api, runs: Runs): void {
  app.get(
    "/v1/runs",
    {
      schema: {
        operationId: "listRuns",
        summary: "List runs, newest first",
        tags: ["runs"],
        querystring: RunQuery,
        response: { 200: ref(RunPage) },
      },
    },
    async (request) =>
      runs.list({ caller: callerOf(request), ...readPage(request.query), status: request.query.status }),
  );
  app.get(
    "/v1/runs/:run",
    {
      schema: {
        operationId: "getRun",
        summary: "Look at a run",
        tags: ["runs"],
        params: RunPath,
        response: { 200: ref(RunView) },
      },
    },
    async (request) => found(await runs.get({ caller: callerOf(request), run: runRefOf(request.params) })),
  );
}

function cancel(app: Api, runs: Runs): void {
  app.post(
    "/v1/runs/:run/cancel",
    {
      schema: {
        operationId: "cancelRun",
        summary: "Cancel a run",
        description: "202 when a cancellation has begun or is under way, 200 when there was nothing left to cancel.",
        tags: ["runs"],
        params: RunPath,
        headers: WriteHeaders,
        response: { 200: ref(CancelView), 202: ref(CancelView) },
      },
    },
    async (request, reply) => {
      const view = found(await runs.cancel({ caller: callerOf(request), run: runRefOf(request.params) }));
      return reply.code(view.cancelled ? 202 : 200).send(view);
    },
  );
}

function pause(app: Api, runs: Runs): void {
  app.post(
    "/v1/runs/:run/pause",
    {
      schema: {
        operationId: "pauseRun",
        summary: "Pause a run",
        description: "Nothing more of it is started; what runs goes on to its end.",
        tags: ["runs"],
        params: RunPath,
        headers: WriteHeaders,
        response: { 200: ref(RunView) },
      },
    },
    async (request) => found(await runs.pause({ caller: callerOf(request), run: runRefOf(request.params) })),
  );
}

function resume(app: Api, runs: Runs): void {
  app.post(
    "/v1/runs/:run/resume",
    {
      schema: {
        operationId: "resumeRun",
        summary: "Resume a paused run",
        tags: ["runs"],
        params: RunPath,
        headers: WriteHeaders,
        response: { 200: ref(RunView) },
      },
    },
    async (request) => found(await runs.resume({ caller: callerOf(request), run: runRefOf(request.params) })),
  );
}
