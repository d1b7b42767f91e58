/**
 * Brings the schema up to date: numbered SQL files, forward only, each in one transaction with the row that records it.
 *
 * Tables, types and triggers come from the numbered files; the functions stand in files of their own, one place each, and
 * are all put in place together with the last number. So a changed function needs a new number, and an older version of
 * the product never takes a newer one's functions back. Any number of processes may start at once: each migration takes
 * the same lock, and finds what another has done. Not here: what the files say (migrations/*.sql, functions/*.sql),
 * whether the server is safe to use (check-database.ts).
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

/** What a version of the product expects of the database. */
export interface Schema {
  readonly migrations: readonly Migration[];
  /** `create or replace function` statements, without order, and what is to be done with them; a trigger follows its own. */
  readonly functions: string;
}

export interface MigrationProgress {
  readonly number: number;
  readonly name: string;
  /** How many there are in all. */
  readonly total: number;
}

const FOLDER = fileURLToPath(new URL("./", import.meta.url));

/** "SG" and 1: an advisory lock of this database, held until the transaction ends. */
export const LOCK_MIGRATIONS = "select pg_advisory_xact_lock(21319, 1)";

const CREATE_RECORD = `
  create schema if not exists stepgate;
  create table if not exists stepgate.migrations (
    number integer not null constraint migrations_pkey primary key,
    name text not null,
    digest text not null,
    applied_at timestamptz not null default now()
  );
  alter table stepgate.migrations add column if not exists functions_digest text`;

const HAS_RECORD = "select to_regclass('stepgate.migrations') is not null as exists";
// through JSON: the column came after the table
const READ_RECORD =
  "select m.number, m.digest, to_jsonb(m) ->> 'functions_digest' as functions_digest from stepgate.migrations m order by 1";
const WRITE_RECORD = "insert into stepgate.migrations (number, name, digest, functions_digest) values ($1, $2, $3, $4)";
/** The last one is flushed to disk, and with it all before it: waiting for each took a third of a first start's migrations. */
const UNFLUSHED = "set local synchronous_commit = off";
/** Functions call each other in any order; what a body names is looked up when it runs. */
const UNCHECKED_BODIES = "set local check_function_bodies = off";

/**
 * Reads `migrations/NNNN_name.sql` in order, and `functions/*.sql`.
 *
 * @throws {StepgateError} SCHEMA_CORRUPT for a gap or a strange name.
 */
export async function readSchema(folder: string = FOLDER): Promise<Schema> {
  const migrations: Migration[] = [];
  for (const [file, sql] of await readSqlFiles(join(folder, "migrations"))) {
    const [, digits = "", name = ""] = /^([0-9]{4})_([a-z0-9_]+)\.sql$/.exec(file) ?? [];
    if (Number(digits) !== migrations.length + 1) throw new StepgateError("SCHEMA_CORRUPT", { file });
    migrations.push({ number: migrations.length + 1, name, sql, digest: sha256Hex(sql) });
  }
  const functions = (await readSqlFiles(join(folder, "functions"))).map(([, sql]) => sql).join("\n");
  return { migrations, functions };
}

async function readSqlFiles(folder: string): Promise<readonly (readonly [string, string])[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith(".sql")).sort();
  return Promise.all(files.map(async (file) => [file, await readFile(join(folder, file), "utf8")] as const));
}

/**
 * Applies what is missing, and returns how many that were. The pool's user must own the schema.
 *
 * @throws {StepgateError} SCHEMA_NEWER when a later version was here, SCHEMA_CORRUPT when an applied file was changed,
 *   and whatever `Pool.query` throws; a migration that fails leaves the ones before it applied.
 */
export async function migrate(input: {
  readonly pool: Pool;
  readonly schema: Schema;
  readonly onProgress?: (progress: MigrationProgress) => void;
}): Promise<number> {
  const { pool, schema, onProgress = () => undefined } = input;
  // a migration takes as long as it takes, and so does waiting for another process's, which may hold the record itself
  const options = { isUnbounded: true };
  // the common start: everything is applied, nothing is locked
  const found = await pool.transaction((connection) => readApplied(connection, schema), options);
  if (found === schema.migrations.length) return 0;
  let applied = 0;
  while (await pool.transaction((connection) => applyNext(connection, schema, onProgress), options)) applied += 1;
  return applied;
}

/** Applies the first missing one; false when another process, or the last round, has applied them all. */
async function applyNext(
  connection: Connection,
  schema: Schema,
  onProgress: (progress: MigrationProgress) => void,
): Promise<boolean> {
  await connection.query(LOCK_MIGRATIONS);
  await connection.query(CREATE_RECORD);
  const next = schema.migrations[await readApplied(connection, schema)];
  if (next === undefined) return false;
  const total = schema.migrations.length;
  onProgress({ number: next.number, name: next.name, total });
  const isLast = next.number === total;
  if (!isLast) await connection.query(UNFLUSHED);
  await connection.query(next.sql);
  if (isLast) {
    await connection.query(UNCHECKED_BODIES);
    await connection.query(schema.functions);
  }
  const functionsDigest = isLast ? sha256Hex(schema.functions) : null;
  await connection.query(WRITE_RECORD, [next.number, next.name, next.digest, functionsDigest]);
  return true;
}

/** How many of ours the database has, after checking that they are ours. */
async function readApplied(connection: Connection, { migrations, functions }: Schema): Promise<number> {
  const { rows: found } = await connection.query<{ exists: boolean }>(HAS_RECORD);
  if (found[0]?.exists !== true) return 0;
  const { rows } = await connection.query<AppliedRow>(READ_RECORD);
  if (rows.length > migrations.length) {
    throw new StepgateError("SCHEMA_NEWER", { applied: rows.length, known: migrations.length });
  }
  rows.forEach((row, index) => {
    const ours = migrations[index];
    if (row.number !== index + 1 || row.digest !== ours?.digest) {
      throw new StepgateError("SCHEMA_CORRUPT", { number: index + 1 });
    }
  });
  if (rows.length === migrations.length && rows.at(-1)?.functions_digest !== sha256Hex(functions)) {
    throw new StepgateError("SCHEMA_CORRUPT", { number: rows.length, reason: "functions changed without a number" });
  }
  return rows.length;
}

interface AppliedRow {
  readonly number: number;
  readonly digest: string;
  readonly functions_digest: string | null;
}
