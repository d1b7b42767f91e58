# Papers of more countries, and what machines read of them: like kinds.rego, for numbers that hold a checksum. Digits in one
# piece count only after their word, which may stand a few words before them; what is written in its own form counts by itself.
package stepgate.pii_redaction.kinds

# What may stand between a word and its number: no digit, no end of line, no placeholder; how much, says genuine.rego, since
# a counted repeat costs as much as it counts.
near := `[^0-9\n\]]+`

# ICAO 9303-4: the two lines of a passport's data page.
detector["mrz"] := {
	"lead": ``,
	"span": concat("", [
		`P[A-Z<][A-Z<]{42}\s{1,2}`,
		`[A-Z0-9<]{9}[0-9][A-Z<]{3}[0-9]{7}[MFX<][0-9]{7}[A-Z0-9<]{14}[0-9<][0-9]`,
	]),
	"trail": ``,
}

detector["in_aadhaar"] := {
	"lead": concat("", [
		`(?i)(?:aadha?ar|uidai|\buid|आधार)`, near, `|`,
		`\b(?:ticket|order|invoice|case|tracking|parcel|contract|serial|part|policy|ref(?:erence)?|booking|rma|sku)\W{1,3}(?:no|number|nr)?\W{0,3}|\b`,
	]),
	"span": `[0-9]{4}(?:[ -]?[0-9]{4}){2,}`,
	"trail": `\b`,
}

detector["cn_resident_id"] := {
	"lead": `\b`,
	"span": concat("", [
		`[1-8][0-9]{5} ?(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01]) ?`,
		`[0-9]{3}[0-9Xx]`,
	]),
	"trail": `\b`,
}

detector["pl_pesel"] := {
	"lead": concat("", [`(?i)pesel`, near]),
	"span": `[0-9]{11}`,
	"trail": `\b`,
}

detector["nl_bsn"] := {
	"lead": concat("", [`(?i)(?:(?:\b|_)bsn|burgerservice|sofi-?nummer)`, near]),
	"span": `[0-9]{9}|[0-9]{4}[ .][0-9]{2}[ .][0-9]{3}|[0-9]{3}[ .][0-9]{3}[ .][0-9]{3}`,
	"trail": `\b`,
}

detector["ca_sin"] := {
	"lead": concat("", [`(?i)(?:(?:\b|_)(?:sin|nas)(?:\b|_)|social[_ ]insurance|assurance sociale)`, near]),
	"span": `[1-79][0-9]{2}[ -]?[0-9]{3}[ -]?[0-9]{3}`,
	"trail": `\b`,
}

detector["ch_ahv"] := {
	"lead": concat("", [`(?i)(?:\b|_)(?:ahv|avs|oasi|ssn)`, near, `|\b`]),
	"span": `756[. ]?[0-9]{4}[. ]?[0-9]{4}[. ]?[0-9]{2}`,
	"trail": `\b`,
}

# The checksum holds for numbers given before October 2020.
detector["kr_rrn"] := {
	"lead": concat("", [`(?i)(?:주민(?:등록)?번호|(?:\b|_)rrn|resident registration)`, near, `|\b`]),
	"span": `[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])-?[1-8][0-9]{6}`,
	"trail": `\b`,
}

detector["mx_curp"] := {
	"lead": ``,
	"span": `(?i)\b[A-Z][AEIOUX][A-Z]{2}[0-9]{6}[HMX][A-Z]{2}[B-DF-HJ-NP-TV-Z]{3}[0-9A-Z][0-9]\b`,
	"trail": ``,
}

# Days from 61 are those of a coordination number.
detector["se_personnummer"] := {
	"lead": concat("", [`(?i)(?:person(?:nummer|nr)|(?:\b|_)pnr|personal identity)`, near, `|\b`]),
	"span": `(?:19|20)?[0-9]{2}(?:0[1-9]|1[0-2])(?:[06][1-9]|[1278][0-9]|[39][01])[-+]?[0-9]{4}`,
	"trail": `\b`,
}

detector["be_national_number"] := {
	"lead": concat("", [`(?i)(?:rijksregister|registre national|num[eé]ro national|(?:\b|_)(?:niss|insz))`, near, `|\b`]),
	"span": `[0-9]{2}\.[0-9]{2}\.[0-9]{2}-[0-9]{3}\.[0-9]{2}|[0-9]{11}`,
	"trail": `\b`,
}
