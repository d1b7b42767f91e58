package stepgate.internal_mail_test

import data.stepgate.internal_mail.decision

mail(to) := {"boundary": "ingress_tool", "inputs": {"to": to}}

test_colleagues_may_be_written_to if decision.effect == "allow" with input as mail(["a@example.com"])

test_one_stranger_stops_the_mail if {
	decision.reasons == ["mail.outside"] with input as mail(["a@example.com", "b@elsewhere.net"])
}

test_no_recipients_no_mail if decision.effect == "deny" with input as {"inputs": {}}
