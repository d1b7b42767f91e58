# METADATA
# title: Shell and SQL commands in what comes out are redacted
# description: |
#   For the flag block_command_output: what a step returned must not be a command that somebody, or some model, runs next.
#   Looks at outputs line by line; inputs pass, since a process step is made of commands.
package stepgate.command_output

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": patches, "obligations": []}

# Most the host takes in one decision.
max_patches := 1000

placeholder := "[redacted:command]"

roots := {
	"ingress_prompt": "inputs",
	"ingress_tool": "inputs",
	"ingress_memory": "inputs",
	"scheduler": "inputs",
	"egress_prompt": "output",
	"egress_tool": "output",
	"egress_memory": "output",
	"artifact": "output",
}

# Undefined for an unknown boundary.
root := roots[input.boundary]

payload_given if {
	some name, _ in input
	name == root
}

# Words without which no pattern matches: most outputs hold none, and patterns cost far more to compile than texts to read.
cues := [
	" -", "$ ", "cat ", "curl ", "wget ", "eval ", "mkfs", "echo ", "=", "|", " install", " exec", " run", " push", " clone",
	"select ", "insert ", "update ", "delete ", "drop ", "alter ", "truncate ", "create ", "grant ", "exec ", "execute ",
]

cued if {
	root == "output"
	text := lower(json.marshal(input.output))
	some cue in cues
	contains(text, cue)
}

shell := `(?i)(?:^|[;&|]|\$\(|\x60)[ \t]*(?:[$>%][ \t]+)?(?:sudo[ \t]+)?(?:(?:rm|dd|nc|ncat|chmod|chown|kill|tar|find|xargs|awk|sed|crontab|systemctl|docker|kubectl|iptables|ssh|scp|rsync|git|pip3?|npm|npx|apt|apt-get|yum)[ \t]+(?:-|[a-z]+=|[a-z]+[ \t]+-|install\b|exec\b|run\b|push\b|clone\b)|(?:bash|sh|zsh|python3?|perl|ruby|node|php)[ \t]+-[a-z]*[ce]\b|(?:curl|wget)[ \t]+(?:-|https?:)|cat[ \t]+[/~]|mkfs|powershell(?:\.exe)?[ \t]+-|eval[ \t]+["'$(]|echo[ \t].*[|>][ \t]*\S)|\|[ \t]*(?:sudo[ \t]+)?(?:ba|z)?sh\b|^[ \t]*[$][ \t]+[a-z][a-z0-9_.-]*(?:[ \t]|$)`

sql := `(?i)\b(?:select\b.{1,400}\bfrom\b[ \t]+\S|insert[ \t]+into[ \t]+\S|update[ \t]+\S+[ \t]+set\b.*=|delete[ \t]+from[ \t]+\S|(?:drop|truncate|alter|create)[ \t]+(?:table|database|schema|user|role|view|index|function|procedure|trigger)[ \t]+\S|grant[ \t]+\S.*[ \t]on[ \t]+\S+[ \t]+to\b|union[ \t]+(?:all[ \t]+)?select\b|exec(?:ute)?[ \t]+(?:xp_|sp_|immediate\b))`

is_command(line) if regex.match(shell, line)

is_command(line) if regex.match(sql, line)

kinds_in(line) := {kind | some kind, pattern in {"command.shell": shell, "command.sql": sql}; regex.match(pattern, line)}

leaves := [[path, text] |
	cued
	walk(input.output, [path, text])
	is_string(text)
]

names := {name |
	cued
	walk(input.output, [path, _])
	name := path[count(path) - 1]
	is_string(name)
}

changed := [change |
	some [path, text] in leaves
	lines := split(text, "\n")
	found := {kind | some line in lines; some kind in kinds_in(line)}
	count(found) > 0
	value := concat("\n", [shown(line) | some line in lines])
	change := {"path": path, "found": found, "value": value}
]

shown(line) := placeholder if is_command(line)

else := line

in_names if {
	some name in names
	is_command(name)
}

faults contains "payload_missing" if not payload_given

faults contains "command.in_name" if in_names

faults contains "command.too_many" if count(changed) > max_patches

reasons := faults | {kind | some change in changed; some kind in change.found}

effect := "deny" if count(faults) > 0

else := "allow" if count(changed) == 0

else := "redact"

patches := [{"op": "replace", "path": pointer(change.path), "value": change.value} | some change in changed] if {
	effect == "redact"
} else := []

# RFC 6901 §4: ~ before /, from the root of what the pack saw.
pointer(path) := concat("/", array.concat(["", "output"], [escaped(part) | some part in path]))

escaped(part) := replace(replace(part, "~", "~0"), "/", "~1") if is_string(part)

else := format_int(part, 10)
