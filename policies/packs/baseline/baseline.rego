# METADATA
# title: The floor, without injected instructions and without secrets
# description: |
#   What every step passes unless its tenant says otherwise. Denies certain prompt injection and replaces what is only
#   suspicious; redacts cards, accounts, social security numbers and secrets. Flags of the step make it stricter.
package stepgate.baseline

import data.stepgate.pii_redaction.kinds
import data.stepgate.pii_redaction.masking
import data.stepgate.prompt_injection.scan

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": patches, "obligations": []}

# Most the host takes in one decision.
max_patches := 1000

flagged(flag) if flag in input.policy.guardrails

all_kinds if flagged("redact_pii")

all_kinds if flagged("deny_on_pii")

wanted := kinds.all if all_kinds

else := kinds.loud

tolerance := "strict" if flagged("block_injection")

else := "lenient"

injection := scan.findings(tolerance) if scan.payload_given

else := scan.none

pii := masking.findings(wanted) if scan.payload_given

else := masking.none

obstacles contains "payload_missing" if not scan.payload_given

obstacles contains code if some code in injection.certain

obstacles contains "injection.in_name" if injection.in_names

obstacles contains "pii.in_name" if pii.in_names

obstacles contains "pii.too_many" if count(all_patches) > max_patches

forbidden if {
	flagged("deny_on_pii")
	count(pii.found) > 0
}

forbidden if {
	flagged("block_injection")
	count(injection.suspicious) > 0
}

reasons := (obstacles | injection.suspicious) | {concat(".", ["pii", kind]) | some kind in pii.found}

effect := "deny" if count(obstacles) > 0

else := "deny" if forbidden

else := "allow" if count(reasons) == 0

else := "redact"

patches := all_patches if effect == "redact"

else := []

# A text that is replaced as a whole needs no spans replaced in it.
all_patches := array.concat(injection.patches, [patch |
	some patch in pii.patches
	not patch.path in {replaced.path | some replaced in injection.patches}
])
