/**
 * Secrets of tools: values that a tenant keeps here and that executors are handed at *execute*, and nobody else (spec 09).
 *
 * Here: the words that tenancy, gate and executors share. Not here: sealing (evidence/), which executor takes one where.
 */

export const SECRET_PLACES = ["env", "header"] as const;
export type SecretPlace = (typeof SECRET_PLACES)[number];

/** What a tool asks for: the secret `ref` of its tenant, under this name, in this place. */
export interface ToolSecret {
  readonly name: string;
  readonly ref: string;
  readonly as: SecretPlace;
}

/** What its executor is handed for one call; in memory only. */
export interface HandedSecret {
  readonly name: string;
  readonly value: string;
}

/** Why a tool cannot be handed what it asks for. */
export interface SecretFault {
  /** `unfit`: it was asked for as a header and is not one line of visible ASCII. `unreadable`: its row was altered. */
  readonly reason: "tool_secret_missing" | "tool_secret_unfit" | "tool_secret_unreadable";
  readonly ref: string;
}

export type SecretsAnswer =
  /** A function, so that nothing that writes its holder down writes values. */
  { readonly ok: true; readonly hand: () => readonly HandedSecret[] } | ({ readonly ok: false } & SecretFault);

/** A shorter one is guessed, and could not be masked in an output without much that is not it. */
export const MIN_SECRET_LENGTH = 8;
export const MAX_SECRET_LENGTH = 8192;

/** One line of visible ASCII, without spaces around it (RFC 9110 §5.5). */
const HEADER_VALUE = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;

/** Whether a value can stand in a header. */
export function fitsHeader(value: string): boolean {
  return HEADER_VALUE.test(value);
}
