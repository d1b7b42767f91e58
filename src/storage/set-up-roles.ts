/**
 * The roles that pools run as (spec 10, database): made by migrations, found here, and made again where they are gone.
 *
 * In: the pool of the configured user. Out: the roles' names. Not here: what they may do (functions/roles.sql).
 */
import { StepgateError } from "../core/errors.ts";
import { LOCK_MIGRATIONS } from "./migrate.ts";
import type { Pool } from "./pool.ts";
import { ARE_ROLES_IN_PLACE, HAS_ROLES, READ_ROLES, SET_UP_ROLES } from "./statements/fences.ts";

export interface DatabaseRoles {
  /** Sees rows of one tenant at a time. */
  readonly gateway: string;
  /** May touch rows of several tenants in one statement. */
  readonly worker: string;
}

/**
 * Returns the roles of a migrated database; after a dump was restored on another server they are made anew.
 *
 * @throws {StepgateError} STORE_ROLES_MISSING when the user may not make them; STORE_REFUSED, STORE_UNAVAILABLE.
 */
export async function setUpRoles(pool: Pool): Promise<DatabaseRoles> {
  const { rows } = await pool.query<{ yes: boolean }>(ARE_ROLES_IN_PLACE);
  if (rows[0]?.yes !== true) {
    await pool.transaction(async (connection) => {
      await connection.query(LOCK_MIGRATIONS);
      await connection.query(SET_UP_ROLES);
    });
  }
  const [roles] = (await pool.query<DatabaseRoles>(READ_ROLES)).rows;
  if (roles === undefined) throw new StepgateError("STORE_REFUSED", { reason: "the database names no roles" });
  return roles;
}

/** The roles of a database that has them; changes nothing. */
export async function findRoles(pool: Pool): Promise<DatabaseRoles | undefined> {
  const { rows } = await pool.query<{ yes: boolean }>(HAS_ROLES);
  if (rows[0]?.yes !== true) return undefined;
  return (await pool.query<DatabaseRoles>(READ_ROLES)).rows[0];
}
