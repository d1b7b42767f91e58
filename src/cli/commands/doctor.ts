/**
 * `stepgate doctor`: looks at everything a start needs and changes nothing. Exit 1 when something needs attention.
 */
import { type AddCommand, EXIT, JSON_OPTION, readConfig } from "../surroundings.ts";
import { alignColumns } from "../terminal.ts";

export const addDoctor: AddCommand = (parent, around) => {
  parent
    .command("doctor")
    .description("look at everything a start needs: Node.js, PostgreSQL, sandbox, keys, ports")
    .option(...JSON_OPTION)
    .addHelpText("after", "\nExit code: 0 all good, 1 something needs attention.\nExample:\n  npx stepgate doctor\n")
    .action(async ({ json = false }: { readonly json?: boolean }) => {
      const { terminal, exitWith } = around;
      // it looks at every room: only when it is asked
      const { findComplaints } = await import("../diagnosis.ts");
      const findings = await findComplaints(readConfig(around));
      if (json) terminal.line(JSON.stringify(findings));
      else {
        const rows = findings.map(({ name, ok, about }) => [
          ok
            ? terminal.paint("green", terminal.symbol("✔", "ok  "))
            : terminal.paint("red", terminal.symbol("✖", "FAIL")),
          name,
          about,
        ]);
        alignColumns(rows).forEach((line, at) => {
          terminal.line(line);
          const advice = findings[at]?.advice;
          if (advice !== undefined) terminal.line(`     ${advice}`);
        });
      }
      exitWith(findings.every(({ ok }) => ok) ? EXIT.done : EXIT.failed);
    });
};
