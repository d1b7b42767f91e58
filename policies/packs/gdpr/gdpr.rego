# METADATA
# title: Personal data is minimised, special categories are hidden, transfers are named
# description: |
#   What baseline does, with all kinds of personal data redacted always (Art. 5(1)(c)), members named after special categories
#   hidden (Art. 9), a lawful basis on the run where personal data was found (Art. 6), and only named hosts for a run that is
#   labelled data=personal (Art. 44).
package stepgate.gdpr

import data.stepgate.pii_redaction.kinds
import data.stepgate.pii_redaction.masking
import data.stepgate.prompt_injection.scan

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": patches, "obligations": obligations}

# Most the host takes in one decision.
max_patches := 1000

placeholder := "[redacted:special_category]"

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

special := `(?i)^(?:religion|religious_belief|belief|philosophical_belief|ethnicity|ethnic_origin|race|racial_origin|political_(?:opinion|party|affiliation)|trade_union(?:_member(?:ship)?)?|union_member(?:ship)?|sexual_orientation|sex_life|health(?:_status|_data|_condition)?|diagnosis|diagnoses|medication|disability|genetic(?:_data)?|biometric(?:_data|_id|s)?|criminal_(?:record|conviction|offence)s?)$`

# Every value below such a name, however deep.
own_values[pointer] := placeholder if {
	scan.payload_given
	walk(scan.payload, [path, value])
	not is_object(value)
	not is_array(value)
	not is_null(value)
	value != placeholder
	some name in path
	is_string(name)
	regex.match(special, name)
	pointer := scan.pointer(path)
}

own_findings := {"gdpr.special_category" | count(own_values) > 0}

personal if count(pii.found - kinds.secrets) > 0

personal if count(own_values) > 0

lawful_bases := {"consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"}

lawful if input.run.labels.lawful_basis in lawful_bases

denials contains "gdpr.no_lawful_basis" if {
	ingress
	personal
	not lawful
}

is_personal if input.run.labels.data == "personal"

hosts := input.tenant.labels.gdpr_hosts if {
	is_array(input.tenant.labels.gdpr_hosts)
} else := []

obligations := [{"id": "gdpr_hosts", "type": "egress", "properties": {"hosts": hosts}}] if {
	is_personal
	ingress
	effect != "deny"
} else := []
