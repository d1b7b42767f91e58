/**
 * Serving: starts the gateway, shows where it listens, runs the sample on an empty store if asked, serves until it is
 * interrupted. Not here: the command (commands/serve.ts), which loads this file only when it serves.
 */
import { once } from "node:events";
import type { Config } from "../config/config.ts";
import { isStepgateError, StepgateError } from "../core/errors.ts";
import { ownUid } from "../core/own-user.ts";
import { readKeyFile } from "../evidence/key-files.ts";
import { type Stepgate, startStepgate } from "../main.ts";
import type { StartProgress } from "../main-input.ts";
import { type Log, makeLog } from "../telemetry/logger.ts";
import { makeApi } from "./api.ts";
import { runSample, type SampleResult } from "./sample/run-sample.ts";
import { shownPath } from "./shown-path.ts";
import { EXIT, readConfig, type Surroundings } from "./surroundings.ts";
import { RunPage } from "./wire.ts";

export interface ServeOptions {
  readonly demo?: boolean;
  readonly demoOnly?: boolean;
}

const PROGRESS: Partial<Readonly<Record<StartProgress, string>>> = {
  copying_programs: "copying PostgreSQL's programs to where its user can enter …",
  creating_cluster: "creating the database cluster …",
  recovering: "the database recovers from an unclean end …",
  migrating: "bringing the schema up to date …",
  testing_isolation: "testing the sandbox …",
};

/** Resolves once the process may end. @throws as `startStepgate`. */
export async function serve(around: Surroundings, { demo = false, demoOnly = false }: ServeOptions): Promise<void> {
  const { terminal, interrupted, exitWith } = around;
  const config = readConfig(around);
  const isDemo = demo || demoOnly;
  const told = new Set<string>();
  const stepgate = await startStepgate({
    config,
    log: isDemo ? quietLog(around, config.telemetry.logLevel) : makeLog({ level: config.telemetry.logLevel }),
    onProgress: (progress) => {
      const text = PROGRESS[progress];
      if (!isDemo || text === undefined || told.has(text)) return;
      told.add(text);
      terminal.line(terminal.paint("dim", text));
    },
  });
  const stopLooking = around.onLookAgain(() => void testAgain(stepgate));
  try {
    await greet(around, stepgate, config);
    const result = isDemo ? await demonstrate(around, stepgate, { config, isForced: demoOnly }) : undefined;
    if (result?.ok === false) exitWith(EXIT.failed);
    if (demoOnly || result?.ok === false) return;
    showNext(around, stepgate, result);
    if (!interrupted.aborted) await once(interrupted, "abort");
  } finally {
    stopLooking();
    await stepgate.stop();
  }
}

/** Proves once more what isolation this machine gives: after a change of its kernel, its sandbox programs, its rights. */
async function testAgain({ rooms: { registry, log } }: Stepgate): Promise<void> {
  await registry.selfTestAll();
  const levels = Object.fromEntries(registry.list().map(({ type, report }) => [type, report?.level ?? "none"]));
  log.info({ levels }, "isolation was tested again");
}

/** Beside the sample's view only what a person should know is logged, and not between its lines. */
function quietLog({ environment }: Surroundings, logLevel: Config["telemetry"]["logLevel"]): Log {
  const destination = { write: (text: string) => void process.stderr.write(text) };
  return makeLog({ level: environment["STEPGATE_LOG_LEVEL"] === undefined ? "warn" : logLevel, destination });
}

async function greet({ terminal }: Surroundings, { rooms, gateway }: Stepgate, config: Config): Promise<void> {
  const { embedded, database, version, registry, keyRing } = rooms;
  const place = embedded === undefined ? "at STEPGATE_DATABASE_URL" : `in ${shownPath(embedded.dataDirectory)}`;
  const isolation = registry.list().find(({ type }) => type === "process")?.report?.level ?? "none";
  terminal.line(
    `stepgate ${version} · ${embedded === undefined ? "" : "embedded "}PostgreSQL ${database} ${place} · isolation: ${isolation}`,
  );
  const { adminKey } = keyRing;
  const key = {
    file: adminKey.source === "file" ? shownPath(adminKey.path) : "",
    given: "as given",
    stored: "as made",
  };
  const about = gateway === undefined ? `role ${config.instance.role}, no API here` : `listening on ${gateway.url}`;
  terminal.line(`${terminal.paint("bold", about)}    admin key: ${key[adminKey.source]}`);
}

interface Demonstration {
  readonly config: Config;
  /** Also on a store that has runs. */
  readonly isForced: boolean;
}

/** The sample through the API, as anybody would call it. @throws {StepgateError} KEY_FILE_UNAVAILABLE without its key. */
async function demonstrate(
  around: Surroundings,
  { rooms, gateway }: Stepgate,
  { config, isForced }: Demonstration,
): Promise<SampleResult | undefined> {
  const key = await readAdminKey(rooms.keyRing.adminKey, config);
  if (gateway === undefined || key === undefined) {
    if (isForced)
      throw new StepgateError("KEY_FILE_UNAVAILABLE", { reason: "the sample needs the API and the admin key of" });
    return undefined;
  }
  const api = makeApi({ baseUrl: gateway.url, key, tenant: undefined });
  const { items } = await api.get("/v1/runs?limit=1", RunPage);
  if (items.length > 0 && !isForced) return undefined;
  return runSample(around, { api, home: config.instance.home, trustFile: rooms.keyRing.trustFile() });
}

async function readAdminKey(
  adminKey: Stepgate["rooms"]["keyRing"]["adminKey"],
  config: Config,
): Promise<string | undefined> {
  if (adminKey.source === "given") return config.keys.adminKey;
  if (adminKey.source === "stored") return undefined;
  try {
    const bytes = await readKeyFile(adminKey.path, ownUid());
    return bytes === undefined ? undefined : Buffer.from(bytes).toString().trim();
  } catch (caught) {
    if (isStepgateError(caught, "KEY_FILE_UNAVAILABLE")) return undefined;
    throw caught;
  }
}

function showNext({ terminal }: Surroundings, { gateway }: Stepgate, result: SampleResult | undefined): void {
  if (gateway === undefined) return;
  const run = result?.runUid ?? "<run id>";
  terminal.line("");
  terminal.line("try next, in another terminal");
  const rows = [
    [`npx stepgate run get ${run} --why forward_reply`, "who decided, on what, by which rule"],
    ["npx stepgate pack test policies/packs/allow_all", "change a rule, see a test fail"],
    ["npx stepgate run submit policies/examples/hello.json --watch", "a run of your own"],
  ];
  for (const [command = "", about = ""] of rows) {
    terminal.line(`  ${command}`);
    terminal.line(terminal.paint("dim", `      ${about}`));
  }
}
