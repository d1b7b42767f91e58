# METADATA
# title: What a step is about to use
# description: |
#   Its type, its tools and programs, its effect. A tool that is not registered counts as one that writes.
package stepgate.tool_acl.demand

step_type := input.step.type

tools contains input.tool.name

tools contains input.inputs.tool if step_type == "tool"

tools contains input.inputs.command[0] if step_type == "process"

effect := effects if {
	effects := input.tool.effects
} else := "none" if {
	step_type == "noop"
} else := "write"

# An entry is the name itself, `*`, or the beginning of names before a `*`.
covered(name, listed) if name in listed

covered(name, listed) if {
	some entry in listed
	endswith(entry, "*")
	startswith(name, trim_suffix(entry, "*"))
}
