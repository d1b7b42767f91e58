/**
 * Every operation of the OpenAPI document under generated requests, against the whole product: new routes join by themselves.
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
import { furnish } from "./live-world.ts";
import { type FuzzWorld, requestsTo, SECRET } from "./request-arbitrary.ts";

const TOTAL_MS = Number(process.env["STEPGATE_FUZZ_MS"] ?? 20_000);
const SEED = Number(process.env["STEPGATE_FUZZ_SEED"] ?? randomInt(2 ** 31));
/** Of one answer, on a machine that does much else. */
const MAX_ANSWER_MS = 10_000;

t.test(`whatever is sent, an answer is what the document says, and never a fault of ours (seed ${SEED})`, async (t) => {
  const api = await startLiveApi(t, await openTestDatabase(t), { STEPGATE_STEP_WAIT_MS: "200" });
  const world = await fuzzWorld(api);
  const judge = makeJudge(api);
  const eachMs = TOTAL_MS / api.operations.length;
  let sent = 0;
  let slowestMs = 0;
  for (const operation of api.operations) {
    await t.test(`${operation.method} ${operation.path}`, async (t) => {
      const property = fc.asyncProperty(requestsTo(operation, world), async (request) => {
        const startMs = performance.now();
        const answer = await api.send(request);
        const ms = performance.now() - startMs;
        sent += 1;
        slowestMs = Math.max(slowestMs, ms);
        judge(operation, request, answer);
        if (ms > MAX_ANSWER_MS) throw new Error(`answered after ${Math.round(ms)} ms`);
      });
      const details = await fc.check(property, {
        seed: SEED,
        numRuns: 1_000_000,
        interruptAfterTimeLimit: eachMs,
        markInterruptAsFailure: false,
      });
      t.notOk(details.failed, fc.defaultReportMessage(details) ?? "");
    });
  }
  t.match(await api.send({ path: "/readyz" }), { status: 200 }, "it still serves");
  t.comment(`${sent} requests, slowest answer ${Math.round(slowestMs)} ms, seed ${SEED}`);
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

type Judge = (operation: LiveOperation, request: LiveRequest, answer: LiveAnswer) => void;

/** @throws {Error} (the judge) saying what is wrong with an answer. */
function makeJudge({ document }: LiveApi): Judge {
  const ajv = new Ajv2020({ strict: false, formats: { "date-time": true } });
  ajv.addSchema(document, "doc");
  const compiled = new Map<string, ValidateFunction>();
  const check = (pointer: string, value: unknown): void => {
    const isValid = compiled.get(pointer) ?? ajv.compile({ $ref: `doc#${pointer}` });
    compiled.set(pointer, isValid);
    if (!isValid(value)) throw new Error(`not of the form of ${pointer}: ${ajv.errorsText(isValid.errors)}`);
  };
  return ({ method, path, operation }, request, { status, headers, text, json }) => {
    if (request.key !== ADMIN_KEY && text.includes(PLANTED)) throw new Error("it shows another tenant's payload");
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
