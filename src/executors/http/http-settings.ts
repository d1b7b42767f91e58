/**
 * A tenant's settings of `http`: which hosts, methods and content, within which bounds (spec 09).
 *
 * In: what an operator put. Out: complete settings, every bound with a value. Not here: what an address may be
 * (addresses.ts).
 */
import Type, { type Static } from "typebox";
import type { JsonObject, JsonValue } from "../../core/json.ts";
import { closed, integer, makeReader, oneOf, type Read } from "../schema.ts";
import { HOST_PORT_PATTERN } from "./host-port.ts";
import { METHODS } from "./redirect.ts";

const MIB = 1_048_576;
const CONTENT_TYPE_PATTERN = "^[a-z0-9][a-z0-9.+-]*/(\\*|[a-z0-9][a-z0-9.+-]*)$";

const hosts = (description: string) =>
  Type.Array(Type.String({ pattern: HOST_PORT_PATTERN, maxLength: 260 }), { maxItems: 256, description });

export const HttpSettingsSchema = Type.Object(
  {
    hosts: hosts("Hosts that may be asked, in lower case: `host` for ports 80 and 443, or `host:port`. No patterns."),
    methods: Type.Optional(
      Type.Array(oneOf(METHODS, "One method."), { maxItems: METHODS.length, description: "Default GET and HEAD." }),
    ),
    max_bytes: Type.Optional(integer(0, 8 * MIB, "Bytes of a response, also when unpacked. Default 1 MiB.")),
    content_types: Type.Optional(
      Type.Array(Type.String({ pattern: CONTENT_TYPE_PATTERN, maxLength: 128 }), {
        maxItems: 64,
        description: "Content that is read, `type/subtype` or `type/*`. Default JSON and text.",
      }),
    ),
    timeout_ms: Type.Optional(integer(1, 600_000, "Milliseconds for the whole exchange. Default 30 000.")),
    allow_private: Type.Optional(
      hosts("Exact `host:port`, listed in `hosts` too, that may lie in a private network. Never metadata addresses."),
    ),
  },
  closed,
);

export type HttpSettings = Required<Read<Static<typeof HttpSettingsSchema>>>;

const DEFAULTS = {
  methods: ["GET", "HEAD"],
  max_bytes: MIB,
  content_types: ["application/json", "application/problem+json", "text/*"],
  timeout_ms: 30_000,
  allow_private: [],
} as const;

/** What a tenant has that set nothing: no host at all. */
export const DEFAULT_HTTP_SETTINGS: JsonObject = { hosts: [] };

/** Makes the reader of settings; undefined when they are not of the schema's form. */
export function makeReadHttpSettings(): (settings: JsonValue) => HttpSettings | undefined {
  const read = makeReader(HttpSettingsSchema);
  return (value) => {
    const settings = read(value);
    return settings && { ...DEFAULTS, ...settings };
  };
}
