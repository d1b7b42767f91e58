# METADATA
# title: Identifiers of patients are redacted, and health data stays where it may be
# description: |
#   What baseline does, with all kinds of personal data redacted always, and record, plan and account numbers behind their
#   labels. A run labelled data=phi reaches only the hosts and models that its tenant names (hipaa_hosts, hipaa_models).
package stepgate.hipaa

import data.stepgate.pii_redaction.kinds
import data.stepgate.pii_redaction.masking
import data.stepgate.prompt_injection.scan

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": patches, "obligations": obligations}

# Most the host takes in one decision.
max_patches := 1000

placeholder := "[redacted:record_number]"

tolerance := "strict" if {
	"block_injection" in input.policy.guardrails
} else := "lenient"

injection := scan.findings(tolerance) if {
	scan.payload_given
} else := scan.none

pii := masking.findings(kinds.all) if {
	scan.payload_given
} else := masking.none

ingress if scan.side == "pre"

pii_values := {patch.path: patch.value | some patch in pii.patches}

# What personal data left of a text, for a second look at it.
seen(path, text) := pii_values[scan.pointer(path)] if {
	pii_values[scan.pointer(path)]
} else := text

denials contains "payload_missing" if not scan.payload_given

denials contains code if some code in injection.certain

denials contains "injection.in_name" if injection.in_names

denials contains "pii.in_name" if pii.in_names

denials contains "pii.too_many" if count(all_patches) > max_patches

denials contains code if {
	"block_injection" in input.policy.guardrails
	some code in injection.suspicious
}

denials contains concat(".", ["pii", kind]) if {
	"deny_on_pii" in input.policy.guardrails
	some kind in pii.found
}

findings := injection.suspicious | {concat(".", ["pii", kind]) | some kind in pii.found}

reasons := (denials | findings) | own_findings

effect := "deny" if {
	count(denials) > 0
} else := "allow" if {
	count(all_patches) == 0
} else := "redact"

patches := all_patches if {
	effect == "redact"
} else := []

# A text that is replaced as a whole is patched once; one that two rules change is patched with what both leave.
final_values := object.union(pii_values, own_values)

all_patches := array.concat(injection.patches, [{"op": "replace", "path": path, "value": value} |
	some path, value in final_values
	not path in {replaced.path | some replaced in injection.patches}
])

words := `mrn|medical[ _-]?record(?:[ _-]?(?:number|no\.?|id))?|health[ _-]?plan(?:[ _-]?(?:number|no\.?|id))?|member[ _-]?id|beneficiary(?:[ _-]?(?:number|no\.?|id))?|patient[ _-]?(?:number|no\.?|id)|account[ _-]?(?:number|no\.?)|insurance[ _-]?(?:number|no\.?|id)`

label := concat("", [`(?i)\b(?:`, words, `)\b`])

# Of the payload as JSON, where an escaped line break may stand right before a word: one look is cheaper than one a text.
labelled_somewhere if {
	scan.payload_given
	regex.match(concat("", [`(?i)`, words]), scan.whole)
}

labelled := concat("", ["(", label, `["']?[ \t]*(?:is[ \t]+)?[:#=]?[ \t]*)([A-Za-z0-9-]*[0-9][A-Za-z0-9-]{2,24})`])

# A member that is named like a label holds a number and nothing else.
number_alone := `^[A-Za-z0-9-]*[0-9][A-Za-z0-9-]{2,24}$`

own_values[pointer] := placeholder if {
	labelled_somewhere
	walk(scan.payload, [path, value])
	name := path[count(path) - 1]
	is_string(name)
	regex.match(concat("", [label, "$"]), name)
	regex.match(number_alone, text_of(value))
	pointer := scan.pointer(path)
}

own_values[pointer] := after if {
	labelled_somewhere
	some [path, text] in scan.leaves
	before := seen(path, text)
	after := regex.replace(before, labelled, concat("", ["$1", placeholder]))
	after != before
	not named_like_a_label(path)
	pointer := scan.pointer(path)
}

named_like_a_label(path) if {
	name := path[count(path) - 1]
	is_string(name)
	regex.match(concat("", [label, "$"]), name)
}

text_of(value) := value if is_string(value)

text_of(value) := json.marshal(value) if is_number(value)

own_findings := {"phi.record_number" | count(own_values) > 0}

is_phi if input.run.labels.data == "phi"

model := input.inputs.provider if {
	input.inputs.provider
} else := input.inputs.model

denials contains "phi.to_model" if {
	is_phi
	ingress
	input.step.type in {"llm", "agent"}
	not model_named
}

model_named if model in input.tenant.labels.hipaa_models

hosts := input.tenant.labels.hipaa_hosts if {
	is_array(input.tenant.labels.hipaa_hosts)
} else := []

# Six years, as long as HIPAA wants its documentation kept (45 CFR 164.316(b)(2)(i)).
retain := {"id": "hipaa_retain", "type": "retain", "properties": {"days": 2192}}

obligations := array.concat([retain], [{"id": "hipaa_hosts", "type": "egress", "properties": {"hosts": hosts}} | is_phi]) if {
	ingress
	effect != "deny"
} else := []
