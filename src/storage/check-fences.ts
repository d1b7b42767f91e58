/**
 * Whether row security holds for the gateway's role (spec 10, K7): what the role is, whose it is a member, what it reaches.
 *
 * In: the gateway's own pool, so that exactly what it runs as is judged. Not here: making the fences (functions/roles.sql).
 */
import { StepgateError } from "../core/errors.ts";
import type { TenantPool } from "./pool.ts";
import { INSTANCE_SCOPE } from "./pool.ts";
import { READ_FENCES } from "./statements/fences.ts";

interface FenceRow {
  readonly role: string;
  /** What lets the role pass every fence, or "". */
  readonly power: string;
  /** A role it may turn into that could, or "". */
  readonly member_of: string;
  /** A tenant's table that it reaches without row security, or "". */
  readonly open_table: string;
}

/**
 * Checks the role that the pool's statements run as.
 *
 * @throws {StepgateError} STORE_FENCE_OPEN with `reason` (`superuser`, `bypassrls`, `createrole`, `replication`, `server_files`,
 *   `owner`, `every_tenant`, `member_of`, `open_table`), `role` and what was found; what `Connection.query` throws.
 */
export async function checkFences(pool: TenantPool): Promise<void> {
  const { rows } = await pool.within(INSTANCE_SCOPE).query<FenceRow>(READ_FENCES);
  const [row] = rows;
  if (row === undefined)
    throw new StepgateError("STORE_FENCE_OPEN", { reason: "the server tells nothing about the role" });
  const { role, power, member_of: memberOf, open_table: openTable } = row;
  if (power !== "") throw new StepgateError("STORE_FENCE_OPEN", { reason: power, role });
  if (memberOf !== "") throw new StepgateError("STORE_FENCE_OPEN", { reason: "member_of", role, other: memberOf });
  if (openTable !== "") throw new StepgateError("STORE_FENCE_OPEN", { reason: "open_table", role, table: openTable });
}
