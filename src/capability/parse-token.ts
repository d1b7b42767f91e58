/**
 * A token taken apart: size, shape and header, before anything in it is believed (RFC 8725bis, design §5).
 *
 * In: the compact form. Out: header, signed bytes and signature, or the reason. Only the header is parsed here; the
 * payload stays bytes until the signature is good. Not here: keys and signature (verify-token.ts).
 */
import { MAX_TOKEN_BYTES, type TokenReason } from "../core/capability.ts";
import { isStepgateError } from "../core/errors.ts";
import { isJsonObject, type JsonObject, type JsonValue } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";

export interface ParsedToken {
  /** Strict JSON, nothing else is known about it. */
  readonly header: JsonObject;
  /** What was signed: `header.payload` as it stands in the token. */
  readonly signingInput: string;
  readonly payload: Uint8Array;
  readonly signature: Uint8Array;
}

export type ParseVerdict =
  | { readonly ok: true; readonly parsed: ParsedToken }
  | { readonly ok: false; readonly reason: Extract<TokenReason, "missing" | "malformed"> };

/** Header and payload nest no deeper (design §5). */
const MAX_DEPTH = 16;
/** Three parts of base64url characters; the third may be empty, so that an unsigned token is called by its name. */
const COMPACT_FORM = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]*)$/;
const MALFORMED = { ok: false, reason: "malformed" } as const;

/** Takes a compact JWS apart (RFC 7515 §3.1). Every part must be the one way to write its bytes. */
export function parseToken(token: string): ParseVerdict {
  if (typeof token !== "string" || token === "") return { ok: false, reason: "missing" };
  // first of all: what follows costs time that grows with the length
  if (token.length > MAX_TOKEN_BYTES) return MALFORMED;
  const match = COMPACT_FORM.exec(token);
  const [header, payload, signature] = (match ?? []).slice(1).map(decodePart);
  if (header === undefined || payload === undefined || signature === undefined) return MALFORMED;
  const headerJson = parseStrictly(header);
  if (!isJsonObject(headerJson)) return MALFORMED;
  const signingInput = token.slice(0, token.lastIndexOf("."));
  return { ok: true, parsed: { header: headerJson, signingInput, payload, signature } };
}

/** Parses a part that holds JSON; undefined when it is not strict. */
export function parseStrictly(bytes: Uint8Array): JsonValue | undefined {
  try {
    return parseJson(bytes, { maxDepth: MAX_DEPTH });
  } catch (caught) {
    if (isStepgateError(caught, "JSON_INVALID", "NUMBER_NOT_EXACT")) return undefined;
    throw caught;
  }
}

/** Base64url that re-encodes to itself: unused trailing bits would give one token many texts. */
function decodePart(part: string): Uint8Array | undefined {
  const bytes = Buffer.from(part, "base64url");
  return bytes.toString("base64url") === part ? bytes : undefined;
}
