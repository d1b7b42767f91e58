/**
 * One setting: its key, what it means, its default, how its text is read.
 *
 * In: a row of a room's table (rooms/). Out: a value to build tables of. A setting without a default may stay unset and
 * is `undefined` then. Not here: reading the environment (load-config.ts), forms of values (parsers.ts).
 */
export type SettingKey = `STEPGATE_${string}`;

/** Reads a text of one form. */
export interface Parser<T> {
  /** What a value must be, for people: "an integer from 1 to 64". */
  readonly wanted: string;
  /** The value, or undefined for a text that is not of the form. Never a guess, never a fallback. */
  readonly parse: (text: string) => T | undefined;
}

export interface Setting<T> {
  readonly key: SettingKey;
  /** One sentence for the README's table. */
  readonly about: string;
  readonly wanted: string;
  /** As it would be written; undefined: unset. */
  readonly default: string | undefined;
  /** Secrets are shown nowhere and leave the environment once they are read. */
  readonly isSecret: boolean;
  readonly read: (text: string | undefined) => Reading<T>;
}

export type Reading<T> = { readonly ok: true; readonly value: T } | { readonly ok: false };

/** A room's settings by the name that its code uses. */
export type SettingTable = Readonly<Record<string, Setting<unknown>>>;

/** What a room's settings read as. */
export type SettingValues<Table extends SettingTable> = {
  readonly [Name in keyof Table]: Table[Name] extends Setting<infer Value> ? Value : never;
};

interface SettingRow<T> {
  readonly key: SettingKey;
  readonly about: string;
  readonly form: Parser<T>;
}

/** A setting that always has a value. */
export function setting<T>(row: SettingRow<T> & { readonly default: string }): Setting<T> {
  return {
    key: row.key,
    about: row.about,
    wanted: row.form.wanted,
    default: row.default,
    isSecret: false,
    read: (text = row.default) => readWith(row.form, text),
  };
}

/** A setting that may stay unset. */
export function optionalSetting<T>(row: SettingRow<T> & { readonly isSecret?: true }): Setting<T | undefined> {
  return {
    key: row.key,
    about: row.about,
    wanted: row.form.wanted,
    default: undefined,
    isSecret: row.isSecret ?? false,
    read: (text) => (text === undefined ? { ok: true, value: undefined } : readWith(row.form, text)),
  };
}

function readWith<T>(form: Parser<T>, text: string): Reading<T> {
  const value = form.parse(text);
  return value === undefined ? { ok: false } : { ok: true, value };
}
