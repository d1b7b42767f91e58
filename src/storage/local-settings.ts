/**
 * Whose rows a transaction may see, and as which role: `set local`, in the round trip of its first statement.
 *
 * A statement on its own is sent with the settings before it and one Sync after both: to the server that is one
 * transaction (PostgreSQL, protocol flow, pipelining), so the settings end with the statement and no session keeps them.
 * Not here: what the database makes of them (functions/roles.sql), the session's own settings (session.ts).
 */
import pg from "pg";
import type { TenantUid } from "../core/ids.ts";
import type { Query } from "./prepare.ts";

export interface LocalSettings {
  /** Only behind a pooler; otherwise the session has it. */
  readonly role?: string | undefined;
  /** Without one a fenced role sees nothing. */
  readonly tenantUid?: TenantUid;
}

const SET_TENANT = { name: "set_tenant", text: "select set_config('stepgate.tenant_uid', $1, true)" };
/** Unnamed: behind a pooler the next transaction may have another session. */
const SET_ROLE_AND_TENANT = "select set_config('role', $1, true), set_config('stepgate.tenant_uid', $2, true)";

/** Prepares in a new session what every statement of a fenced pool is sent with. */
export async function prepareLocal(client: pg.ClientBase): Promise<void> {
  await client.query({ ...SET_TENANT, values: [""] });
}

/** Runs one statement under the settings, in one round trip; rejects as `client.query` does. */
export function queryWith(client: pg.ClientBase, local: LocalSettings, query: Query): Promise<pg.QueryResult> {
  return new Promise((resolve, reject) => {
    // extended: the simple protocol would end the transaction of the settings and begin another
    const config = { ...query, queryMode: "extended" };
    const submittable = new pg.Query(config, (error: Error | undefined, result: pg.QueryResult) =>
      error ? reject(error) : resolve(result),
    );
    const submit = submittable.submit.bind(submittable);
    submittable.submit = (connection) => {
      connection.stream.cork();
      try {
        sendSettings(connection, local);
        return submit(connection);
      } finally {
        connection.stream.uncork();
      }
    };
    client.query(submittable);
  });
}

/** The text that begins a transaction under the settings. */
export function beginWith({ role, tenantUid = "" as TenantUid }: LocalSettings): string {
  const setRole = role === undefined ? "" : `set_config('role', ${pg.escapeLiteral(role)}, true), `;
  return `begin; select ${setRole}set_config('stepgate.tenant_uid', ${pg.escapeLiteral(tenantUid)}, true)`;
}

function sendSettings(connection: pg.Connection, { role, tenantUid = "" as TenantUid }: LocalSettings): void {
  if (role === undefined) connection.bind({ statement: SET_TENANT.name, values: [tenantUid] }, true);
  else {
    connection.parse({ name: "", text: SET_ROLE_AND_TENANT, types: [] }, true);
    connection.bind({ values: [role, tenantUid] }, true);
  }
  // described, since the driver reads no row of a shape it was not told
  connection.describe({ type: "P" }, true);
  connection.execute(null, true);
}
