# METADATA
# title: A step's own caps on tokens and money
# description: |
#   Counts what the run has used and reserved and what this step asks for against the caps in the step's options. Below them
#   the rest becomes a limit of the token, so that the executor stops there too. At the output there is nothing left to stop.
package stepgate.budget_caps

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(faults | near), "patches": [], "obligations": obligations}

default default_warn_ratio_ppm := 800000

options := object.get(input, "options", {})

warn_ratio_ppm := object.get(options, "warn_ratio_ppm", default_warn_ratio_ppm)

ingress if input.boundary in {"ingress_prompt", "ingress_tool", "ingress_memory", "scheduler"}

# cap: option, side of the budget, words of its reasons, limit of the token
caps := {
	"max_tokens": {"side": "tokens", "over": "budget.tokens_over_cap", "near": "budget.near_tokens_cap"},
	"max_usd_micros": {"side": "usd_micros", "over": "budget.cost_over_cap", "near": "budget.near_cost_cap"},
}

given[name] := cap if {
	some name, cap in caps
	is_number(options[name])
}

faults contains "options_invalid" if count(given) == 0

faults contains "options_invalid" if {
	some name, value in options
	not is_number(value)
}

faults contains cap.over if {
	ingress
	some name, cap in given
	total(cap.side) > options[name]
}

near contains cap.near if {
	ingress
	some name, cap in given
	total(cap.side) * 1000000 >= options[name] * warn_ratio_ppm
	total(cap.side) <= options[name]
	total(cap.side) > 0
}

effect := "deny" if count(faults) > 0

else := "allow"

total(side) := spent(side) + asked(side)

# A run without a budget is not counted: there the cap holds for the step alone.
spent(side) := total_spent if {
	total_spent := input.budget[side].used + input.budget[side].reserved
} else := 0

# As the host reads a step's request: hint, then its own cap, then the estimate in its inputs.
asked(side) := hint if {
	hint := input.execution.cost_hint[side]
} else := own if {
	own := input.policy.budget[side]
} else := estimate if {
	side == "tokens"
	estimate := input.inputs.token_estimate
} else := round(input.inputs.cost_estimate * 1000000) if {
	side == "usd_micros"
	is_number(input.inputs.cost_estimate)
}

else := round(to_number(input.inputs.cost_estimate) * 1000000) if side == "usd_micros"

else := 0

limits := {side: rest |
	some name, cap in given
	side := cap.side
	rest := options[name] - spent(side)
}

obligations := [{"id": "budget_caps", "type": "limit", "properties": limits}] if {
	ingress
	effect == "allow"
} else := []
