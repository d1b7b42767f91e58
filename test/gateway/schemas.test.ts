/** The server compiles a schema at its first use, so that starts are short: here all of them are compiled. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import Fastify from "fastify";
import t from "tap";
import { makeAuthorize } from "../../src/gateway/auth.ts";
import { registerRoutes } from "../../src/gateway/routes/index.ts";
import { STREAM_TIMES } from "../../src/gateway/sse.ts";
import { makeStreamSlots } from "../../src/gateway/stream-slots.ts";
import { makeValidatorCompiler } from "../../src/gateway/validator.ts";
import { NAMED_SCHEMAS } from "../../src/gateway/views/named-schemas.ts";
import { makeFakes } from "./fakes.ts";
import { serverDeps } from "./harness.ts";

t.test("every schema of every route compiles, of requests and of answers", async (t) => {
  const { ports, settings, log } = serverDeps(makeFakes(), []);
  // Fastify's own writers: it makes them all before it is ready
  const app = Fastify().withTypeProvider<TypeBoxTypeProvider>();
  for (const schema of NAMED_SCHEMAS) app.addSchema(schema);
  const compile = makeValidatorCompiler();
  app.setValidatorCompiler((part) => {
    const check = compile(part);
    t.doesNotThrow(() => check({}), `${part.method} ${part.url} ${part.httpPart}`);
    return check;
  });
  registerRoutes(app, {
    ports,
    authorize: makeAuthorize(ports.authenticator),
    slots: makeStreamSlots(settings.maxStreams),
    log,
    times: STREAM_TIMES,
    maxRunBodyBytes: settings.maxRunBodyBytes,
    stepWaitMs: settings.stepWaitMs,
    servesMetrics: true,
  });
  await t.resolves(async () => app.ready());
});
