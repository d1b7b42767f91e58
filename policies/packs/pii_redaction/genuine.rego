# METADATA
# title: Which spans are genuine, by checksums, ranges, and what stands before them
# description: A pattern finds candidates; a kind that is named in `checked` counts only where one of the rules here holds.
package stepgate.pii_redaction.genuine

import data.stepgate.pii_redaction.checksums

checked := {
	"bearer_token",
	"br_cpf",
	"crypto_address",
	"de_tax_id",
	"email",
	"es_dni",
	"fr_nir",
	"iban",
	"ip_address",
	"it_fiscal_code",
	"payment_card",
	"phone",
	"uk_nhs",
	"uk_nino",
	"us_bank_routing",
	"us_ssn",
}

genuine(kind, _, _) if not kind in checked

# A word of sixteen letters after "bearer" is prose.
genuine("bearer_token", _, span) if regex.match(`[0-9]`, span)

# "icon@2x.png" is a file.
genuine("email", _, span) if not regex.match(`@[0-9]x\.[A-Za-z]+$`, span)

# ITU-T E.164: at most 15 digits. Without + and without the North American form a number needs the word before it.
genuine("phone", _, span) if {
	startswith(span, "+")
	count(digits(span)) <= 15
}

genuine("phone", _, span) if regex.match(`^\(?[2-9][0-9]{2}(?:\) ?|[.-])[2-9][0-9]{2}[.-][0-9]{4}$`, span)

genuine("phone", lead, _) if count(lead) > 1

genuine("ip_address", _, span) if {
	parts := split(span, ".")
	count(parts) == 4
	every part in parts {
		to_number(part) < 256
	}
	not split(span, ".")[0] in {"127", "0"}
}

# Eight groups, or a :: whose first group looks like an address, since a::b is a name in programs.
genuine("ip_address", _, span) if {
	groups := split(span, ":")
	count(groups) == 8
	not "" in groups
}

genuine("ip_address", _, span) if {
	count(split(span, "::")) == 2
	groups := split(span, ":")
	count(groups[0]) >= 3
	regex.match(`[0-9]`, groups[0])
	groups[count(groups) - 1] != groups[0]
}

genuine("crypto_address", _, span) if startswith(span, "0x")

genuine("crypto_address", _, span) if regex.match(`^[13]`, span)

# BIP 173: 14 to 74 characters.
genuine("crypto_address", _, span) if {
	startswith(span, "bc1")
	count(span) >= 14
	count(span) <= 74
}

genuine("payment_card", _, number) if {
	card_issued(number)
	checksums.luhn(number)
}

genuine("iban", _, number) if checksums.iban(upper(number))

# Whether a number can begin with this group: a cheap look before groups are joined.
begins("payment_card", group) if substring(group, 0, 1) in {"2", "3", "4", "5", "6"}

begins("iban", group) if checksums.iban_length[upper(substring(group, 0, 2))]

genuine("us_bank_routing", _, span) if checksums.aba(span)

# SSA: no area 000, 666 or 9xx, no group 00, no serial 0000. The two numbers of old advertisements are no one's.
genuine("us_ssn", lead, span) if {
	spoken(lead, span)
	number := digits(span)
	not substring(number, 0, 3) in {"000", "666"}
	not startswith(number, "9")
	substring(number, 3, 2) != "00"
	substring(number, 5, 4) != "0000"
	not number in {"078051120", "219099999"}
}

genuine("uk_nhs", lead, span) if {
	spoken(lead, span)
	checksums.nhs(digits(span))
}

# HMRC: prefixes that are never issued.
genuine("uk_nino", _, span) if not upper(substring(span, 0, 2)) in {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}

genuine("es_dni", _, span) if checksums.dni(upper(compact(span)))

genuine("fr_nir", _, span) if checksums.nir(upper(compact(span)))

genuine("de_tax_id", _, span) if checksums.iso_7064_mod_11_10(compact(span))

genuine("it_fiscal_code", _, span) if checksums.fiscal_code(upper(span))

genuine("br_cpf", lead, span) if {
	spoken(lead, span)
	checksums.cpf(digits(span))
}

# Digits in one piece say nothing by themselves.
spoken(lead, _) if lead != ""

spoken(_, span) if digits(span) != span

# ISO/IEC 7812: first digits and lengths that issuers use. Numbers that start with 1 are mostly times.
card_issued(number) if {
	count(number) == 13
	startswith(number, "4")
}

card_issued(number) if {
	count(number) == 14
	substring(number, 0, 2) in {"30", "36", "38", "39"}
}

card_issued(number) if {
	count(number) == 15
	substring(number, 0, 2) in {"34", "37"}
}

card_issued(number) if {
	count(number) >= 16
	count(number) <= 19
	start := to_number(substring(number, 0, 2))
	start >= 22
	start < 70
	not start in {28, 29}
}

digits(span) := strings.replace_n({" ": "", "-": "", ".": "", "/": "", "(": "", ")": "", "+": ""}, span)

compact(span) := strings.replace_n({" ": "", "-": "", ".": ""}, span)
