/**
 * Requests to one operation of the OpenAPI document: as it allows them, and spoilt in one place or several.
 *
 * Secrets are planted in values, headers, queries and paths; an error's answer must hold none of them.
 * Not here: values of schemas (schema-arbitrary.ts), what is held against answers (api-fuzz.test.ts).
 */
import fc from "fast-check";
import type { JsonObject, JsonValue } from "../../src/core/json.ts";
import type { LiveOperation, LiveRequest } from "./live-api.ts";
import { allowedBy, resolve, type Schema } from "./schema-arbitrary.ts";

/** Stands in requests alone. */
export const SECRET = "planted:0d9c$4b1e7a52=";

export interface FuzzWorld {
  readonly document: object;
  /** Values by path parameter that lead somewhere. */
  readonly known: Readonly<Record<string, readonly string[]>>;
  /** First one that may do everything, then others. */
  readonly keys: readonly string[];
  readonly tenant: string;
}

interface Parameter {
  readonly in: string;
  readonly name: string;
  readonly schema: Schema;
}

const HOSTILE_SEGMENTS = [
  "%00",
  "%2e%2e",
  "..",
  ".",
  "%2F",
  "a%2Fb",
  "%c0%af",
  "%ff",
  "%",
  "%zz",
  "a;b=c",
  "__proto__",
  "constructor",
  "x".repeat(129),
  "x".repeat(5_000),
  "%E2%80%AE",
  "a%20b",
  "A",
  "*",
  "-",
  "00000000-0000-0000-0000-000000000000",
  "null",
  "'",
  "%27%20or%201=1--",
  encodeURIComponent(SECRET),
  SECRET,
];
const HOSTILE_VALUES = [
  "",
  "%00",
  "0",
  "-1",
  "1e9",
  "9007199254740993",
  "99999999999999999999",
  "9999999999",
  "a.b",
  "1.1",
  "999999999999999.x",
  "1.00000000-0000-0000-0000-000000000000",
  "999999999999999.00000000-0000-0000-0000-000000000000",
  "~",
  "'",
  "a%26b",
  "%ff",
  "[]",
  "x".repeat(600),
  SECRET,
];
const HOSTILE_JSON: readonly JsonValue[] = [
  null,
  true,
  0,
  -1,
  1.5,
  2 ** 31,
  2 ** 53 - 1,
  -(2 ** 53 - 1),
  1e21,
  1e300,
  5e-324,
  "",
  " ",
  "x".repeat(3_000),
  "\u202e",
  "\u{1f600}".repeat(300),
  "../../etc/passwd",
  "'; drop table runs; --",
  "{{7*7}}",
  "[]",
  "1",
  [],
  [[]],
  {},
  { constructor: {} },
  { toString: 1 },
  { $ref: "#" },
  { $from: "a", pointer: "/x" },
  { length: -1 },
  SECRET,
  [SECRET],
  { inner: SECRET },
  Array.from({ length: 300 }, () => 0),
];
const HOSTILE_TEXTS = [
  "",
  " ",
  "null",
  "[]",
  '"x"',
  "{",
  "{}}",
  '{"a":1,"a":2}',
  '{"__proto__":{}}',
  '{"a":{"__proto__":1}}',
  '{"a":9007199254740993}',
  '{"a":1e400}',
  '{"a":"\\u0000"}',
  '{"a":"\\ud800"}',
  "[".repeat(70),
  '{"a":'.repeat(70),
  "\u{feff}{}",
  "NaN",
  `{"${SECRET}":1}`,
  SECRET,
];

const CONTENT_TYPES = [
  "application/json",
  "application/json; charset=utf-8",
  "application/json; charset=latin1",
  "text/plain",
  "",
  "application/problem+json",
  "multipart/form-data; boundary=x",
  `application/${SECRET}`,
];
const ACCEPTS = [
  "application/json",
  "text/event-stream",
  "*/*",
  "",
  "text/html;q=0.1, application/json",
  "x".repeat(2_000),
];
const ODD_HEADERS = {
  traceparent: ["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "00-zz", SECRET, "x".repeat(600)],
  tracestate: ["a=b", SECRET, "x".repeat(600)],
  baggage: [`user=${SECRET}`],
  "x-forwarded-for": ["127.0.0.1"],
  "x-request-id": [SECRET],
  "x-http-method-override": ["DELETE"],
  cookie: [`session=${SECRET}`],
  "if-match": ["*"],
  range: ["bytes=0-1"],
  expect: ["100-continue"],
  "content-encoding": ["gzip", "identity", "br, gzip"],
  "stepgate-tenant": ["nobody", "acme", "__proto__", "a b", SECRET],
};

/** Requests as the document allows them, to what is there; more with one part spoilt, and few with several. */
export function requestsTo({ method, path, operation }: LiveOperation, world: FuzzWorld): fc.Arbitrary<LiveRequest> {
  const parameters = (operation.parameters ?? []).map((parameter) =>
    parameter.$ref === undefined
      ? (parameter as unknown as Parameter)
      : (resolve(parameter.$ref, world.document) as unknown as Parameter),
  );
  const body = operation.requestBody?.content["application/json"] as Body | undefined;
  const plain = fc
    .record({
      path: knownTargets(path, world),
      body: body === undefined ? fc.constant(undefined) : allowedBodies(body, world.document).map(inJson),
    })
    .map(({ path: target, body: sent }) => ({
      method,
      path: target,
      key: world.keys[0],
      headers: { "stepgate-tenant": world.tenant },
      ...(sent !== undefined && { body: sent }),
    }));
  const spoilt = fc
    .record({
      path: targets(path, parameters, world),
      key: fc.oneof(
        { weight: 12, arbitrary: fc.constantFrom(...world.keys) },
        { weight: 1, arbitrary: fc.constantFrom(undefined, SECRET, "") },
      ),
      declared: headersOf(parameters, world),
      odd: oddHeaders(),
      body: body === undefined ? noBodies() : bodies(body, world.document),
    })
    .map(({ path: target, key, declared, odd, body: sent }) => ({
      method,
      path: target,
      key,
      headers: { "stepgate-tenant": world.tenant, ...declared, ...odd },
      ...(sent !== undefined && { body: sent }),
    }));
  return fc.oneof({ weight: 1, arbitrary: plain }, { weight: 3, arbitrary: spoilt });
}

const inJson = (value: JsonValue): string => JSON.stringify(value);

function knownTargets(path: string, { known }: FuzzWorld): fc.Arbitrary<string> {
  const names = [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => name ?? "");
  return fc.tuple(...names.map((name) => fc.constantFrom(...(known[name] ?? [])))).map((values) => {
    let index = 0;
    return path.replace(/\{[a-z_]+\}/g, () => String(values[index++]));
  });
}

function targets(path: string, parameters: readonly Parameter[], world: FuzzWorld): fc.Arbitrary<string> {
  const names = [...path.matchAll(/\{([a-z_]+)\}/g)].map(([, name]) => name ?? "");
  const segments = names.map((name) => {
    const parameter = parameters.find((one) => one.in === "path" && one.name === name);
    const known = world.known[name] ?? [];
    return fc.oneof(
      { weight: known.length > 0 ? 6 : 0, arbitrary: fc.constantFrom(...known, "unused") },
      {
        weight: 2,
        arbitrary: allowedBy(parameter?.schema ?? {}, world.document).map((value) => encodeURIComponent(String(value))),
      },
      { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_SEGMENTS) },
    );
  });
  const queried = parameters.filter((one) => one.in === "query");
  const pairs = queried.map((parameter) =>
    fc
      .oneof(
        { weight: 3, arbitrary: fc.constant(undefined) },
        {
          weight: 3,
          arbitrary: allowedBy(parameter.schema, world.document).map((value) => encodeURIComponent(String(value))),
        },
        { weight: 1, arbitrary: fc.constantFrom(...HOSTILE_VALUES) },
      )
      .map((value) => (value === undefined ? [] : [`${parameter.name}=${value}`])),
  );
  const more = fc.oneof(
    { weight: 12, arbitrary: fc.constant<readonly string[]>([]) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(
        ["unknown=1"],
        [`unknown=${SECRET}`],
        [SECRET],
        ["limit=1", "limit=2"],
        ["__proto__=1"],
        ["&&"],
        ["%ff=1"],
        ["a[b]=c"],
      ),
    },
  );
  return fc.tuple(fc.tuple(...segments), fc.tuple(...pairs), more).map(([values, given, odd]) => {
    let index = 0;
    const target = path.replace(/\{[a-z_]+\}/g, () => String(values[index++]));
    const query = [...given.flat(), ...odd];
    return query.length === 0 ? target : `${target}?${query.join("&")}`;
  });
}

function headersOf(
  parameters: readonly Parameter[],
  { document }: FuzzWorld,
): fc.Arbitrary<Readonly<Record<string, string>>> {
  const declared = parameters.filter((one) => one.in === "header" && one.name !== "stepgate-tenant");
  const members = Object.fromEntries(
    declared.map(({ name, schema }) => [
      name,
      fc.oneof(
        { weight: 3, arbitrary: allowedBy(schema, document).map(String) },
        { weight: 1, arbitrary: fc.constantFrom("", "a b", "x".repeat(300), SECRET, "-1", "9999999999999999") },
      ),
    ]),
  );
  return fc.record(members, { requiredKeys: [] }) as fc.Arbitrary<Readonly<Record<string, string>>>;
}

function oddHeaders(): fc.Arbitrary<Readonly<Record<string, string>>> {
  const odd = fc.oneof(
    fc.constantFrom(
      ...Object.entries(ODD_HEADERS).flatMap(([name, values]) => values.map((value) => ({ [name]: value }))),
    ),
    fc.constantFrom(...ACCEPTS).map((accept) => ({ accept })),
    fc.constantFrom(...CONTENT_TYPES).map((type) => ({ "content-type": type })),
  );
  return fc.oneof({ weight: 3, arbitrary: fc.constant({}) }, { weight: 1, arbitrary: odd }) as fc.Arbitrary<
    Readonly<Record<string, string>>
  >;
}

function noBodies(): fc.Arbitrary<string | undefined> {
  return fc.oneof(
    { weight: 15, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: fc.constantFrom("{}", SECRET) },
  );
}

interface Body {
  readonly schema?: Schema;
  readonly example?: JsonValue;
}

function allowedBodies({ schema = {}, example }: Body, document: object): fc.Arbitrary<JsonValue> {
  return fc.oneof(
    { weight: example === undefined ? 0 : 1, arbitrary: fc.constant(example ?? null) },
    { weight: 3, arbitrary: allowedBy(schema, document) },
  );
}

function bodies(body: Body, document: object): fc.Arbitrary<string | undefined> {
  const allowed = allowedBodies(body, document);
  return fc.oneof(
    { weight: 4, arbitrary: allowed.map(inJson) },
    {
      weight: 6,
      arbitrary: fc
        .tuple(allowed, fc.array(spoilings(), { minLength: 1, maxLength: 3 }))
        .map(([value, spoils]) => JSON.stringify(spoils.reduce<JsonValue>(spoil, value))),
    },
    {
      weight: 2,
      arbitrary: fc
        .tuple(allowed, fc.nat(), fc.constantFrom("", "\\", '"', "}", ",", "\u0000", "\ud800", "é", ":"))
        .map(([value, at, text]) => spliced(JSON.stringify(value), at, text)),
    },
    { weight: 1, arbitrary: fc.constantFrom(undefined, ...HOSTILE_TEXTS) },
  );
}

interface Spoiling {
  /** Which of all parts of the value, counted in order. */
  readonly at: number;
  readonly how: "replace" | "remove" | "add" | "rename" | "double";
  readonly by: JsonValue;
}

function spoilings(): fc.Arbitrary<Spoiling> {
  return fc.record({
    at: fc.nat(10_000),
    how: fc.constantFrom("replace", "replace", "replace", "remove", "add", "rename", "double"),
    by: fc.constantFrom(...HOSTILE_JSON),
  });
}

/** The value with one of its parts changed. */
function spoil(value: JsonValue, { at, how, by }: Spoiling): JsonValue {
  const total = countParts(value);
  let left = at % total;
  const visit = (part: JsonValue): JsonValue => {
    if (left-- === 0) return change(part);
    if (Array.isArray(part)) return part.map(visit);
    if (typeof part !== "object" || part === null) return part;
    return Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, visit(inner)]));
  };
  const change = (part: JsonValue): JsonValue => {
    if (how === "replace" || typeof part !== "object" || part === null) return by;
    if (Array.isArray(part))
      return how === "remove" ? part.slice(1) : [...part, how === "double" ? (part[0] ?? by) : by];
    const entries = Object.entries(part);
    if (how === "remove") return Object.fromEntries(entries.slice(1));
    if (how === "rename")
      return Object.fromEntries(entries.map(([name, inner], index) => [index === 0 ? `${name}_` : name, inner]));
    return { ...(part as JsonObject), [how === "add" ? "extra" : (entries[0]?.[0] ?? "a")]: by };
  };
  return visit(value);
}

function countParts(value: JsonValue): number {
  if (typeof value !== "object" || value === null) return 1;
  return 1 + Object.values(value).reduce<number>((sum, part) => sum + countParts(part), 0);
}

function spliced(text: string, at: number, middle: string): string {
  const place = at % (text.length + 1);
  return text.slice(0, place) + middle + text.slice(place + 1);
}
