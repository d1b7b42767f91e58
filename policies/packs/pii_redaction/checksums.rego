# METADATA
# title: Check digits of cards, accounts and identity numbers
# description: Every function takes the number without separators, letters in upper case, and holds when it checks out.
package stepgate.pii_redaction.checksums

# ISO/IEC 7812-1 annex B (Luhn).
luhn(number) if {
	figures := split(number, "")
	last := count(figures) - 1
	total := sum([value |
		some index, figure in figures
		value := luhn_value((last - index) % 2, figure)
	])
	total % 10 == 0
}

luhn_value(0, figure) := to_number(figure)

luhn_value(1, figure) := doubled[figure]

doubled := {"0": 0, "1": 2, "2": 4, "3": 6, "4": 8, "5": 1, "6": 3, "7": 5, "8": 7, "9": 9}

# ISO 13616: the country's length, then ISO 7064 mod 97-10 over the number with its first four characters last.
iban(number) if {
	count(number) == iban_length[substring(number, 0, 2)]
	turned := concat("", [substring(number, 4, -1), substring(number, 0, 4)])
	to_number(strings.replace_n(letter_values, turned)) % 97 == 1
}

letter_values := {upper(letter): format_int(9 + position, 10) |
	some position, letter in split(alphabet, "")
	position > 0
}

# The first character stands for position 0, so that a is 1.
alphabet := "-abcdefghijklmnopqrstuvwxyz"

# SWIFT, IBAN registry.
iban_length := {
	"AD": 24, "AE": 23, "AL": 28, "AT": 20, "AZ": 28, "BA": 20, "BE": 16, "BG": 22, "BH": 22, "BI": 27,
	"BR": 29, "BY": 28, "CH": 21, "CR": 22, "CY": 28, "CZ": 24, "DE": 22, "DJ": 27, "DK": 18, "DO": 28,
	"EE": 20, "EG": 29, "ES": 24, "FI": 18, "FK": 18, "FO": 18, "FR": 27, "GB": 22, "GE": 22, "GI": 23,
	"GL": 18, "GR": 27, "GT": 28, "HN": 28, "HR": 21, "HU": 28, "IE": 22, "IL": 23, "IQ": 23, "IS": 26,
	"IT": 27, "JO": 30, "KW": 30, "KZ": 20, "LB": 28, "LC": 32, "LI": 21, "LT": 20, "LU": 20, "LV": 21,
	"LY": 25, "MC": 27, "MD": 24, "ME": 22, "MK": 19, "MN": 20, "MR": 27, "MT": 31, "MU": 30, "NI": 28,
	"NL": 18, "NO": 15, "OM": 23, "PK": 24, "PL": 28, "PS": 29, "PT": 25, "QA": 29, "RO": 24, "RS": 22,
	"RU": 33, "SA": 24, "SC": 31, "SD": 18, "SE": 24, "SI": 19, "SK": 24, "SM": 27, "SO": 23, "ST": 25,
	"SV": 28, "TL": 23, "TN": 24, "TR": 26, "UA": 29, "VA": 22, "VG": 24, "XK": 20, "YE": 30,
}

# ABA: weights 3, 7, 1; and the ranges the Federal Reserve assigns.
aba(number) if {
	weighted(number, [3, 7, 1, 3, 7, 1, 3, 7, 1]) % 10 == 0
	regex.match(`^(?:0[0-9]|1[0-2]|2[1-9]|3[0-2]|6[1-9]|7[0-2]|80)`, number)
}

# NHS Data Dictionary: weights 10 to 2, mod 11; 10 is never a check digit.
nhs(number) if {
	remainder := weighted(substring(number, 0, 9), [10, 9, 8, 7, 6, 5, 4, 3, 2]) % 11
	to_number(substring(number, 9, 1)) == (11 - remainder) % 11
}

# Spain: the rest by 23 names the letter; X, Y, Z of a NIE count as 0, 1, 2.
dni(number) if {
	figures := strings.replace_n({"X": "0", "Y": "1", "Z": "2"}, substring(number, 0, 8))
	substring("TRWAGMYFPDXBNJZSQVHLCKE", to_number(figures) % 23, 1) == substring(number, 8, 1)
}

# France: 97 minus the rest by 97; departments 2A and 2B of Corsica count as 19 and 18.
nir(number) if {
	figures := strings.replace_n({"2A": "19", "2B": "18"}, substring(number, 0, 13))
	97 - (to_number(figures) % 97) == to_number(substring(number, 13, 2))
}

# ISO 7064 mod 11,10, as in the German tax id: ten digits and their check digit.
iso_7064_mod_11_10(number) if {
	figures := [to_number(figure) | some figure in split(number, "")]
	half := after(after(after(after(after(10, figures[0]), figures[1]), figures[2]), figures[3]), figures[4])
	rest := after(after(after(after(after(half, figures[5]), figures[6]), figures[7]), figures[8]), figures[9])
	(11 - rest) % 10 == figures[10]
}

after(product, figure) := (10 * 2) % 11 if (product + figure) % 10 == 0

else := (((product + figure) % 10) * 2) % 11

# Decree of 23 December 1976: characters at odd places by table, at even places by value, mod 26.
fiscal_code(code) if {
	figures := split(code, "")
	odd := [odd_values[figures[index]] | some index in [0, 2, 4, 6, 8, 10, 12, 14]]
	even := [even_value(figures[index]) | some index in [1, 3, 5, 7, 9, 11, 13]]
	substring("ABCDEFGHIJKLMNOPQRSTUVWXYZ", (sum(odd) + sum(even)) % 26, 1) == figures[15]
}

even_value(figure) := to_number(figure) if contains("0123456789", figure)

else := indexof("ABCDEFGHIJKLMNOPQRSTUVWXYZ", figure)

odd_values := {
	"0": 1, "1": 0, "2": 5, "3": 7, "4": 9, "5": 13, "6": 15, "7": 17, "8": 19, "9": 21,
	"A": 1, "B": 0, "C": 5, "D": 7, "E": 9, "F": 13, "G": 15, "H": 17, "I": 19, "J": 21,
	"K": 2, "L": 4, "M": 18, "N": 20, "O": 11, "P": 3, "Q": 6, "R": 8, "S": 12, "T": 14,
	"U": 16, "V": 10, "W": 22, "X": 25, "Y": 24, "Z": 23,
}

# Receita Federal: two check digits, mod 11, 10 counts as 0; one digit eleven times checks out and is nobody.
cpf(number) if {
	check_digit(number, [10, 9, 8, 7, 6, 5, 4, 3, 2]) == to_number(substring(number, 9, 1))
	check_digit(number, [11, 10, 9, 8, 7, 6, 5, 4, 3, 2]) == to_number(substring(number, 10, 1))
	replace(number, substring(number, 0, 1), "") != ""
}

check_digit(number, weights) := ((weighted(number, weights) * 10) % 11) % 10

# Verhoeff, as in Aadhaar: the digit's turn by its place from the right, then what the dihedral group makes of it.
verhoeff(number) if {
	figures := split(number, "")
	turned := [to_number(substring(verhoeff_turns[(11 - place) % 8], to_number(figure), 1)) | some place, figure in figures]
	half := joined(joined(joined(joined(joined(turned[11], turned[10]), turned[9]), turned[8]), turned[7]), turned[6])
	joined(joined(joined(joined(joined(joined(half, turned[5]), turned[4]), turned[3]), turned[2]), turned[1]), turned[0]) == 0
}

joined(left, right) := to_number(substring(verhoeff_group[left], right, 1))

verhoeff_group := [
	"0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
	"5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
]

verhoeff_turns := [
	"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258",
]

# GB 11643: ISO 7064 mod 11-2.
cn_resident_id(number) if {
	total := weighted(substring(number, 0, 17), [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2])
	substring("10X98765432", total % 11, 1) == substring(number, 17, 1)
}

pesel(number) if weighted(number, [1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1]) % 10 == 0

# The "elfproef": the last digit counts negative.
bsn(number) if {
	weighted(number, [9, 8, 7, 6, 5, 4, 3, 2, -1]) % 11 == 0
	number != "000000000"
}

ean_13(number) if weighted(number, [1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1, 3, 1]) % 10 == 0

kr_rrn(number) if {
	total := weighted(substring(number, 0, 12), [2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5])
	(11 - (total % 11)) % 10 == to_number(substring(number, 12, 1))
}

# RENAPO: the place of each character in the Spanish alphabet with digits, times 18 to 2.
curp(code) if {
	total := sum([product |
		some index, figure in split(substring(code, 0, 17), "")
		product := indexof("0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ", figure) * (18 - index)
	])
	(10 - (total % 10)) % 10 == to_number(substring(code, 17, 1))
}

# 97 minus the rest by 97, of the nine digits, behind a 2 for those born since 2000.
be_national_number(number) if {
	some century in {"", "2"}
	97 - (to_number(concat("", [century, substring(number, 0, 9)])) % 97) == to_number(substring(number, 9, 2))
}

# ICAO 9303-3 §4.9: weights 7, 3, 1; letters from 10, < is 0. In: the second line of a passport.
mrz(line) if {
	mrz_digit(substring(line, 0, 9)) == substring(line, 9, 1)
	mrz_digit(substring(line, 13, 6)) == substring(line, 19, 1)
	mrz_digit(substring(line, 21, 6)) == substring(line, 27, 1)
	all := concat("", [substring(line, 0, 10), substring(line, 13, 7), substring(line, 21, 22)])
	mrz_digit(all) == substring(line, 43, 1)
}

mrz_digit(text) := format_int(total % 10, 10) if {
	total := sum([product |
		some index, figure in split(text, "")
		product := to_number(object.get(letter_values, figure, replace(figure, "<", "0"))) * [7, 3, 1][index % 3]
	])
}

# Digits times weights, as far as there are weights.
weighted(number, weights) := sum([product |
	some index, figure in split(number, "")
	product := to_number(figure) * weights[index]
])
