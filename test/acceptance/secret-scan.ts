/**
 * What the scans of spec 00 work with: planted secrets, the spellings they are looked for in, and everything that is kept.
 */
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Test } from "tap";
import type { RunUid } from "../../src/core/ids.ts";
import { INSTANCE_SCOPE } from "../../src/storage/pool.ts";
import type { Rig } from "./rig.ts";

/** A part that no escaping changes, then characters that every escaping does. */
export const plant = (name: string) => `${name}-${randomBytes(12).toString("hex")}${TAIL}`;
export const TAIL = '-"é/~\\';

/** Every character escaped, also those that need not be. */
export const percent = (text: string) => Buffer.from(text).reduce((all, byte) => `${all}%${byte.toString(16)}`, "");
export const unicode = (text: string) =>
  [...text].map((one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`).join("");

/** A secret in the spellings under which it could lie around. */
export function spellings(secret: string): ReadonlyMap<string, string> {
  // escapings nest and change what follows: what stands before it betrays the secret through all of them
  const core = secret.slice(0, -TAIL.length);
  const bytes = Buffer.from(core);
  const sha256 = (text: string) => createHash("sha256").update(text).digest("hex");
  const found = new Map([
    ["text", core],
    ["percent", percent(core)],
    ["json ascii", unicode(core)],
    ["hex", bytes.toString("hex")],
    ["sha256", sha256(secret)],
    ["sha256 of json", sha256(JSON.stringify(secret))],
  ]);
  // base64 of a text inside another one depends on where it begins
  for (const offset of [0, 1, 2]) {
    const inside = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const sure = inside.slice(Math.ceil((offset * 8) / 6), Math.floor(((offset + bytes.length) * 8) / 6));
    found.set(`base64 at ${offset}`, sure);
    found.set(`base64url at ${offset}`, sure.replaceAll("+", "-").replaceAll("/", "_"));
  }
  return found;
}

/** Where a secret is found, by its spelling. */
export function traces(secret: string, texts: ReadonlyMap<string, string>): readonly string[] {
  const wanted = [...spellings(secret)];
  return [...texts].flatMap(([place, text]) => {
    const folded = text.toLowerCase();
    return wanted
      .filter(([name, spelling]) =>
        /hex|sha|percent|ascii/.test(name) ? folded.includes(spelling) : text.includes(spelling),
      )
      .map(([name]) => `${name} in ${place}`);
  });
}

/** Every table: its rows as text, and its binary columns as the bytes they are. */
export async function dump(rig: Rig): Promise<Map<string, string>> {
  const columns = await rig.rows(
    "select table_name, column_name from information_schema.columns where table_schema = 'stepgate' and data_type = 'bytea'",
  );
  const tables = await rig.rows(
    "select table_name from information_schema.tables where table_schema = 'stepgate' and table_type = 'BASE TABLE'",
  );
  const texts = new Map<string, string>();
  for (const { table_name: table } of tables) {
    const rows = await rig.rows(`select x::text as row from stepgate.${table} x`);
    texts.set(`table ${table}`, rows.map(({ row }) => String(row)).join("\n"));
  }
  for (const { table_name: table, column_name: column } of columns) {
    const rows = await rig.rows(
      `select encode(${column}, 'base64') as bytes from stepgate.${table} where ${column} is not null`,
    );
    const bytes = Buffer.concat(rows.map((row) => Buffer.from(String(row["bytes"]), "base64")));
    texts.set(`bytes of ${table}.${column}`, bytes.toString("utf8"));
  }
  return texts;
}

export async function openedBlobs(rig: Rig, runUid: string): Promise<ReadonlyMap<string, string>> {
  const { store, vaults } = rig.stepgate.rooms;
  const vault = await vaults.of(rig.tenantUid);
  const texts = new Map<string, string>();
  for (const { blob_id: blobId } of await rig.rows("select blob_id from stepgate.blobs where run_uid = $1", [runUid])) {
    const blob = await store.readBlob(rig.tenantUid, String(blobId) as never);
    if (blob === undefined) throw new TypeError("a blob that was just listed is gone");
    texts.set(`${blob.field} of ${blob.stepId} ${blob.blobId}`, vault.open(blob, blob));
  }
  return texts;
}

/** The answers of repeated writes, opened: they are sealed in a place of their own. */
export async function openedAnswers(rig: Rig): Promise<ReadonlyMap<string, string>> {
  const vault = await rig.stepgate.rooms.vaults.of(rig.tenantUid);
  const place = { runUid: INSTANCE_SCOPE as string as RunUid, stepId: "", field: "answer" };
  const rows = await rig.rows(
    "select idempotency_key, key_id, wrapped_key, sealed from stepgate.idempotency where tenant_uid = $1 and sealed is not null",
    [rig.tenantUid],
  );
  return new Map(
    rows.map(({ idempotency_key: key, key_id: keyId, wrapped_key: wrappedKey, sealed }) => {
      const blob = { keyId: String(keyId), wrappedKey: wrappedKey as Uint8Array, sealed: sealed as Uint8Array };
      return [`answer kept for ${String(key)}`, vault.open(blob, place)];
    }),
  );
}

/** A collector of spans: what it was sent. */
export async function collector(t: Test): Promise<{ readonly url: string; readonly text: () => string }> {
  const chunks: Buffer[] = [];
  const server = createServer((request, response) => {
    request.on("data", (bytes: Buffer) => chunks.push(bytes));
    request.on("end", () => response.writeHead(200, { "content-type": "application/json" }).end("{}"));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.close());
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}`, text: () => Buffer.concat(chunks).toString("latin1") };
}

/** Every file below the home, as text. */
export async function files(home: string): Promise<ReadonlyMap<string, string>> {
  const names = await readdir(home, { recursive: true, withFileTypes: true });
  const paths = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return new Map(
    await Promise.all(paths.map(async (path) => [`file ${path}`, await readFile(path, "latin1")] as const)),
  );
}
