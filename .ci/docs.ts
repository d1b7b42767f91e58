/**
 * The README's tables that say what the source says: settings, roles, endpoints, error codes, metrics.
 *
 *   node .ci/docs.ts            writes them into README.md
 *   node .ci/docs.ts --check    exit 1 when README.md says anything else
 *
 * A table stands between `<!-- generated:<name> -->` and `<!-- /generated -->`.
 */
import { readFile, writeFile } from "node:fs/promises";
import { settingRows } from "../src/config/render-config.ts";
import { ERROR_CODES } from "../src/core/errors.ts";
import { type Access, ROLE_MEANINGS, ROLES, ROUTE_ACCESS } from "../src/gateway/roles.ts";
import { METRICS, PREFIX } from "../src/telemetry/names.ts";

const README = new URL("../README.md", import.meta.url);

const TABLES: Readonly<Record<string, () => string>> = {
  settings: () =>
    table(
      ["Setting", "Default", "Meaning"],
      settingRows().map((row) => [code(row.key), row.default === "unset" ? "" : code(row.default), row.about]),
    ),
  roles: () =>
    table(
      ["Role", "Meaning", "What it may change"],
      ROLES.map((role) => [
        code(role),
        ROLE_MEANINGS[role],
        Object.entries<Access>(ROUTE_ACCESS)
          .filter(
            ([route, access]) => !route.startsWith("GET ") && access.who !== "anyone" && access.roles.includes(role),
          )
          .map(([route]) => code(route.replaceAll(/:(\w+)/g, "{$1}")))
          .join(", "),
      ]),
    ),
  endpoints: () =>
    table(
      ["Endpoint", "Who"],
      Object.entries<Access>(ROUTE_ACCESS).map(([route, access]) => [
        code(route.replaceAll(/:(\w+)/g, "{$1}")),
        who(access),
      ]),
    ),
  errors: () =>
    table(
      ["Code", "Status", "Retry", "Meaning"],
      Object.entries(ERROR_CODES).map(([name, { status, retry, summary }]) => [
        code(name),
        String(status),
        retry,
        summary,
      ]),
    ),
  metrics: () =>
    table(
      ["Metric", "Kind", "Unit", "Labels", "Meaning"],
      Object.entries(METRICS).map(([name, { kind, unit, labels, about }]) => [
        code(`${PREFIX}${name}`),
        kind,
        unit,
        labels.join(", "),
        about,
      ]),
    ),
};

/** The README's text with every generated table as the source has it now. @throws {TypeError} for a table nobody makes. */
export function renderReadme(text: string): string {
  return text.replaceAll(/<!-- generated:(\w+) -->\n[\s\S]*?<!-- \/generated -->/g, (_, name: string) => {
    const make = Object.hasOwn(TABLES, name) ? TABLES[name] : undefined;
    if (make === undefined) throw new TypeError(`there is no table ${name}`);
    return `<!-- generated:${name} -->\n${make()}\n<!-- /generated -->`;
  });
}

/** Names of all tables, for the test that each stands in the README. */
export const TABLE_NAMES = Object.keys(TABLES);

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

function who(access: Access): string {
  if (access.who === "anyone") return "anyone, no key";
  return `${access.roles.join(", ")}${access.who === "holder" ? " (of the instance or of any tenant)" : ""}`;
}

if (import.meta.main) {
  const text = await readFile(README, "utf8");
  const wanted = renderReadme(text);
  if (!process.argv.includes("--check")) await writeFile(README, wanted);
  else if (text !== wanted) {
    console.error("error: README.md is not what the source says\n  run: node_modules/.bin/node .ci/docs.ts");
    process.exitCode = 1;
  } else console.log(`README.md: ${TABLE_NAMES.length} tables equal the source`);
}
