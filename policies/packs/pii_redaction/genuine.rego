# METADATA
# title: Which spans are genuine, by checksums, ranges, and what stands before them
# description: A pattern finds candidates; a kind that is named in `checked` counts only where one of the rules here holds.
package stepgate.pii_redaction.genuine

import data.stepgate.pii_redaction.checksums

checked := {
	"api_key",
	"be_national_number",
	"bearer_token",
	"br_cpf",
	"ca_sin",
	"ch_ahv",
	"cn_resident_id",
	"crypto_address",
	"de_tax_id",
	"email",
	"es_dni",
	"fr_nir",
	"iban",
	"in_aadhaar",
	"ip_address",
	"it_fiscal_code",
	"kr_rrn",
	"mac_address",
	"mrz",
	"mx_curp",
	"nl_bsn",
	"passport",
	"password",
	"payment_card",
	"phone",
	"pl_pesel",
	"se_personnummer",
	"uk_nhs",
	"uk_nino",
	"us_bank_routing",
	"us_ssn",
}

genuine(kind, _, _) if not kind in checked

# A word of sixteen letters after "bearer" is prose.
genuine("bearer_token", _, span) if regex.match(`[0-9]`, span)

# Long, and no word.
genuine("api_key", _, span) if {
	count(span) >= 20
	regex.match(`[0-9]`, span)
}

# After : or = a digit or a sign; after words it takes a letter and a digit, since a sentence may go on there.
genuine("password", lead, span) if {
	regex.match(`[:=]`, lead)
	count(span) <= 64
	regex.match(`[0-9!#%&@^_+?~/\\$|-]`, span)
	not regex.match(`^[^0-9A-Za-z]*$|^[0-9]{1,2}$|^[xX.*•_-]+$`, span)
}

genuine("password", _, span) if {
	count(span) >= 6
	count(span) <= 64
	regex.match(`[0-9]`, span)
	regex.match(`[A-Za-z]`, span)
}

# "icon@2x.png" is a file.
genuine("email", _, span) if not regex.match(`@[0-9]x\.[A-Za-z]+$`, span)

# ITU-T E.164: at most 15 digits. Without + and without the North American form a number needs the word before it.
genuine("phone", _, span) if {
	startswith(span, "+")
	count(digits(span)) <= 15
	not regex.match(wide, span)
}

# NANPA: no area code has a 9 in its middle, no exchange ends in 11.
genuine("phone", _, span) if {
	regex.match(`^\(?[2-9][0-8][0-9](?:\) ?|[.-])[2-9][0-9]{2}[.-][0-9]{4}$`, span)
	substring(digits(span), 4, 2) != "11"
}

# Digits so far from each other are columns.
wide := `[ ()./-]{4}`

# After "call" or "ring" what is written like a number one dials.
genuine("phone", lead, span) if {
	count(lead) > 1
	not regex.match(wide, span)
	dialled(lead, span)
}

# French numbers and British mobile ones have a form of their own.
genuine("phone", _, span) if regex.match(`^0[1-9](?:[ .][0-9]{2}){4}$|^07[0-9]{3} [0-9]{3} ?[0-9]{3}$`, span)

dialled(lead, _) if not regex.match(`(?i)^(?:call|ring|dial|text|reach)\b`, lead)

dialled(_, span) if regex.match(`^[(0]|[ -]`, span)

genuine("ip_address", lead, span) if {
	not regex.match(`[A-Za-z]`, lead)
	parts := split(span, ".")
	count(parts) == 4
	every part in parts {
		to_number(part) < 256
	}
	not parts[0] in {"127", "0"}

	# from 224 on there are groups, masks and what is reserved
	to_number(parts[0]) < 224
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

# One separator throughout; a letter, since twelve figures may be anything; neither all the same nor to everyone.
genuine("mac_address", _, span) if {
	count(span) in {14, 17}
	not all_of({":", "-"}, span)
	plain := lower(strings.replace_n({":": "", "-": "", ".": ""}, span))
	regex.match(`[a-f]`, plain)
	replace(plain, substring(plain, 0, 1), "") != ""
}

all_of(signs, span) if {
	every sign in signs {
		contains(span, sign)
	}
}

# The address of nobody is that of no one.
genuine("crypto_address", _, span) if {
	startswith(span, "0x")
	trim(substring(lower(span), 2, -1), substring(lower(span), 2, 1)) != ""
}

genuine("crypto_address", _, span) if regex.match(`^[13]`, span)

# BIP 141 and 350: programs of 20 and 32 bytes.
genuine("crypto_address", _, span) if {
	startswith(span, "bc1")
	count(span) in {42, 62}
}

genuine("payment_card", _, number) if {
	card_issued(number)
	checksums.luhn(number)
}

genuine("iban", _, number) if checksums.iban(upper(number))

# Whether a number can begin with this group: a cheap look before groups are joined.
begins("payment_card", group) if substring(group, 0, 1) in {"2", "3", "4", "5", "6"}

begins("iban", group) if checksums.iban_length[upper(substring(group, 0, 2))]

genuine("us_bank_routing", lead, span) if {
	near(lead)
	checksums.aba(span)
}

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

genuine("de_tax_id", lead, span) if {
	near(lead)
	checksums.iso_7064_mod_11_10(compact(span))
}

genuine("it_fiscal_code", _, span) if checksums.fiscal_code(upper(compact(span)))

genuine("br_cpf", lead, span) if {
	spoken(lead, span)
	checksums.cpf(digits(span))
}

genuine("in_aadhaar", lead, span) if {
	spoken(lead, span)
	regex.match(`(?i)^$|aadh|uid|आधार`, lead)
	number := digits(span)
	count(number) == 12
	not substring(number, 0, 1) in {"0", "1"}
	checksums.verhoeff(number)
}

genuine("cn_resident_id", _, span) if checksums.cn_resident_id(upper(compact(span)))

genuine("pl_pesel", lead, span) if {
	near(lead)
	checksums.pesel(span)
}

genuine("nl_bsn", lead, span) if {
	near(lead)
	checksums.bsn(digits(span))
}

genuine("ca_sin", lead, span) if {
	near(lead)
	checksums.luhn(digits(span))
}

genuine("ch_ahv", lead, span) if {
	spoken(lead, span)
	checksums.ean_13(digits(span))
}

genuine("kr_rrn", lead, span) if {
	spoken(lead, span)
	checksums.kr_rrn(digits(span))
}

genuine("mx_curp", _, span) if checksums.curp(upper(span))

genuine("se_personnummer", lead, span) if {
	spoken(lead, span)
	number := replace(digits(span), "+", "")
	checksums.luhn(substring(number, count(number) - 10, -1))
}

genuine("be_national_number", lead, span) if {
	spoken(lead, span)
	checksums.be_national_number(digits(span))
}

genuine("mrz", _, span) if checksums.mrz(substring(span, count(span) - 44, -1))

# A number of a passport is short and mostly figures; a word has none.
genuine("passport", _, span) if {
	figures := count(regex.find_n(`[0-9]`, span, -1))
	enough(figures, count(span))
}

enough(figures, length) if {
	figures >= 3
	length in {8, 9}
}

enough(figures, _) if figures >= 5

# Digits in one piece say nothing by themselves, and a word far away is about something else.
spoken(lead, _) if {
	lead != ""
	near(lead)
}

spoken(_, span) if digits(span) != span

near(lead) if count(lead) <= 48

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

compact(span) := strings.replace_n({" ": "", "\u00a0": "", "-": "", ".": ""}, span)

# What stands before a prefix length: a network, and no one in it.
network("ip_address", span, trail) if {
	startswith(trail, "/")
	trail != "/32"
	endswith(span, ".0")
}

network("ip_address", span, trail) if {
	startswith(trail, "/")
	endswith(span, "::")
}
