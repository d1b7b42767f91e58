package stepgate.budget_caps_test

import data.stepgate.budget_caps

ask(options, more) := object.union({"boundary": "ingress_tool", "inputs": {}, "execution": {}, "policy": {}, "options": options}, more)

decide(question) := decision if {
	decision := budget_caps.decision with input as question
}

denied(code) := {"effect": "deny", "reasons": [code], "patches": [], "obligations": []}

allowed(reasons, limits) := {
	"effect": "allow",
	"reasons": reasons,
	"patches": [],
	"obligations": [{"id": "budget_caps", "type": "limit", "properties": limits}],
}

spent(used, reserved) := {"tracked": true, "tokens": {"used": used, "reserved": reserved}, "usd_micros": {"used": used, "reserved": reserved}}

test_denies_a_request_above_the_cap[why] if {
	some why, more in {
		"a hint": {"execution": {"cost_hint": {"tokens": 101}}},
		"the step's own budget": {"policy": {"budget": {"tokens": 101}}},
		"an estimate": {"inputs": {"token_estimate": 101}},
		"together with what was used": {"budget": spent(60, 0), "execution": {"cost_hint": {"tokens": 41}}},
		"together with what is reserved": {"budget": spent(40, 20), "execution": {"cost_hint": {"tokens": 41}}},
		"used up without any request": {"budget": spent(101, 0)},
	}
	decide(ask({"max_tokens": 100}, more)) == denied("budget.tokens_over_cap")
}

test_denies_a_cost_above_the_cap[why] if {
	some why, more in {
		"a hint": {"execution": {"cost_hint": {"usd_micros": 1500001}}},
		"a number": {"inputs": {"cost_estimate": 1.6}},
		"a text": {"inputs": {"cost_estimate": "1.6"}},
	}
	decide(ask({"max_usd_micros": 1500000}, more)) == denied("budget.cost_over_cap")
}

test_the_hint_counts_before_the_budget_and_the_estimate if {
	more := {"execution": {"cost_hint": {"tokens": 5}}, "policy": {"budget": {"tokens": 500}}, "inputs": {"token_estimate": 500}}
	decide(ask({"max_tokens": 100}, more)) == allowed([], {"tokens": 100})
}

test_allows_up_to_the_cap_and_warns_at_the_ratio if {
	decide(ask({"max_tokens": 100}, {"inputs": {"token_estimate": 79}})) == allowed([], {"tokens": 100})
	decide(ask({"max_tokens": 100}, {"inputs": {"token_estimate": 80}})) == allowed(["budget.near_tokens_cap"], {"tokens": 100})
	decide(ask({"max_tokens": 100}, {"inputs": {"token_estimate": 100}})) == allowed(["budget.near_tokens_cap"], {"tokens": 100})
	half := {"max_usd_micros": 1000000, "warn_ratio_ppm": 500000}
	decide(ask(half, {"inputs": {"cost_estimate": "0.5"}})) == allowed(["budget.near_cost_cap"], {"usd_micros": 1000000})
}

test_the_rest_of_the_cap_is_the_limit_of_the_token if {
	decide(ask({"max_tokens": 100, "max_usd_micros": 70}, {"budget": spent(30, 10)})) == allowed([], {"tokens": 60, "usd_micros": 30})
}

test_a_run_without_a_budget_caps_the_step_alone if {
	decide(ask({"max_tokens": 100}, {"budget": {"tracked": false}})) == allowed([], {"tokens": 100})
}

test_the_output_passes if {
	question := ask({"max_tokens": 1}, {"boundary": "egress_tool", "output": {}, "budget": spent(500, 0)})
	decide(question) == {"effect": "allow", "reasons": [], "patches": [], "obligations": []}
}

test_denies_without_a_cap[why] if {
	some why, options in {"nothing": {}, "only a ratio": {"warn_ratio_ppm": 1}, "a text": {"max_tokens": "100"}}
	decide(ask(options, {})) == denied("options_invalid")
	decide({"boundary": "ingress_tool"}) == denied("options_invalid")
}

test_a_cap_beside_a_text_is_no_cap if decide(ask({"max_tokens": 10, "max_usd_micros": "1"}, {})) == denied("options_invalid")
