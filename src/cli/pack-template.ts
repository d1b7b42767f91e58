/**
 * The files of a new pack: a rule that denies by default, a test that fails when the rule is broken, a case, a page.
 *
 * In: the pack's name. Out: paths with their texts. Not here: writing them (commands/pack-new.ts).
 */

/** Files by path below the pack's folder; `name` is lower case with underscores, as Rego wants it. */
export function packTemplate(name: string): Readonly<Record<string, string>> {
  return {
    "manifest.json": manifest(name),
    [`${name}.rego`]: rules(name),
    [`${name}_test.rego`]: tests(name),
    "cases/denies_an_unlisted_host.json": denied(name),
    "README.md": page(name),
  };
}

const manifest = (name: string) => `{
  "name": "${name}",
  "version": "1.0.0",
  "title": "Calls go to listed hosts only",
  "entrypoint": "stepgate/${name}/decision",
  "boundaries": ["ingress_tool"],
  "reasons": { "${name}.not_listed": "The step calls a host that is not listed." }
}
`;

const rules = (name: string) => `package stepgate.${name}

hosts := {"api.example.com"}

# what no rule below allows is denied
default decision := {"effect": "deny", "reasons": ["${name}.not_listed"], "patches": [], "obligations": []}

# METADATA
# entrypoint: true
decision := {"effect": "allow", "reasons": [], "patches": [], "obligations": []} if host_is_listed

host_is_listed if {
	some host in hosts
	startswith(input.inputs.url, sprintf("https://%s/", [host]))
}
`;

const tests = (name: string) => `package stepgate.${name}_test

import data.stepgate.${name}.decision

call(url) := {"boundary": "ingress_tool", "inputs": {"url": url}}

test_a_listed_host_is_called if decision.effect == "allow" with input as call("https://api.example.com/tickets")

test_another_host_is_denied if {
	decision.reasons == ["${name}.not_listed"] with input as call("https://api.example.com.evil.org/")
}

test_no_host_is_denied if decision.effect == "deny" with input as {"inputs": {}}
`;

const denied = (name: string) => `{
  "story": "A host whose name only begins like a listed one is denied",
  "input": { "boundary": "ingress_tool", "inputs": { "url": "https://api.example.com.evil.org/" } },
  "want": { "effect": "deny", "reasons": ["${name}.not_listed"] }
}
`;

const page = (name: string) => `# ${name}

What it stops: calls to hosts that are not in \`hosts\`. What it does not: what is sent to a listed host.

\`\`\`sh
npx stepgate pack test ${name}
\`\`\`
`;
