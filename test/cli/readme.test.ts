/** The README says what the source says, shows files as they are, and its commands exist. */
import { readFile } from "node:fs/promises";
import t from "tap";
import { renderReadme, TABLE_NAMES } from "../../.ci/docs.ts";
import { makeProgram } from "../../src/cli/cli.ts";
import { capture } from "./captured.ts";

const readText = (path: string) => readFile(new URL(`../../${path}`, import.meta.url), "utf8");
const readme = await readText("README.md");

t.test("its tables equal the source", async (t) => {
  t.equal(readme, renderReadme(readme));
  for (const name of TABLE_NAMES) t.match(readme, `<!-- generated:${name} -->`);
  t.throws(() => renderReadme("<!-- generated:nothing -->\n<!-- /generated -->"), TypeError);
  const stale = readme.replace("| `NOT_FOUND` | 404 |", "| `NOT_FOUND` | 405 |");
  t.not(stale, readme);
  t.equal(renderReadme(stale), readme, "a table that was edited by hand is found");
});

t.test("the code it shows is the code that is tested", async (t) => {
  for (const path of [
    "policies/examples/internal_mail/internal_mail.rego",
    "policies/examples/internal_mail/internal_mail_test.rego",
  ]) {
    t.ok(readme.includes(`\`\`\`rego\n${(await readText(path)).trim()}\n\`\`\``), path);
  }
  const adapter = await readText("policies/examples/mail-adapter.ts");
  const shown = /```ts\n([\s\S]*?)\n```/.exec(readme)?.[1] ?? "nothing";
  t.ok(adapter.includes(shown), "mail-adapter.ts");
});

t.test("every command it names is one, with the options it names", async (t) => {
  const program = await makeProgram(capture().around);
  const commands = [...readme.matchAll(/npx stepgate ([^`\n#]+)/g)].map(([, rest = ""]) => rest.trim().split(/\s+/));
  t.ok(commands.length > 8);
  for (const words of commands) {
    let command = program;
    for (const word of words) {
      const next = command.commands.find((one) => one.name() === word);
      if (next === undefined) break;
      command = next;
    }
    if (words[0] !== "--help") t.not(command, program, words.join(" "));
    for (const option of words.filter((word) => word.startsWith("--") && word !== "--help")) {
      t.ok(
        command.options.some(({ long }) => long === option),
        `${words.join(" ")}: ${option}`,
      );
    }
  }
});

t.test("every command has an example in its help", async (t) => {
  const seen = capture();
  const program = await makeProgram(seen.around);
  const leaves = program.commands.flatMap((one) => (one.commands.length > 0 ? one.commands : [one]));
  t.ok(leaves.length > 12);
  for (const leaf of leaves) {
    let help = "";
    leaf.configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    leaf.outputHelp();
    t.match(help, /Example:\n {2}\S/, leaf.name());
  }
});
