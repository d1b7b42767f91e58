/**
 * Statements as the driver takes them: named by their text, so that equal constants share one plan per session.
 */
import { createHash } from "node:crypto";
import type pg from "pg";

/** JSON goes in and out as text. */
export type SqlValue = string | number | bigint | boolean | Date | Uint8Array | null | undefined | readonly SqlValue[];

export type Query = pg.QueryConfig<unknown[]> & { readonly query_timeout?: number };
export type Prepare = (text: string, values: readonly SqlValue[] | undefined) => Query;

/** For sessions that others use too: a statement prepared here would be unknown, or another's, the next time. */
export const unprepared: Prepare = (text, values) => (values === undefined ? { text } : { text, values: [...values] });

/** Names each text once; they are constants, so there are few. */
export function makePreparer(): Prepare {
  const names = new Map<string, string>();
  return (text, values) => {
    if (values === undefined) return { text };
    let name = names.get(text);
    if (name === undefined) {
      name = createHash("sha256").update(text).digest("base64url").slice(0, 22);
      names.set(text, name);
    }
    return { name, text, values: [...values] };
  };
}
