package stepgate.refund_approval_test

import data.stepgate.refund_approval.decision

refund(amount, approvals) := {
	"boundary": "ingress_tool",
	"inputs": {"result": {"refund": amount}},
	"approvals": approvals,
}

test_small_refunds_pass if decision.effect == "allow" with input as refund(100, [])

test_large_refunds_wait if {
	decision.effect == "hold" with input as refund(101, [])
	decision.reasons == ["refund.needs_approval"] with input as refund(101, [])
}

test_an_hour_is_given_to_an_approver if {
	properties := decision.obligations[0].properties with input as refund(101, [])
	properties == {"role": "approver", "ttl_seconds": 3600}
}

test_approved_refunds_pass if decision.effect == "allow" with input as refund(101, [{"role": "approver"}])

test_an_approval_by_another_role_does_not_count if {
	decision.effect == "hold" with input as refund(101, [{"role": "operator"}])
}

test_no_amount_no_refund if {
	decision.reasons == ["refund.no_amount"] with input as {"boundary": "ingress_tool", "inputs": {}}
	decision.reasons == ["refund.no_amount"] with input as refund("all of it", [])
}

test_what_comes_out_is_left_alone if decision.effect == "allow" with input as {"boundary": "egress_tool", "output": {}}
