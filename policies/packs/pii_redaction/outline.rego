# METADATA
# title: What there is to look at, and a cheap outline of it
# description: |
#   Compiling patterns costs far more than reading texts, and most payloads hold nothing. So the payload is first read as
#   one text; where nothing in it hints at a kind, the patterns of that kind are never compiled. Hints may be too many, never
#   too few.
package stepgate.pii_redaction.outline

roots := {
	"ingress_prompt": "inputs",
	"ingress_tool": "inputs",
	"ingress_memory": "inputs",
	"scheduler": "inputs",
	"egress_prompt": "output",
	"egress_tool": "output",
	"egress_memory": "output",
	"artifact": "output",
}

# Undefined for an unknown boundary.
root := roots[input.boundary]

# Undefined without the payload of its boundary.
payload := input[root]

lowered := lower(json.marshal(payload))

# What becomes of the payload at first glance: digits are 0, separators are gone, telling texts are marks.
glance := {
	"0": "0", "1": "0", "2": "0", "3": "0", "4": "0", "5": "0", "6": "0", "7": "0", "8": "0", "9": "0",
	" ": "", "-": "", ".": "", "/": "", "(": "", ")": "",
	"private key": "«private_key»",
	"@": "«url_password»",
	"eyj": "«jwt»",
	"bearer": "«bearer_token»",
	"authorization": "«bearer_token»",
	"akia": "«aws_access_key»",
	"asia": "«aws_access_key»",
	"aws": "«aws_secret_key»",
	"gho_": "«github_token»",
	"ghp_": "«github_token»",
	"ghr_": "«github_token»",
	"ghs_": "«github_token»",
	"ghu_": "«github_token»",
	"github_pat_": "«github_token»",
	"aiza": "«api_token»",
	"glpat-": "«api_token»",
	"npm_": "«api_token»",
	"rk_live_": "«api_token»",
	"rk_test_": "«api_token»",
	"sg_": "«api_token»",
	"sk-": "«api_token»",
	"sk_live_": "«api_token»",
	"sk_test_": "«api_token»",
	"xox": "«api_token»",
	"ssn": "«us_ssn»",
	"social sec": "«us_ssn»",
	"social_sec": "«us_ssn»",
	"nl0": "«iban»", "nl1": "«iban»", "nl2": "«iban»", "nl3": "«iban»", "nl4": "«iban»",
	"nl5": "«iban»", "nl6": "«iban»", "nl7": "«iban»", "nl8": "«iban»", "nl9": "«iban»",
}

glanced := strings.replace_n(glance, lowered)

# Loud kinds that may be there.
loud contains kind if some kind in marked_in(glanced)

loud contains "payment_card" if contains(glanced, "0000000000000")

# All countries but the Netherlands have eleven digits in a row in theirs.
loud contains "iban" if contains(glanced, "00000000000")

# Nine digits are many things; a social security number has its own shape.
loud contains "us_ssn" if {
	contains(glanced, "000000000")
	some written in {"000-00-0000", "000 00 0000"}
	contains(shape, written)
}

zeros := {"1": "0", "2": "0", "3": "0", "4": "0", "5": "0", "6": "0", "7": "0", "8": "0", "9": "0"}

shape := strings.replace_n(zeros, lowered)

# Marks of the subtle kinds, found in the shape.
hints := {
	"@": "«email»",
	"%00": "«email»",
	"phone": "«phone»",
	"tel": "«phone»",
	"mobile": "«phone»",
	"cell": "«phone»",
	"fax": "«phone»",
	"whatsapp": "«phone»",
	"+0": "«phone»",
	") 000-0000": "«phone»",
	")000-0000": "«phone»",
	"::": "«ip_address»",
	":0000": "«ip_address»",
	"routing": "«us_bank_routing»",
	"aba": "«us_bank_routing»",
	"rtn": "«us_bank_routing»",
	"bc0": "«crypto_address»",
	"bitcoin": "«crypto_address»",
	"btc": "«crypto_address»",
	"wallet": "«crypto_address»",
	"nhs": "«uk_nhs»",
	"steuer": "«de_tax_id»",
	"idnr": "«de_tax_id»",
	"tax": "«de_tax_id»",
	"cpf": "«br_cpf»",
	"passport": "«passport»",
	"reisepass": "«passport»",
	"passeport": "«passport»",
	"pasaporte": "«passport»",
	"birth": "«date_of_birth»",
	"born": "«date_of_birth»",
	"dob": "«date_of_birth»",
	"geboren": "«date_of_birth»",
	"geburt": "«date_of_birth»",
	"naissance": "«date_of_birth»",
	"nacimiento": "«date_of_birth»",
	"nascita": "«date_of_birth»",
}

# Subtle kinds that may be there, by their words and by how their digits are written.
subtle contains kind if some kind in marked_in(strings.replace_n(hints, shape))

subtle contains kind if {
	some written, kind in written_as
	contains(shape, written)
}

subtle contains "uk_nhs" if contains(shape, "000-000-0000")

subtle contains kind if {
	some kind, digits in in_a_row
	contains(glanced, digits)
}

written_as := {
	"0.0": "ip_address",
	"0:0:0": "ip_address",
	"0x": "crypto_address",
	"000-000-0000": "phone",
	"000.000.0000": "phone",
	"000 000 0000": "uk_nhs",
	"000.000.000-00": "br_cpf",
}

in_a_row := {
	"es_dni": "0000000",
	"fr_nir": "00000000",
	"it_fiscal_code": "000",
	"uk_nino": "000000",
}

# The kinds whose marks stand in a text; a payload that writes marks of its own only makes us look closer.
marked_in(text) := {kind |
	some index, part in split(text, "«")
	index > 0
	kind := split(part, "»")[0]
}

# Every string, and every number long enough to be a card, behind the name it stands under: names are context.
leaves := sort([[path, name, text] |
	walk(payload, [path, value])
	text := readable(value)
	name := name_of(path)
])

names := {name |
	walk(payload, [path, _])
	name := path[count(path) - 1]
	is_string(name)
}

readable(value) := value if is_string(value)

readable(value) := json.marshal(value) if {
	is_number(value)
	abs(value) > 9999999
}

# "ssn: " for {"ssn": …}, for {"ssn": [ … ]} too; "" for elements that stand under no name.
name_of(path) := concat("", [path[count(path) - 1], ": "]) if is_string(path[count(path) - 1])

else := concat("", [path[count(path) - 2], ": "]) if is_string(path[count(path) - 2])

else := ""

text := concat("\n", array.concat(
	[concat("", [name, value]) | some [_, name, value] in leaves],
	[name | some name in names],
))
