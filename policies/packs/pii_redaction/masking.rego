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
	possible := with_others(hinted(wanted))
	present := {kind | some kind in possible; regex.match(patterns[kind], outline.text)}
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
		some kind in hinted(wanted)
		some change in array.concat(changed, names)
		count(split(change.after, replacement(kind))) > count(split(change.before, replacement(kind)))
	}
	in_names := count(names) > 0
	patches := [{"op": "replace", "path": pointer(change.path), "value": change.value} | some change in changed]
}

# What only subtle kinds need is not even looked for when none is wanted.
hinted(wanted) := wanted & outline.loud if count(wanted - kinds.loud) == 0

else := wanted & (outline.loud | outline.subtle)

with_others(known) := known | {other | some other, kind in kinds.known_as; kind in known}

replacement(kind) := concat("", ["[redacted:", object.get(kinds.known_as, kind, kind), "]"])

# RFC 6901 §4: ~ before /, from the root of what the pack saw.
pointer(path) := concat("/", array.concat(["", outline.root], [escaped(part) | some part in path]))

escaped(part) := replace(replace(part, "~", "~0"), "/", "~1") if is_string(part)

else := format_int(part, 10)

patterns := {kind: pattern |
	some kind, detector in kinds.table
	pattern := concat("", ["(?:", detector.lead, ")(?:", detector.span, ")(?:", detector.trail, ")"])
}

# What comes before a span, and the span between what has to stand around it.
cuts := {kind: cut |
	some kind, detector in kinds.table
	cut := concat("", ["(?s)(.*?)(", detector.lead, ")(", detector.span, ")(", detector.trail, ")"])
}

touched(present, text) if {
	some kind in present
	regex.match(patterns[kind], text)
}

# A span that hung together with another one stands free once that is replaced.
settled(possible, text) := masked_text(possible, text) if touched(possible, text)

else := text

# The order says who wins where spans overlap: what is exact before what is only likely, the longer before its parts.
masked_text(present, text) := masked(present, kind, text) if {
	count(present) == 1
	some kind in present
}

else := text39 if {
	text1 := masked(present, "private_key", text)
	text2 := masked(present, "url_password", text1)
	text3 := masked(present, "jwt", text2)
	text4 := masked(present, "bearer_token", text3)
	text5 := masked(present, "aws_access_key", text4)
	text6 := masked(present, "aws_secret_key", text5)
	text7 := masked(present, "github_token", text6)
	text8 := masked(present, "api_key", masked(present, "api_token", text7))
	text9 := masked(present, "password", text8)
	text10 := masked(present, "email", text9)
	text11 := masked(present, "crypto_address", text10)
	text12 := masked(present, "mrz", text11)
	text13 := masked(present, "mac_address", text12)
	text14 := masked(present, "iban", text13)
	text15 := masked(present, "it_fiscal_code", text14)
	text16 := masked(present, "mx_curp", text15)
	text17 := masked(present, "date_of_birth", text16)
	text18 := masked(present, "cn_resident_id", text17)
	text19 := masked(present, "payment_card", text18)
	text20 := masked(present, "ch_ahv", text19)
	text21 := masked(present, "fr_nir", text20)
	text22 := masked(present, "us_ssn", text21)
	text23 := masked(present, "br_cpf", text22)
	text24 := masked(present, "kr_rrn", text23)
	text25 := masked(present, "be_national_number", text24)
	text26 := masked(present, "se_personnummer", text25)
	text27 := masked(present, "uk_nhs", text26)
	text28 := masked(present, "in_aadhaar", text27)
	text29 := masked(present, "de_tax_id", text28)
	text30 := masked(present, "pl_pesel", text29)
	text31 := masked(present, "nl_bsn", text30)
	text32 := masked(present, "ca_sin", text31)
	text33 := masked(present, "us_bank_routing", text32)
	text34 := masked(present, "es_dni", text33)
	text35 := masked(present, "uk_nino", text34)
	text36 := masked(present, "passport", text35)
	text37 := masked(present, "street_address", text36)
	text38 := masked(present, "phone", text37)
	text39 := masked(present, "ip_address", text38)
}

masked(present, kind, text) := text if not kind in present

masked(present, kind, text) := concat("", array.concat(pieces, [rest])) if {
	kind in present
	matches := regex.find_all_string_submatch_n(cuts[kind], text, -1)
	pieces := [piece | some match in matches; some piece in [match[1], match[2], shown(kind, match[2], match[3], match[4]), match[4]]]
	rest := substring(text, sum([count(match[0]) | some match in matches]), -1)
}

shown(kind, lead, span, trail) := span if {
	kind in grouped
	count(genuine.compact(span)) < 13
}

else := in_groups(kind, span) if kind in grouped

else := span if genuine.network(kind, span, trail)

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
