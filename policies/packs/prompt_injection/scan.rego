# METADATA
# title: Looks for the phrases in every text of the payload
# description: |
#   In: strict or lenient. Out: codes of what is certain, codes of what is suspicious, patches for the texts that hold it, and
#   whether a name (object key) does. Lenient passes over phrases that a text about attacks quotes. Certain phrases are
#   looked for across texts too, so that cutting one in two does not hide it.
package stepgate.prompt_injection.scan

import data.stepgate.prompt_injection.cues
import data.stepgate.prompt_injection.phrases
import data.stepgate.prompt_injection.reading

placeholder := "[filtered-prompt-injection]"

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

side := {"inputs": "pre", "output": "post"}[root]

payload := input[root]

payload_given if {
	some name, _ in input
	name == root
}

none := {"certain": set(), "suspicious": set(), "patches": [], "in_names": false}

leaves := sort([[path, text] |
	walk(payload, [path, text])
	is_string(text)
])

# Texts as they follow each other in the payload, then the names.
in_order := array.concat([text | some [_, text] in leaves], sort([name | some name in names]))

texts := {text | some [_, text] in leaves}

names := {name |
	walk(payload, [path, _])
	name := path[count(path) - 1]
	is_string(name)
}

findings(tolerance) := none if {
	not cued
	not linked(whole)
} else := {"certain": certain, "suspicious": suspicious, "patches": patches, "in_names": in_names} if {
	heard := concat("\n", [considered(tolerance, text) | some text in in_order])
	certain := certain_codes(heard)
	families := suspicious_families(heard)
	held := {text: codes |
		some text in (texts | names)
		codes := suspicious_codes(families, considered(tolerance, text))
		count(codes) > 0
	}
	suspicious := {code | some codes in held; some code in codes}
	in_names := count({name | some name in names; held[name]}) > 0
	patches := [{"op": "replace", "path": pointer(path), "value": placeholder} |
		some [path, text] in leaves
		held[text]
	]
}

whole := json.marshal(payload)

ascii if reading.is_ascii(whole)

# Of the payload as JSON: one text is as good as all.
whole_readings := {reading.figures(lower(whole))} if ascii

else := reading.readings(whole)

cued if {
	some read in whole_readings
	cues.stirs(read)
}

# Fragments are ASCII.
cued if not ascii

cued_families := {family |
	some read in whole_readings
	some family in (cues.families(read) | cues.wider_families(read))
}

certain_codes(text) := {phrases.code(family) |
	readings := reading.readings(text)
	some family in cued_families
	some phrase in phrases.all.certain[family]
	some read in readings
	regex.match(phrase, read)
} | (raw_codes(phrases.all.raw_certain, text) | encoded_codes(text))

# Phrases in what an encoding hides. Decoded bytes need not be text, so nothing but a pattern may touch them.
encoded_codes(text) := {phrases.code("encoded") |
	some content in reading.decoded(text)
	some family in phrases.worth_decoding
	some phrase in phrases.all.certain[family]
	regex.match(concat("", ["(?i)", phrase]), content)
} if "encoded" in cued_families

else := set()

suspicious_families(text) := {family |
	readings := reading.readings(text)
	some family in cued_families
	some phrase in phrases.all.suspicious[family]
	some read in readings
	regex.match(phrase, read)
}

suspicious_codes(families, text) := {phrases.code(family) |
	readings := reading.readings(text)
	some family in families
	some phrase in phrases.all.suspicious[family]
	some read in readings
	regex.match(phrase, read)
} | (raw_codes(phrases.all.raw_suspicious, text) | {phrases.code("link_heavy") | linked(text)})

# Characters that readings leave out.
raw_codes(families, text) := {phrases.code(family) |
	not reading.is_ascii(text)
	some family, patterns in families
	some pattern in patterns
	regex.match(pattern, text)
}

# Twenty links and more, and little else.
linked(text) if {
	links := count(split(text, "://")) - 1
	links >= 20
	count(text) < links * 80
}

considered("strict", text) := strings.replace_n(heeding, text)

considered("lenient", text) := strings.replace_n(heeding, text) if not regex.match(attack_talk, text)

else := strings.replace_n(object.union(heeding, {quote: " " | some quote in quotes(text)}), text)

# What must not be ignored is to be heeded: contracts say so.
heeding := {concat(" ", [modal, "not", verb]): "shall heed" |
	some modal in ["shall", "must", "may", "should"]
	some verb in ["disregard", "ignore", "override", "bypass", "forget"]
}

attack_talk := `(?i)injection|attack|jailbreak|phishing|adversar|red.team|malicious|exploit|vulnerab`

quotes(text) := {match[1] |
	some match in regex.find_all_string_submatch_n(quoted, text, -1)
	count(match[1]) < 200
}

quoted := `(?:^|[\s(\[{:,>])("[^"\n]+"|“[^”\n]+”|„[^“”\n]+[“”]|«[^»\n]+»|‘[^’\n]+’|\x60[^\x60\n]+\x60|'[^'\n]+')`

# RFC 6901 §4: ~ before /, from the root of what the pack saw.
pointer(path) := concat("/", array.concat(["", root], [escaped(part) | some part in path]))

escaped(part) := replace(replace(part, "~", "~0"), "/", "~1") if is_string(part)

else := format_int(part, 10)
