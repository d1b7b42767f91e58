/**
 * A sink's signing secrets: made, rotated, and used to sign (Standard Webhooks 1.0, symmetric signatures).
 *
 * In: randomness, times. Out: `whsec_…` texts, the value of `webhook-signature`. While a rotation lasts, messages carry a
 * signature under each of the two secrets. Not here: sealing them (main-sinks.ts), sending (send-webhook.ts).
 */
import { createHmac } from "node:crypto";
import { canonicalJson } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import { isJsonObject } from "../core/json.ts";
import { parseJson } from "../core/parse-json.ts";

/** What is sealed with a sink. */
export interface WebhookSecrets {
  readonly current: string;
  /** Signs too, until then. */
  readonly previous: { readonly secret: string; readonly untilMs: number } | undefined;
}

const PREFIX = "whsec_";
/** Between the 24 and 64 that the standard asks for. */
const SECRET_BYTES = 32;

/** `whsec_` and 32 random bytes in base64. */
export function makeWebhookSecret(random: (size: number) => Uint8Array): string {
  return `${PREFIX}${Buffer.from(random(SECRET_BYTES)).toString("base64")}`;
}

/** A new secret signs from now on; the one before stays good until `untilMs`, one before that no longer. */
export function rotateSecret({ current }: WebhookSecrets, secret: string, untilMs: number): WebhookSecrets {
  return { current: secret, previous: { secret: current, untilMs } };
}

/** The text that is sealed. */
export function writeSecrets({ current, previous }: WebhookSecrets): string {
  return canonicalJson({
    current,
    ...(previous === undefined ? {} : { previous: previous.secret, until_ms: previous.untilMs }),
  });
}

/** Reads what writeSecrets wrote. @throws {StepgateError} BLOB_UNREADABLE for anything else. */
export function readSecrets(text: string): WebhookSecrets {
  const value = parseJson(text);
  const { current, previous, until_ms: untilMs } = isJsonObject(value) ? value : {};
  if (typeof current !== "string") throw new StepgateError("BLOB_UNREADABLE", { field: "sink_secret" });
  return {
    current,
    previous: typeof previous === "string" && typeof untilMs === "number" ? { secret: previous, untilMs } : undefined,
  };
}

export interface WebhookMessage {
  /** `webhook-id`: the same at each try. */
  readonly id: string;
  /** Of this try, seconds since the Unix epoch. */
  readonly timestampSec: number;
  readonly body: string;
}

/** The value of `webhook-signature`: `v1,` and HMAC-SHA256 over `id.timestamp.body` in base64, one for each valid secret. */
export function signWebhook({ id, timestampSec, body }: WebhookMessage, { current, previous }: WebhookSecrets): string {
  const isPreviousValid = previous !== undefined && timestampSec * 1000 < previous.untilMs;
  const secrets = isPreviousValid ? [current, previous.secret] : [current];
  return secrets
    .map((secret) => {
      const key = Buffer.from(secret.slice(PREFIX.length), "base64");
      return `v1,${createHmac("sha256", key).update(`${id}.${timestampSec}.${body}`).digest("base64")}`;
    })
    .join(" ");
}
