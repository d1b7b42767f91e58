/**
 * Every operation of the OpenAPI document under generated requests, against the whole product: new routes join by themselves.
 * Each gets requests until one was accepted, so that nothing behind its validation is passed over.
 *
 * About 20 s; STEPGATE_FUZZ_MS gives it longer, STEPGATE_FUZZ_SEED the requests of a run that failed.
 */
import { randomInt } from "node:crypto";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import fc from "fast-check";
import t from "tap";
import { ERROR_CODES } from "../../src/core/errors.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import {
  ADMIN_KEY,
  type LiveAnswer,
  type LiveApi,
  type LiveOperation,
  type LiveRequest,
  PLANTED,
  startLiveApi,
} from "./live-api.ts";
import { completeKnown } from "./live-harvest.ts";
import { furnish, openRuns } from "./live-world.ts";
import { type FuzzWorld, requestsTo, SECRET } from "./request-arbitrary.ts";

const TOTAL_MS = Number(process.env["STEPGATE_FUZZ_MS"] ?? 20_000);
const SEED = Number(process.env["STEPGATE_FUZZ_SEED"] ?? randomInt(2 ** 31));
/** Of one answer, on a machine that does much else. */
const MAX_ANSWER_MS = 10_000;
/** An operation gets so many at least, and no more than so many to be accepted once. */
const MIN_REQUESTS = 30;
const MAX_REQUESTS = 3_000;

t.test(`whatever is sent, an answer is what the document says, and never a fault of ours (seed ${SEED})`, async (t) => {
  const api = await startLiveApi(t, await openTestDatabase(t), { STEPGATE_STEP_WAIT_MS: "200" });
  const world = await fuzzWorld(api);
  const judge = makeJudge(api, [api.keys.globex.admin, api.keys.globex.operator]);
  const eachMs = TOTAL_MS / api.operations.length;
  let total = 0;
  let slowestMs = 0;
  for (const operation of api.operations) {
    await t.test(`${operation.method} ${operation.path}`, async (t) => {
      const answers = new Map<number, number>();
      const sent = (): number => [...answers.values()].reduce((sum, count) => sum + count, 0);
      const isAccepted = (): boolean => [...answers.keys()].some((status) => status < 400);
      const requests = requestsTo(operation, await withOpenRuns(api, world, operation));
      const property = fc.asyncProperty(requests, async (request) => {
        const startMs = performance.now();
        const answer = await api.send(request);
        const ms = performance.now() - startMs;
        answers.set(answer.status, (answers.get(answer.status) ?? 0) + 1);
        slowestMs = Math.max(slowestMs, ms);
        judge(operation, request, answer);
        if (ms > MAX_ANSWER_MS) throw new Error(`answered after ${Math.round(ms)} ms`);
      });
      const check = async (limit: fc.Parameters<[LiveRequest]>): Promise<void> => {
        const details = await fc.check(property, { seed: SEED + sent(), ...limit });
        if (details.failed) t.fail(fc.defaultReportMessage(details) ?? "");
      };
      const endMs = performance.now() + eachMs;
      // whatever time that takes: a machine that does much else must not make the test pass over an operation
      while (t.passing() && (sent() < MIN_REQUESTS || !isAccepted()) && sent() < MAX_REQUESTS)
        await check({ numRuns: MIN_REQUESTS });
      while (t.passing() && performance.now() < endMs) await check({ numRuns: MIN_REQUESTS });
      const counts = JSON.stringify(Object.fromEntries(answers));
      t.ok(sent() >= MIN_REQUESTS, `${sent()} requests`);
      t.ok(isAccepted(), `at least one of them is accepted: ${counts}`);
      total += sent();
    });
  }
  t.match(await api.send({ path: "/readyz" }), { status: 200 }, "it still serves");
  t.comment(`${total} requests, slowest answer ${Math.round(slowestMs)} ms, seed ${SEED}`);
});

async function fuzzWorld(api: LiveApi): Promise<FuzzWorld> {
  const { known: made } = await furnish(api);
  const known = await completeKnown(api, made, api.keys.acme.reader);
  return {
    document: api.document,
    // a tenant that nothing else here stands on: it may be changed
    known: { ...known, tenant: ["globex"] },
    keys: [ADMIN_KEY, ADMIN_KEY, ADMIN_KEY, api.keys.globex.admin, api.keys.globex.operator],
    tenant: "acme",
  };
}

/** What is open is soon closed by these requests: each operation finds runs that it can still change. */
async function withOpenRuns(api: LiveApi, world: FuzzWorld, { path }: LiveOperation): Promise<FuzzWorld> {
  const { run: [ended = "", ...others] = [], approval = [] } = world.known;
  // the stream of a run that is open does not end
  if (path.endsWith("/events")) return { ...world, known: { ...world.known, run: [ended] } };
  if (!/\{(run|approval)\}/.test(path)) return world;
  const { held, paused, approvals } = await openRuns(api, { of: "approver" });
  const run = [held, paused, ended, ...others];
  return { ...world, known: { ...world.known, run, approval: [...approvals, ...approval] } };
}

type Judge = (operation: LiveOperation, request: LiveRequest, answer: LiveAnswer) => void;

/** @throws {Error} (the judge) saying what is wrong with an answer. */
function makeJudge({ document }: LiveApi, strangers: readonly string[]): Judge {
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } });
  ajv.addSchema(document, "doc");
  const compiled = new Map<string, ValidateFunction>();
  const check = (pointer: string, value: unknown): void => {
    const isValid = compiled.get(pointer) ?? ajv.compile({ $ref: `doc#${pointer}` });
    compiled.set(pointer, isValid);
    if (!isValid(value)) throw new Error(`not of the form of ${pointer}: ${ajv.errorsText(isValid.errors)}`);
  };
  return ({ method, path, operation }, request, { status, headers, text, json }) => {
    if (strangers.includes(request.key ?? "") && text.includes(PLANTED))
      throw new Error("it shows another tenant's payload");
    if (status < 400) {
      const described = operation.responses[String(status)];
      if (described === undefined) throw new Error(`the document has no answer ${status}`);
      const isJson = String(headers["content-type"] ?? "").startsWith("application/json");
      if (isJson && described.content?.["application/json"] !== undefined) {
        const place = `${path.replaceAll("/", "~1")}/${method.toLowerCase()}/responses/${status}`;
        check(`/paths/${place}/content/application~1json/schema`, json);
      }
      return;
    }
    const isReadiness = path === "/readyz" && status === 503;
    if (status >= 500 && !isReadiness) throw new Error(`a fault of ours: ${status} ${text}`);
    if (headers["content-type"] !== "application/problem+json") throw new Error(`${status} is no problem: ${text}`);
    check("/components/schemas/ProblemView", json);
    const row = ERROR_CODES[json?.["code"] as keyof typeof ERROR_CODES];
    if (row?.status !== status) throw new Error(`${json?.["code"]} is not ${status}`);
    if (`${text}${JSON.stringify(headers)}`.includes(SECRET)) throw new Error(`it echoes what was sent: ${text}`);
  };
}
