package stepgate.tool_acl_test

import data.stepgate.tool_acl

ask(labels, step_type, inputs) := {
	"boundary": "ingress_tool",
	"caller": {"key": "k", "owner": "ana", "role": "operator,submitter"},
	"inputs": inputs,
	"run": {"labels": {"team": "billing"}},
	"step": {"id": "s", "type": step_type},
	"tenant": {"id": "t", "labels": labels},
}

granted(grants, step_type, inputs) := decision if {
	decision := tool_acl.decision with input as ask({"tool_acl": {"grants": grants}}, step_type, inputs)
}

chosen(labels, options, step_type, inputs) := decision if {
	question := object.union(ask(labels, step_type, inputs), {"options": options})
	decision := tool_acl.decision with input as question
}

denied(code) := {"effect": "deny", "reasons": [code], "patches": [], "obligations": []}

hosts(id, names) := {"id": id, "type": "egress", "properties": {"hosts": names}}

all := {"step_types": ["*"], "tools": ["*"], "hosts": ["*"], "effects": ["none", "read", "write"]}

command := {"command": ["/usr/bin/sort", "-r"]}

test_denies_when_nobody_says_what_may_be_used if {
	decision := tool_acl.decision with input as ask({}, "noop", {})
	decision == denied("acl.missing")
}

test_allows_what_a_grant_covers if {
	granted([all], "process", command) == {"effect": "allow", "reasons": [], "patches": [], "obligations": []}
}

test_denies_what_no_grant_covers[why] if {
	some why, grant in {
		"another role": object.union(all, {"roles": ["admin"]}),
		"another owner": object.union(all, {"owners": ["bo"]}),
		"another label": object.union(all, {"run_labels": {"team": "legal"}}),
		"a label that is not there": object.union(all, {"run_labels": {"region": "eu"}}),
		"another type": object.union(all, {"step_types": ["http", "proc"]}),
		"another program": object.union(all, {"tools": ["/usr/bin/cat", "sort"]}),
		"another effect": object.union(all, {"effects": ["none", "read"]}),
		"no types": object.remove(all, ["step_types"]),
		"no tools": object.remove(all, ["tools"]),
		"no effects": object.remove(all, ["effects"]),
	}
	granted([grant], "process", command) == denied("acl.not_granted")
}

test_allows_by_role_owner_label_and_beginning if {
	grant := {
		"roles": ["submitter"],
		"owners": ["ana"],
		"run_labels": {"team": "billing"},
		"step_types": ["process"],
		"tools": ["/usr/bin/*"],
		"effects": ["write"],
	}
	granted([grant], "process", command).effect == "allow"
}

test_two_halves_of_a_grant_are_no_grant if {
	typed := object.union(all, {"tools": []})
	tooled := object.union(all, {"step_types": []})
	granted([typed, tooled], "process", command) == denied("acl.not_granted")
}

test_denies_a_list_that_is_not_of_the_right_form[why] if {
	some why, list in {
		"no grants": {},
		"no array": {"grants": all},
		"a grant that is none": {"grants": ["*"]},
		"an unknown field": {"grants": [object.union(all, {"tool": ["*"]})]},
		"a field that is no list": {"grants": [object.union(all, {"tools": "*"})]},
		"an item that is no text": {"grants": [object.union(all, {"hosts": [1]})]},
		"labels that are no object": {"grants": [object.union(all, {"run_labels": ["team"]})]},
	}
	decision := tool_acl.decision with input as ask({"tool_acl": list}, "noop", {})
	decision == denied("acl.malformed")
}

test_hosts_become_an_obligation if {
	one := object.union(all, {"hosts": ["b.example", "a.example:8443"]})
	other := object.union(all, {"hosts": ["a.example"], "roles": ["admin"]})
	granted([one, other], "http", {}).obligations == [hosts("acl_hosts", ["a.example:8443", "b.example"])]
	granted([object.remove(all, ["hosts"])], "http", {}).obligations == [hosts("acl_hosts", [])]
}

test_a_registered_tool_has_its_own_effect if {
	question := object.union(
		ask({"tool_acl": {"grants": [object.union(all, {"tools": ["crm.*"], "effects": ["read"]})]}}, "tool", {"tool": "crm.find"}),
		{"tool": {"name": "crm.find", "effects": "read"}},
	)
	reading := tool_acl.decision with input as question
	reading.effect == "allow"
	writing := tool_acl.decision with input as object.union(question, {"tool": {"name": "crm.find", "effects": "write"}})
	writing == denied("acl.not_granted")
}

test_a_tool_that_is_not_registered_counts_as_writing if {
	grant := object.union(all, {"effects": ["none", "read"]})
	granted([grant], "tool", {"tool": "crm.find"}) == denied("acl.not_granted")
	granted([grant], "noop", {}).effect == "allow"
}

test_options_of_the_step_only_take_away if {
	labels := {"tool_acl": {"grants": [all]}}
	chosen(labels, {"step_types": ["http"]}, "process", command) == denied("acl.step_type")
	chosen(labels, {"tools": ["/usr/bin/cat"]}, "process", command) == denied("acl.tool")
	chosen(labels, {"effects": ["read"]}, "process", command) == denied("acl.effect")
	chosen(labels, {"tools": ["/usr/bin/sort"], "step_types": ["process"]}, "process", command).effect == "allow"
	narrow := {"tool_acl": {"grants": [object.union(all, {"tools": ["/usr/bin/cat"]})]}}
	chosen(narrow, {"tools": ["*"]}, "process", command) == denied("acl.not_granted")
}

test_options_alone_are_enough if {
	decision := chosen({}, {"step_types": ["http"], "hosts": ["a.example"]}, "http", {})
	decision.effect == "allow"
	decision.obligations == [hosts("acl_step_hosts", ["a.example"])]
}

test_denies_an_empty_question if {
	decision := tool_acl.decision with input as {}
	decision == denied("acl.missing")
}
