# METADATA
# title: Instructions smuggled into what a model reads are stopped
# description: |
#   What is certain is denied. What is only suspicious is replaced as a whole by a placeholder, or denied where the step asks
#   for it. These are signals, no proof: a text that argues well passes.
package stepgate.prompt_injection

import data.stepgate.prompt_injection.scan

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": patches, "obligations": []}

# Most the host takes in one decision.
max_patches := 1000

entries contains options if {
	some pack in input.policy.packs
	pack.name == "prompt_injection"
	scan.side in object.get(pack, "hooks", ["pre", "post"])
	options := object.get(pack, "options", {})
}

entries contains input.options

actions contains object.get(options, "suspicious", "redact") if some options in entries

known_actions := {"deny", "redact"}

strict if "deny" in actions

strict if "block_injection" in input.policy.guardrails

faults contains "payload_missing" if not scan.payload_given

faults contains "options_invalid" if actions - known_actions != set()

tolerance := "strict" if strict

else := "lenient"

findings := scan.findings(tolerance) if count(faults) == 0

else := scan.none

reasons := (faults | (findings.certain | findings.suspicious)) | names

names := {"injection.in_name"} if findings.in_names

else := set()

effect := "deny" if count(faults) > 0

else := "deny" if count(findings.certain) > 0

else := "allow" if count(findings.suspicious) == 0

else := "deny" if strict

else := "deny" if findings.in_names

else := "deny" if count(findings.patches) > max_patches

else := "redact"

patches := findings.patches if effect == "redact"

else := []
