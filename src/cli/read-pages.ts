/**
 * Every item of a list that the gateway gives in pages.
 */
import type { Static, TSchema } from "typebox";
import type { Api } from "./api.ts";

interface Page<Item> {
  readonly items: readonly Item[];
  readonly next?: string;
}

/** Reads `path` page by page. @throws as `Api.get`. */
export async function readPages<Schema extends TSchema, Item>(
  api: Api,
  path: string,
  schema: Schema & (Static<Schema> extends Page<Item> ? unknown : never),
): Promise<readonly Item[]> {
  const items: Item[] = [];
  for (let query = "?limit=200"; ; ) {
    const page = (await api.get(`${path}${query}`, schema)) as Page<Item>;
    items.push(...page.items);
    if (page.next === undefined) return items;
    query = `?limit=200&after=${encodeURIComponent(page.next)}`;
  }
}
