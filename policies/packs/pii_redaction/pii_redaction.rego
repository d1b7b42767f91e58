# METADATA
# title: Personal data and secrets are redacted
# description: |
#   Looks at every string, long number and name of the payload. What it finds it redacts, denies or only reports, by the
#   step's options and flags; a step can make it stricter, never laxer.
package stepgate.pii_redaction

import data.stepgate.pii_redaction.kinds
import data.stepgate.pii_redaction.masking
import data.stepgate.pii_redaction.outline

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": patches, "obligations": []}

# Most the host takes in one decision.
max_patches := 1000

side := {"inputs": "pre", "output": "post"}[outline.root]

# What the step's own entries for this side of the step say; the host may hand over the options by themselves too.
entries contains options if {
	some pack in input.policy.packs
	pack.name == "pii_redaction"
	side in object.get(pack, "hooks", ["pre", "post"])
	options := object.get(pack, "options", {})
}

entries contains input.options

modes contains object.get(options, "mode", "redact") if some options in entries

modes contains "redact" if count(entries) == 0

modes contains "redact" if "redact_pii" in input.policy.guardrails

modes contains "deny" if "deny_on_pii" in input.policy.guardrails

known_modes := {"allow", "deny", "redact"}

wanted contains kind if {
	some options in entries
	some kind in object.get(options, "kinds", kinds.all)
}

wanted contains kind if {
	count(entries) == 0
	some kind in kinds.all
}

wanted contains kind if {
	some flag in {"redact_pii", "deny_on_pii"}
	flag in input.policy.guardrails
	some kind in kinds.all
}

faults contains "payload_missing" if not payload_given

faults contains "options_invalid" if modes - known_modes != set()

faults contains "options_invalid" if wanted - kinds.all != set()

payload_given if {
	some name, _ in input
	name == outline.root
}

findings := masking.findings(wanted) if count(faults) == 0

else := {"found": set(), "patches": [], "in_names": false}

obstacles contains "pii.in_name" if findings.in_names

obstacles contains "pii.too_many" if count(findings.patches) > max_patches

reasons contains concat(".", ["pii", kind]) if some kind in findings.found

reasons contains code if some code in faults

reasons contains code if {
	redacting
	some code in obstacles
}

denying if "deny" in modes

redacting if {
	"redact" in modes
	not denying
}

effect := "deny" if count(faults) > 0

else := "allow" if count(findings.found) == 0

else := "deny" if denying

else := "allow" if not redacting

else := "deny" if count(obstacles) > 0

else := "redact"

patches := findings.patches if effect == "redact"

else := []
