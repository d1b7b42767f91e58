# METADATA
# title: Replaces genuine spans by [redacted:<kind>]
# description: |
#   In: the kinds wanted. Out: which of them were found, the patches, and whether a name (object key) holds one. What stands
#   around a span stays as it is, to the byte. A replaced span matches no kind again, so a second look finds nothing.
package stepgate.pii_redaction.masking

import data.stepgate.pii_redaction.genuine
import data.stepgate.pii_redaction.kinds
import data.stepgate.pii_redaction.outline

none := {"found": set(), "patches": [], "in_names": false}

findings(wanted) := none if count(hinted(wanted)) == 0

else := {"found": found, "patches": patches, "in_names": in_names} if {
	possible := hinted(wanted)
	present := {kind | some kind in possible; regex.match(pattern(kind), outline.text)}
	changed := [change |
		some [path, name, value] in outline.leaves
		before := concat("", [name, value])
		touched(present, before)
		after := settled(possible, masked_text(present, before))
		after != before
		change := {"path": path, "before": before, "after": after, "value": trim_prefix(after, name)}
	]
	names := [change |
		some before in outline.names
		touched(present, before)
		after := masked_text(present, before)
		after != before
		change := {"before": before, "after": after}
	]
	found := {kind |
		some kind in possible
		some change in array.concat(changed, names)
		count(split(change.after, replacement(kind))) > count(split(change.before, replacement(kind)))
	}
	in_names := count(names) > 0
	patches := [{"op": "replace", "path": pointer(change.path), "value": change.value} | some change in changed]
}

# What only subtle kinds need is not even looked for when none is wanted.
hinted(wanted) := wanted & outline.loud if count(wanted - kinds.loud) == 0

else := wanted & (outline.loud | outline.subtle)

replacement(kind) := concat("", ["[redacted:", kind, "]"])

# RFC 6901 §4: ~ before /, from the root of what the pack saw.
pointer(path) := concat("/", array.concat(["", outline.root], [escaped(part) | some part in path]))

escaped(part) := replace(replace(part, "~", "~0"), "/", "~1") if is_string(part)

else := format_int(part, 10)

pattern(kind) := concat("", ["(?:", detector.lead, ")(?:", detector.span, ")(?:", detector.trail, ")"]) if {
	detector := kinds.table[kind]
}

touched(present, text) if {
	some kind in present
	regex.match(pattern(kind), text)
}

# A span that hung together with another one stands free once that is replaced.
settled(possible, text) := masked_text(possible, text) if touched(possible, text)

else := text

# The order says who wins where spans overlap: what is exact before what is only likely, the longer before its parts.
masked_text(present, text) := id4 if {
	secret1 := masked(present, "private_key", text)
	secret2 := masked(present, "url_password", secret1)
	secret3 := masked(present, "jwt", secret2)
	secret4 := masked(present, "bearer_token", secret3)
	secret5 := masked(present, "aws_access_key", secret4)
	secret6 := masked(present, "aws_secret_key", secret5)
	secret7 := masked(present, "github_token", secret6)
	secret8 := masked(present, "api_token", secret7)
	contact1 := masked(present, "email", secret8)
	contact2 := masked(present, "crypto_address", contact1)
	money1 := masked(present, "iban", contact2)
	money2 := masked(present, "it_fiscal_code", money1)
	money3 := masked(present, "date_of_birth", money2)
	money4 := masked(present, "payment_card", money3)
	paper1 := masked(present, "fr_nir", money4)
	paper2 := masked(present, "us_ssn", paper1)
	paper3 := masked(present, "br_cpf", paper2)
	paper4 := masked(present, "uk_nhs", paper3)
	paper5 := masked(present, "de_tax_id", paper4)
	paper6 := masked(present, "us_bank_routing", paper5)
	id1 := masked(present, "es_dni", paper6)
	id2 := masked(present, "uk_nino", id1)
	id3 := masked(present, "passport", id2)
	id4 := masked(present, "ip_address", masked(present, "phone", id3))
}

masked(present, kind, text) := text if not kind in present

masked(present, kind, text) := concat("", array.concat(pieces, [rest])) if {
	kind in present
	detector := kinds.table[kind]
	cut := concat("", ["(?s)(.*?)(", detector.lead, ")(", detector.span, ")(", detector.trail, ")"])
	matches := regex.find_all_string_submatch_n(cut, text, -1)
	pieces := [piece | some match in matches; some piece in [match[1], match[2], shown(kind, match[2], match[3]), match[4]]]
	rest := substring(text, sum([count(match[0]) | some match in matches]), -1)
}

shown(kind, lead, span) := span if {
	kind in grouped
	count(genuine.compact(span)) < 13
}

else := in_groups(kind, span) if kind in grouped

else := replacement(kind) if genuine.genuine(kind, lead, span)

else := span

# Numbers of 13 digits and more, written in groups: what stands before or after in the same row must not hide them.
grouped := {"iban", "payment_card"}

most_groups := numbers.range(0, 9)

in_groups(kind, span) := concat("", [shown_part |
	some index, part in parts
	shown_part := shown_of_row(kind, {"index": index, "part": part, "starts": starts, "inside": inside})
]) if {
	# groups at even places, what separates them at odd ones
	parts := [match[0] | some match in regex.find_all_string_submatch_n(`[0-9A-Za-z]+|[^0-9A-Za-z]+`, span, -1)]
	groups := [part | some index, part in parts; index % 2 == 0]
	rows := {[2 * first, 2 * last] |
		some first, group in groups
		genuine.begins(kind, group)
		some more in most_groups
		last := first + more
		last < count(groups)
		number := concat("", array.slice(groups, first, last + 1))
		count(number) >= 13
		count(number) <= 34
		genuine.genuine(kind, "", number)
		evenly_written(array.slice(parts, 2 * first, (2 * last) + 1))
	}
	starts := {row[0] | some row in rows}
	inside := {index | some row in rows; some index in numbers.range(row[0] + 1, row[1]); row[1] > row[0]}
}

shown_of_row(kind, place) := "" if place.index in place.inside

else := replacement(kind) if place.index in place.starts

else := place.part

# One kind of separator, and no groups of one or two but the last: dates in a row are no card.
evenly_written(row) if {
	count({part | some index, part in row; index % 2 == 1}) <= 1
	every index, part in row {
		wide_enough(index, part, count(row) - 1)
	}
}

wide_enough(index, _, _) if index % 2 == 1

wide_enough(index, _, last) if index == last

wide_enough(_, part, _) if count(part) >= 3
