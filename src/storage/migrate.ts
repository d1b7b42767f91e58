/**
 * Brings the schema up to date: numbered SQL files, forward only, each in one transaction with the row that records it.
 *
 * Any number of processes may start at once: each migration takes the same lock, and finds what another has done.
 * Not here: what the migrations say (migrations/*.sql), whether the server is safe to use (check-database.ts).
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sha256Hex } from "../core/canonical-json.ts";
import { StepgateError } from "../core/errors.ts";
import type { Connection, Pool } from "./pool.ts";

export interface Migration {
  /** 1, 2, 3 …, without a gap. */
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  /** SHA-256 of the file. */
  readonly digest: string;
}

export interface MigrationProgress {
  readonly number: number;
  readonly name: string;
  /** How many there are in all. */
  readonly total: number;
}

const FOLDER = fileURLToPath(new URL("./migrations/", import.meta.url));

/** "SG" and 1: an advisory lock of this database, held until the transaction ends. */
const LOCK_MIGRATIONS = "select pg_advisory_xact_lock(21319, 1)";

const CREATE_RECORD = `
  create schema if not exists stepgate;
  create table if not exists stepgate.migrations (
    number integer not null constraint migrations_pkey primary key,
    name text not null,
    digest text not null,
    applied_at timestamptz not null default now()
  )`;

const HAS_RECORD = "select to_regclass('stepgate.migrations') is not null as exists";
const READ_RECORD = "select number, digest from stepgate.migrations order by number";
const WRITE_RECORD = "insert into stepgate.migrations (number, name, digest) values ($1, $2, $3)";

/** Reads `NNNN_name.sql` files in order. @throws {StepgateError} SCHEMA_CORRUPT for a gap or a strange name. */
export async function readMigrations(folder: string = FOLDER): Promise<readonly Migration[]> {
  const migrations: Migration[] = [];
  for (const file of (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort()) {
    const [, digits = "", name = ""] = /^([0-9]{4})_([a-z0-9_]+)\.sql$/.exec(file) ?? [];
    if (Number(digits) !== migrations.length + 1) throw new StepgateError("SCHEMA_CORRUPT", { file });
    const sql = await readFile(join(folder, file), "utf8");
    migrations.push({ number: migrations.length + 1, name, sql, digest: sha256Hex(sql) });
  }
  return migrations;
}

/**
 * Applies what is missing, and returns how many that were. The pool's user must own the schema.
 *
 * @throws {StepgateError} SCHEMA_NEWER when a later version was here, SCHEMA_CORRUPT when an applied file was changed,
 *   and whatever `Pool.query` throws; a migration that fails leaves the ones before it applied.
 */
export async function migrate(input: {
  readonly pool: Pool;
  readonly migrations: readonly Migration[];
  readonly onProgress?: (progress: MigrationProgress) => void;
}): Promise<number> {
  const { pool, migrations, onProgress = () => undefined } = input;
  // the common start: everything is applied, nothing is locked
  if ((await readApplied(pool, migrations)) === migrations.length) return 0;
  let applied = 0;
  // a migration takes as long as it takes, and so does waiting for another process's
  const options = { isUnbounded: true };
  while (await pool.transaction((connection) => applyNext(connection, migrations, onProgress), options)) applied += 1;
  return applied;
}

/** Applies the first missing one; false when another process, or the last round, has applied them all. */
async function applyNext(
  connection: Connection,
  migrations: readonly Migration[],
  onProgress: (progress: MigrationProgress) => void,
): Promise<boolean> {
  await connection.query(LOCK_MIGRATIONS);
  await connection.query(CREATE_RECORD);
  const next = migrations[await readApplied(connection, migrations)];
  if (next === undefined) return false;
  onProgress({ number: next.number, name: next.name, total: migrations.length });
  await connection.query(next.sql);
  await connection.query(WRITE_RECORD, [next.number, next.name, next.digest]);
  return true;
}

/** How many of ours the database has, after checking that they are ours. */
async function readApplied(connection: Connection, migrations: readonly Migration[]): Promise<number> {
  const { rows: found } = await connection.query<{ exists: boolean }>(HAS_RECORD);
  if (found[0]?.exists !== true) return 0;
  const { rows } = await connection.query<{ number: number; digest: string }>(READ_RECORD);
  if (rows.length > migrations.length) {
    throw new StepgateError("SCHEMA_NEWER", { applied: rows.length, known: migrations.length });
  }
  rows.forEach((row, index) => {
    const ours = migrations[index];
    if (row.number !== index + 1 || row.digest !== ours?.digest) {
      throw new StepgateError("SCHEMA_CORRUPT", { number: index + 1 });
    }
  });
  return rows.length;
}
