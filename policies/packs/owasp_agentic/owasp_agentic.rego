# METADATA
# title: Controls against the OWASP risks of agents
# description: |
#   Rules for what the OWASP list of risks of agentic applications calls goal hijack (ASI01), tool misuse (ASI02), identity
#   abuse (ASI03), unexpected code execution (ASI05) and memory poisoning (ASI06). What came from a tool or a model counts
#   as outside: the host says so in the origins.
package stepgate.owasp_agentic

import data.stepgate.pii_redaction.kinds
import data.stepgate.pii_redaction.masking
import data.stepgate.prompt_injection.scan

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": patches, "obligations": obligations}

# Most the host takes in one decision.
max_patches := 1000

ingress if scan.side == "pre"

from_outside if {
	some origin in input.origins
	origin.source in {"tool", "model"}
}

# Quotes in a text about attacks are passed over only where a person wrote it.
tolerance := "strict" if {
	from_outside
} else := "strict" if {
	"block_injection" in input.policy.guardrails
} else := "lenient"

injection := scan.findings(tolerance) if {
	scan.payload_given
} else := scan.none

pii := masking.findings(kinds.loud) if {
	scan.payload_given
} else := masking.none

suspicious if count(injection.suspicious) > 0

denials contains "payload_missing" if not scan.payload_given

denials contains code if some code in injection.certain

denials contains "injection.in_name" if injection.in_names

denials contains "pii.in_name" if pii.in_names

denials contains "pii.too_many" if count(all_patches) > max_patches

denials contains "asi.untrusted_instruction" if {
	ingress
	suspicious
	from_outside
}

denials contains "asi.untrusted_instruction" if {
	suspicious
	"block_injection" in input.policy.guardrails
}

denials contains "asi.memory_poisoned" if {
	input.boundary in {"ingress_memory", "egress_memory"}
	suspicious
}

denials contains "asi.secret_in_input" if {
	ingress
	count(pii.found & kinds.secrets) > 0
}

denials contains "asi.code_from_outside" if {
	runs_code
	from_outside
}

# A call that needs a person cannot be redacted and held at once.
denials contains "asi.destructive_call" if {
	needs_person
	count(all_patches) > 0
}

interpreters := {"sh", "bash", "dash", "zsh", "ksh", "fish", "python", "python3", "node", "perl", "ruby", "php", "lua", "pwsh", "powershell", "osascript"}

# A tool is what its executor does with what it gets.
performer := input.tool.executor if {
	input.tool.executor
} else := input.step.type

request := input.tool.inputs if {
	input.tool.executor
} else := input.inputs

# What would be done is not told: nothing can be said of it.
denials contains "payload_missing" if {
	ingress
	input.tool.executor
	not is_object(object.get(input.tool, "inputs", null))
}

program := parts[count(parts) - 1] if parts := split(request.command[0], "/")

runs_code if {
	ingress
	performer == "process"
	program in interpreters
	some index, argument in request.command
	index > 0
	regex.match(`^(?:-[a-z]*[ce]|-r|--eval|--command|-[Cc]ommand|-)$`, argument)
}

needs_person if {
	runs_code
	not from_outside
}

needs_person if {
	ingress
	performer == "http"
	upper(request.method) == "DELETE"
}

needs_person if {
	ingress
	input.tool.effects == "write"
	from_outside
}

approved if count(input.approvals) > 0

findings := injection.suspicious | {concat(".", ["pii", kind]) | some kind in pii.found}

held if {
	needs_person
	not approved
}

reasons := (denials | findings) | {"asi.destructive_call" | held}

effect := "deny" if {
	count(denials) > 0
} else := "hold" if {
	held
} else := "allow" if {
	count(all_patches) == 0
} else := "redact"

patches := all_patches if {
	effect == "redact"
} else := []

all_patches := array.concat(injection.patches, [patch |
	some patch in pii.patches
	not patch.path in {replaced.path | some replaced in injection.patches}
])

obligations := [{"id": "asi_approval", "type": "require_approval", "properties": {"role": "approver", "ttl_seconds": 86400}}] if {
	effect == "hold"
} else := []
