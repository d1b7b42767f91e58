/**
 * One page of a list: its rows, and where the next page begins, where there is one.
 *
 * Not here: what a place in a list looks like (each list's own), how callers name one (gateway/parts.ts).
 */

/** The rows of one page; `next` only where more follow. */
export interface PageOfRows<Row> {
  readonly rows: readonly Row[];
  readonly next?: string;
}

/**
 * Reads up to `limit` rows, and one more, which tells whether a next page is there.
 *
 * `read` is given how many rows to read at most; `placeOf` names the place behind the last row of the page.
 */
export async function pageOfRows<Row>(
  limit: number,
  read: (mostRows: number) => Promise<readonly Row[]>,
  placeOf: (last: Row) => string,
): Promise<PageOfRows<Row>> {
  const found = await read(limit + 1);
  const rows = found.slice(0, limit);
  const last = rows.at(-1);
  return found.length > limit && last !== undefined ? { rows, next: placeOf(last) } : { rows };
}
