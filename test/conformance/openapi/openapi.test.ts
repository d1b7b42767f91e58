/** The API's document against the published schema of OpenAPI 3.1 (SOURCE.txt), and every example against its own schema. */
import { readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import t from "tap";
import { type Described, type Document, operationsOf, readDocument } from "../../gateway/document.ts";
import { makeHarness } from "../../gateway/harness.ts";

const JSON_SCHEMA = "https://json-schema.org/draft/2020-12/schema";
/** RFC 9110 §5.6.2. */
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";

const formats = {
  uri: (text: string) => URL.canParse(text),
  "uri-reference": (text: string) => URL.canParse(text, "https://example.com"),
  email: /^[^@\s]+@[^@\s]+$/,
  "media-range": new RegExp(`^${TOKEN}/${TOKEN}(?:;.*)?$`),
  "date-time": true,
} as const;

let document: Document;
t.before(async () => {
  document = await readDocument(await makeHarness());
});

/** The published schema, with JSON Schema's own where it leaves schemas open. */
function compilePublished() {
  const text = readFileSync(new URL("schema-3.1.json", import.meta.url), "utf8");
  const published = JSON.parse(text, (_key, value: unknown) => {
    const isOpen = typeof value === "object" && value !== null && "$dynamicRef" in value && !("type" in value);
    return isOpen ? { $ref: JSON_SCHEMA } : value;
  }) as object;
  return new Ajv2020({ strict: false, allErrors: true, formats }).compile(published);
}

t.test("the document is valid by the published schema, and so is every schema in it", async (t) => {
  const isValid = compilePublished();
  t.ok(isValid(document), JSON.stringify(isValid.errors?.slice(0, 5)));
  const broken: Readonly<Record<string, (copy: MutableDocument) => void>> = {
    "no title": (copy) => delete copy.info["title"],
    "another version": (copy) => Object.assign(copy, { openapi: "3.0.3" }),
    "an unknown member": (copy) => Object.assign(copy.info, { author: "x" }),
    "a path without its slash": (copy) => Object.assign(copy.paths, { v1: {} }),
    "an answer without a description": (copy) =>
      Object.assign(copy.paths["/healthz"] ?? {}, { get: { responses: { 200: {} } } }),
    "a type that JSON Schema does not have": (copy) => Object.assign(copy.components.schemas, { X: { type: "text" } }),
    "a length below 0, deep inside": (copy) =>
      Object.assign(copy.components.schemas, { X: { properties: { a: { items: { maxLength: -1 } } } } }),
  };
  for (const [why, breakIt] of Object.entries(broken)) {
    const copy = structuredClone(document) as unknown as MutableDocument;
    breakIt(copy);
    t.notOk(isValid(copy), `the control: ${why}`);
  }
});

interface MutableDocument {
  info: Record<string, unknown>;
  paths: Record<string, object>;
  components: { schemas: Record<string, object> };
}

t.test("every request example is valid by the schema of its own body, which refuses it in a list", async (t) => {
  const ajv = new Ajv2020({ strict: false, formats });
  ajv.addSchema(document, "doc");
  let examples = 0;
  for (const described of operationsOf(document)) {
    const example = described.operation.requestBody?.content["application/json"]?.example;
    if (example === undefined) continue;
    examples += 1;
    const isValid = ajv.compile({ $ref: `doc#${bodyPointer(described)}` });
    const name = `${described.method} ${described.path}`;
    t.ok(isValid(example), `${name} ${ajv.errorsText(isValid.errors)}`);
    t.notOk(isValid([example]), `${name}: the control`);
  }
  const bodies = operationsOf(document).filter(({ operation }) => operation.requestBody !== undefined);
  t.equal(examples, bodies.length, "every body has one");
  t.ok(examples > 10, `${examples} examples`);
});

function bodyPointer({ method, path }: Described): string {
  const place = `${path.replaceAll("/", "~1")}/${method.toLowerCase()}`;
  return `/paths/${encodeURI(place)}/requestBody/content/application~1json/schema`;
}

t.test("every tag that an operation has is described, and every path parameter is in its path", async (t) => {
  const { tags } = document as Document & { readonly tags: readonly { readonly name: string }[] };
  const described = new Set(tags.map(({ name }) => name));
  const used = new Set<string>();
  for (const { method, path, operation } of operationsOf(document)) {
    for (const tag of operation.tags ?? []) {
      used.add(tag);
      t.ok(described.has(tag), `${method} ${path}: ${tag}`);
    }
    const inPath = [...path.matchAll(/\{([a-z]+)\}/g)].map(([, name]) => name).sort();
    const named = (operation.parameters ?? []).filter((one) => one.in === "path").map(({ name }) => name);
    t.same(named.sort(), inPath, `${method} ${path}`);
  }
  t.same([...described].sort(), [...used].sort(), "none is described for nothing");
});
