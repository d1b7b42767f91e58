/**
 * `stepgate migrate`: brings the database's schema up to date and ends; `serve` does the same at its start.
 */
import { checkDatabase } from "../../storage/check-database.ts";
import { startEmbedded } from "../../storage/embedded/embedded-server.ts";
import { migrate, readSchema } from "../../storage/migrate.ts";
import { makePool } from "../../storage/pool.ts";
import { setUpRoles } from "../../storage/set-up-roles.ts";
import { makeLog } from "../../telemetry/logger.ts";
import { type AddCommand, JSON_OPTION, readConfig } from "../surroundings.ts";

/** One long statement may rewrite a table. */
const STATEMENT_LIMIT_MS = 3_600_000;

export const addMigrate: AddCommand = (parent, around) => {
  parent
    .command("migrate")
    .description("bring the database's schema up to date")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExample:\n  npx stepgate migrate\n")
    .action(async ({ json = false }: { readonly json?: boolean }) => {
      const { terminal } = around;
      const { storage, instance, telemetry } = readConfig(around);
      const log = makeLog({ level: telemetry.logLevel });
      const embedded =
        storage.databaseUrl === undefined ? await startEmbedded({ home: instance.home, log }) : undefined;
      const target = embedded === undefined ? { url: storage.databaseUrl ?? "" } : { connection: embedded.connection };
      const pool = makePool({
        ...target,
        maxConnections: 1,
        applicationName: "stepgate migrate",
        log,
        limits: { statementMs: STATEMENT_LIMIT_MS, lockMs: storage.lockTimeoutMs },
      });
      try {
        const { version } = await checkDatabase(pool);
        const schema = await readSchema();
        let applied = 0;
        await migrate({
          pool,
          schema,
          onProgress: ({ number, name, total }) => {
            applied += 1;
            if (!json) terminal.line(`migration ${number} of ${total}: ${name}`);
          },
        });
        await setUpRoles(pool);
        const report = { postgresql: version, applied, schema: schema.migrations.length };
        terminal.line(
          json
            ? JSON.stringify(report)
            : `schema ${schema.migrations.length} on PostgreSQL ${version}, ${applied} applied now`,
        );
      } finally {
        await pool.close();
        await embedded?.stop();
      }
    });
};
