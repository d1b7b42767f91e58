/**
 * `stepgate serve`: starts the gateway and serves until it is interrupted. `npm start` is `serve --demo`.
 */
import type { ServeOptions } from "../serve-gateway.ts";
import type { AddCommand } from "../surroundings.ts";

export const addServe: AddCommand = (parent, around) => {
  parent
    .command("serve")
    .description("start the gateway and serve until interrupted")
    .option("--demo", "first run the sample policies/examples/support-triage.json, if the store is empty")
    .option("--no-demo", "just serve")
    .option("--demo-only", "run the sample and stop; exit 1 if anything differs from what it declares")
    .addHelpText("after", "\nExample:\n  npx stepgate serve --demo-only\n")
    .action(async (options: ServeOptions) => {
      // every other command would load the whole product to answer a question
      const { serve } = await import("../serve-gateway.ts");
      await serve(around, options);
    });
};
