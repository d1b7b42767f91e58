# METADATA
# title: Which tools, step types, hosts and effects a caller may use
# description: |
#   The tenant's grants (tenant.labels.tool_acl) say what a caller may do; what none of them covers is denied. A step's own
#   options only take away. Hosts become an obligation, so that the token, and with it the executor, keeps them.
package stepgate.tool_acl

import data.stepgate.tool_acl.demand

# METADATA
# title: The decision
# entrypoint: true
decision := {"effect": effect, "reasons": sort(reasons), "patches": [], "obligations": obligations}

acl := input.tenant.labels.tool_acl

has_acl if {
	some name, _ in input.tenant.labels
	name == "tool_acl"
}

options := object.get(input, "options", {})

restricted if count(options) > 0

reasons contains "acl.missing" if {
	not has_acl
	not restricted
}

reasons contains "acl.malformed" if {
	has_acl
	not well_formed
}

reasons contains "acl.not_granted" if {
	has_acl
	well_formed
	count(covering) == 0
}

reasons contains "acl.step_type" if {
	listed := options.step_types
	not demand.covered(demand.step_type, listed)
}

reasons contains "acl.tool" if {
	listed := options.tools
	some tool in demand.tools
	not demand.covered(tool, listed)
}

reasons contains "acl.effect" if {
	listed := options.effects
	not demand.effect in listed
}

default effect := "deny"

effect := "allow" if count(reasons) == 0

known_fields := {"roles", "owners", "run_labels", "step_types", "tools", "hosts", "effects"}

well_formed if {
	is_array(acl.grants)
	every grant in acl.grants {
		is_object(grant)
		count(object.keys(grant) - known_fields) == 0
		every field, value in grant {
			well_formed_field(field, value)
		}
	}
}

well_formed_field("run_labels", value) if is_object(value)

well_formed_field(field, value) if {
	field != "run_labels"
	is_array(value)
	every item in value {
		is_string(item)
	}
}

# Grants that cover caller, type, every tool and the effect; a field that a grant does not have grants nothing but to anyone.
covering := [grant |
	some grant in acl.grants
	is_for_caller(grant)
	demand.covered(demand.step_type, object.get(grant, "step_types", []))
	every tool in demand.tools {
		demand.covered(tool, object.get(grant, "tools", []))
	}
	demand.effect in object.get(grant, "effects", [])
]

is_for_caller(grant) if {
	has_role(object.get(grant, "roles", ["*"]))
	is_owner(object.get(grant, "owners", ["*"]))
	every name, value in object.get(grant, "run_labels", {}) {
		input.run.labels[name] == value
	}
}

has_role(listed) if "*" in listed

has_role(listed) if {
	some role in split(input.caller.role, ",")
	role in listed
}

is_owner(listed) if "*" in listed

is_owner(listed) if input.caller.owner in listed

hosts := {host | some grant in covering; some host in object.get(grant, "hosts", [])}

obligations := array.concat(
	[{"id": "acl_hosts", "type": "egress", "properties": {"hosts": sort(hosts)}} |
		effect == "allow"
		has_acl
		not "*" in hosts
	],
	[{"id": "acl_step_hosts", "type": "egress", "properties": {"hosts": options.hosts}} | effect == "allow"],
)
