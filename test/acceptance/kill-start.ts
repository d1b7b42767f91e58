/**
 * Preloaded into `stepgate serve`: ends it with SIGKILL at one moment of its start, `?at=` in this module's URL.
 *
 * Moments are files and folders as the file system was asked for them ("root.key in place"), and rows as the database has
 * answered for them ("token key row"): committed, but for those of migrations, whose transactions are still open.
 */
import { flushCompileCache } from "node:module";
import pg from "pg";
import { watchFiles } from "../crash/watch-files.ts";

type Values = readonly unknown[];

const ROWS: readonly (readonly [statement: RegExp, nameOf: (values: Values) => string])[] = [
  [/insert into stepgate\.migrations\b/, ([number]) => `migration ${String(number)} row`],
  [/insert into stepgate\.instance_check\b/, () => "instance check row"],
  [/insert into stepgate\.keys\b/, ([, , purpose]) => `${String(purpose)} key row`],
  [/insert into stepgate\.trust_bundles\b/, () => "trust bundle row"],
  [/insert into stepgate\.api_keys\b/, () => "admin key row"],
  [/insert into stepgate\.tenants\b/, () => "default tenant row"],
];

/** A statement as the product hands it to the driver: plain, or one that answers by its own callback. */
interface Statement {
  readonly text?: string;
  readonly values?: Values;
  callback?: (error: Error | undefined, result: unknown) => void;
}

const at = new URL(import.meta.url).searchParams.get("at");

function reached(moment: string): void {
  if (moment !== at) return;
  // for the next start: a process that is killed keeps nothing
  flushCompileCache();
  process.kill(process.pid, "SIGKILL");
}

function momentOf({ text = "", values = [] }: Statement): string | undefined {
  return ROWS.find(([statement]) => statement.test(text))?.[1](values);
}

function watchRows(): void {
  const client: { query: (statement: Statement, ...rest: unknown[]) => unknown } = pg.Client.prototype;
  const { query } = client;
  client.query = function (statement, ...rest) {
    const moment = momentOf(statement);
    const { callback } = statement;
    if (moment !== undefined && callback !== undefined) {
      statement.callback = (error, result) => {
        if (!error) reached(moment);
        callback.call(statement, error, result);
      };
    }
    const answer = query.call(this, statement, ...rest);
    if (moment === undefined || !(answer instanceof Promise)) return answer;
    return answer.then((result: unknown) => {
      reached(moment);
      return result;
    });
  };
}

watchFiles(reached);
watchRows();
