/**
 * Bills as they are seen: per day what was billed, and what the ledger adds up to.
 *
 * Not here: adding up (tenancy/billing.ts).
 */
import Type from "typebox";
import { closedObject, count, named, type View } from "./schema.ts";

const day = (description: string) => Type.String({ pattern: "^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description });

const sum = (description: string) =>
  closedObject(
    { attempts: count("Attempts that ended."), tokens: count("Tokens."), usd_micros: count("Integer micro-USD.") },
    description,
  );

export const BillingQuery = closedObject(
  {
    from: Type.Optional(day("First day, UTC. Default 30 days before `to`.")),
    to: Type.Optional(day("Last day, UTC. Default today.")),
  },
  "Which days.",
);

export const BillingView = named(
  "BillingView",
  {
    from: day("First day."),
    to: day("Last day."),
    ledger_from: Type.Optional(
      day("First day whose ledger is whole: of days before, runs have gone. Only later days are compared."),
    ),
    is_equal: Type.Boolean({ description: "Every day's bill equals its ledger." }),
    days: Type.Array(
      closedObject(
        {
          day: day("UTC."),
          billed: sum("What was billed."),
          ledger: sum("What the ledger's rows of that day add up to."),
          is_equal: Type.Boolean({ description: "Both are the same." }),
        },
        "A day on which something ended.",
      ),
    ),
  },
  "Bills beside the ledger that they are the sum of.",
);
export type BillingView = View<typeof BillingView>;
