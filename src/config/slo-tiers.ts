/**
 * The platform's service tiers as one setting: `gold/1000/3,silver/5000/1` (spec 02, order).
 *
 * A tier is its name, the smallest queue target in ms and the largest priority boost. Not here: clamping (runs/slo.ts).
 */
import { NAME_PATTERN } from "../core/ids.ts";
import type { SloTier, SloTiers } from "../runs/slo.ts";
import { integer, list } from "./parsers.ts";
import type { Parser } from "./setting.ts";

const NAME = new RegExp(NAME_PATTERN);
const smallestTarget = integer(1, 31_536_000_000);
const largestBoost = integer(0, 32_767);

const tier: Parser<readonly [string, SloTier]> = {
  wanted: "name/smallest queue target in ms/largest priority boost",
  parse: (text) => {
    const [name = "", target = "", boost = "", ...rest] = text.split("/");
    const smallestQueueTargetMs = smallestTarget.parse(target);
    const largestPriorityBoost = largestBoost.parse(boost);
    if (!NAME.test(name) || rest.length > 0) return undefined;
    if (smallestQueueTargetMs === undefined || largestPriorityBoost === undefined) return undefined;
    return [name, { smallestQueueTargetMs, largestPriorityBoost }];
  },
};
const tiers = list(tier, 16);

/** Tiers by name, none twice. */
export const sloTiers: Parser<SloTiers> = {
  wanted: tiers.wanted,
  parse: (text) => {
    const rows = tiers.parse(text);
    const byName = new Map(rows);
    return rows !== undefined && byName.size === rows.length ? byName : undefined;
  },
};
