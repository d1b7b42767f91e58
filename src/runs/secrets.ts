/**
 * What looks like a credential: one table of key names and value patterns (spec 08, manifest).
 *
 * In: a JSON value that would be stored readable. Out: the path of the first suspect. No entropy, no counting of words:
 * a hit can always be explained by one row. Not here: masking of payloads (redaction/).
 */
import type { JsonValue } from "../core/json.ts";
import { findInJson } from "./find-in-json.ts";

/** Keys, compared without case, `-` and `_`; a hit needs a non-empty text as value. */
const SECRET_KEYS: ReadonlySet<string> = new Set([
  "accesskey",
  "accesstoken",
  "apikey",
  "apitoken",
  "authorization",
  "authtoken",
  "bearertoken",
  "clientsecret",
  "connectionstring",
  "cookie",
  "credential",
  "credentials",
  "passphrase",
  "passwd",
  "password",
  "privatekey",
  "pwd",
  "refreshtoken",
  "secret",
  "secretaccesskey",
  "secretkey",
  "sessiontoken",
  "signingkey",
]);

/** Issued credentials that say by their form what they are. A start cannot fall inside a run of its own
 * characters, so a long text is walked once. */
const SECRET_VALUES: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: "pem_private_key", pattern: /-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----/ },
  { name: "jwt", pattern: /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}/ },
  { name: "authorization_header", pattern: /^(?:[Bb]earer|Basic) +[A-Za-z0-9._~+/=-]{16,}$/ },
  { name: "url_password", pattern: /\b[a-z][a-z0-9+.-]{1,20}:\/\/[^\s/:@]{1,256}:[^\s/@]{1,256}@/i },
  { name: "stepgate_key", pattern: /\bsg_[A-Za-z0-9]{4,64}_[A-Za-z0-9_-]{32,}/ },
  { name: "aws_access_key", pattern: /\b(?:AKIA|ASIA)[A-Z0-9]{16}\b/ },
  { name: "github_token", pattern: /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{40,})/ },
  { name: "gitlab_token", pattern: /\bglpat-[A-Za-z0-9_-]{20,}/ },
  { name: "slack_token", pattern: /\bxox[abeoprs]-[A-Za-z0-9-]{10,}/ },
  { name: "google_api_key", pattern: /\bAIza[A-Za-z0-9_-]{35}/ },
  { name: "stripe_key", pattern: /\b(?:sk|rk)_(?:live|test)_[A-Za-z0-9]{16,}/ },
  { name: "model_provider_key", pattern: /\bsk-(?:(?:proj|svcacct|admin|ant)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})/ },
];

/** `ab://u:p@`, the shortest text that a row can match. */
const SHORTEST_SECRET = 9;

export interface SuspectedSecret {
  /** RFC 6901 pointer from the value's root. */
  readonly path: string;
  /** `key`, or the name of the value pattern. Never the value. */
  readonly pattern: string;
}

/** The first value, in document order, whose key or own form looks like a credential. */
export function findSecret(value: JsonValue): SuspectedSecret | undefined {
  const found = findInJson(value, secretPattern);
  return found && { path: found.path, pattern: found.hit };
}

function secretPattern(value: JsonValue, key: string | undefined): string | undefined {
  if (typeof value !== "string" || value === "") return undefined;
  if (key !== undefined && isSecretKey(key)) return "key";
  // no row matches a shorter text, and almost every text of a manifest is a short name
  if (value.length < SHORTEST_SECRET) return undefined;
  return SECRET_VALUES.find(({ pattern }) => pattern.test(value))?.name;
}

function isSecretKey(key: string): boolean {
  return SECRET_KEYS.has(key.toLowerCase().replace(/[-_]/g, ""));
}
