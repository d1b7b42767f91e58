package stepgate.refund_approval

default decision := {"effect": "deny", "reasons": ["refund.no_amount"], "patches": [], "obligations": []}

# METADATA
# entrypoint: true
decision := {"effect": "allow", "reasons": [], "patches": [], "obligations": []} if may_pass

decision := {
	"effect": "hold",
	"reasons": ["refund.needs_approval"],
	"patches": [],
	"obligations": [{
		"id": "ask",
		"type": "require_approval",
		"properties": {"role": "approver", "ttl_seconds": 3600},
	}],
} if {
	amount > 100
	not may_pass
}

amount := input.inputs.result.refund if is_number(input.inputs.result.refund)

may_pass if amount <= 100

# only approvals whose record verifies, and which are for exactly this step, are shown to packs
may_pass if {
	amount > 100
	some approval in input.approvals
	approval.role == "approver"
}

# what comes out was decided on before it went in
may_pass if startswith(input.boundary, "egress_")
