# METADATA
# title: What there is to look at, and a cheap outline of it
# description: |
#   Most payloads hold nothing, and each pattern reads all of a text. So the payload is first read as one text; where nothing
#   in it hints at a kind, the patterns of that kind are not tried. Hints may be too many, never too few.
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

# What becomes of the shape at first glance: separators are gone, telling texts are marks.
glance := {
	" ": "", "\u00a0": "", "-": "", ".": "", "/": "", "(": "", ")": "",
	"private key": "«private_key»",
	"@": "«url_password»",
	"eyj": "«jwt»",
	"bearer": "«bearer_token»",
	"authorization": "«bearer_token»",
	"akia": "«aws_access_key»",
	"asia": "«aws_access_key»",
	"aws": "«aws_secret_key»",
	"secretaccess": "«aws_secret_key»",
	"secret_access": "«aws_secret_key»",
	"gho_": "«github_token»",
	"ghp_": "«github_token»",
	"ghr_": "«github_token»",
	"ghs_": "«github_token»",
	"ghu_": "«github_token»",
	"github_pat_": "«github_token»",
	"aiza": "«api_token»",
	"dop_v0_": "«api_token»",
	"glpat-": "«api_token»",
	"hf_": "«api_token»",
	"npm_": "«api_token»",
	"pypi-": "«api_token»",
	"sg_": "«api_token»",
	"sg.": "«api_token»",
	"shp": "«api_token»",
	"sk-": "«api_token»",
	"k_live_": "«api_token»",
	"k_test_": "«api_token»",
	"xox": "«api_token»",
	"ssn": "«us_ssn»",
	"social": "«us_ssn»",
	"nl0": "«iban»",
	"iban": "«iban»",
}

glanced := strings.replace_n(glance, shape)

# Most texts have no digit, and most kinds need one.
figures if contains(shape, "0")

# Loud kinds that may be there.
loud contains kind if some kind in marked_in(glanced)

loud contains "api_token" if {
	figures
	some word in {"api", "secret", "token"}
	contains(lowered, word)
}

loud contains "payment_card" if {
	numerous
	contains(glanced, "0000000000000")
}

# All countries but the Netherlands have eleven digits in a row in theirs.
loud contains "iban" if {
	numerous
	contains(glanced, "00000000000")
}

# Nine digits are many things; a social security number has its own shape.
loud contains "us_ssn" if {
	numerous
	contains(glanced, "000000000")
	some written in {"000-00-0000", "000 00 0000"}
	contains(shape, written)
}

zeros := {"1": "0", "2": "0", "3": "0", "4": "0", "5": "0", "6": "0", "7": "0", "8": "0", "9": "0"}

shape := strings.replace_n(zeros, lowered)

# Seven digits in a row, as every number has them that is looked for by its length.
numerous if {
	figures
	contains(glanced, "0000000")
}

subtle contains "email" if {
	some sign in {"@", "%00"}
	contains(shape, sign)
}

subtle contains "password" if {
	some word in {"pass", "pwd", "kennwort", "contrase", "senha", "wachtwoord", "parola d"}
	contains(lowered, word)
}

# Marks of the subtle kinds, found in a shape with figures.
hints := {
	"::": "«ip_address»",
	":0000": "«ip_address»",
	"bc0": "«crypto_address»",
	"bitcoin": "«crypto_address»",
	"btc": "«crypto_address»",
	"wallet": "«crypto_address»",
	"passp": "«passport»", "passe": "«passport»", "passa": "«passport»",
	"pasaporte": "«passport»", "paspoort": "«passport»", "reisepass": "«passport»",
	"passnummer": "«passport»", "pass-nr": "«passport»", "паспорт": "«passport»",
	"fiscal": "«it_fiscal_code»", "c.f.": "«it_fiscal_code»",
	"birth": "«date_of_birth»", "born": "«date_of_birth»", "dob": "«date_of_birth»", "geb": "«date_of_birth»",
	"naissance": "«date_of_birth»", "nacid": "«date_of_birth»",
	"nacimiento": "«date_of_birth»", "nascita": "«date_of_birth»", "nasci": "«date_of_birth»", "née": "«date_of_birth»",
	"né le": "«date_of_birth»", "nee le": "«date_of_birth»", "nato il": "«date_of_birth»", "nata il": "«date_of_birth»",
	"<<<": "«mrz»", "\\u000c\\u000c\\u000c": "«mrz»",
}

# Of places, which are looked for only beside a digit.
streets := {
	" street": "", " st ": "", " st,": "", " st.": "", " st\"": "", " ave": "", " road": "", " rd ": "", " rd,": "", " rd.": "", " rd\"": "", " boulevard": "", " blvd": "", " lane": "", " ln": "",
	" drive": "", " court": "", " terrace": "", " square": "", " crescent": "", " parkway": "", " highway": "",
	"straße 0": "", "strasse 0": "", "str. 0": "", "weg 0": "", "allee 0": "", "gasse 0": "", "platz 0": "", "damm 0": "",
	"ufer 0": "", "straat 0": "", "laan 0": "", "plein 0": "", "gracht 0": "", "kade 0": "",
	" rue ": "", " allée ": "", " chemin ": "", " impasse ": "", " place ": "", " quai ": "", " cours ": "", " route ": "",
	"calle ": "", "c/ ": "", "avda": "", "paseo ": "", "plaza ": "", "carrera ": "", "rua ": "", "travessa ": "",
	"praça ": "", "via ": "", "viale ": "", "piazza ": "", "corso ": "", "vicolo ": "", "largo ": "", "avenida ": "",
}

# Words of numbers, which are looked for only beside seven digits, with or without separators between them.
number_words := {
	"phone": "«phone»", "tel": "«phone»", "tél": "«phone»", "mobil": "«phone»", "movil": "«phone»", "móvil": "«phone»",
	"cell": "«phone»", "celular": "«phone»", "handy": "«phone»", "natel": "«phone»", "fax": "«phone»", "тел": "«phone»",
	"whatsapp": "«phone»", "rufnummer": "«phone»", "電話": "«phone»", "电话": "«phone»", "手机": "«phone»", "전화": "«phone»",
	"call ": "«phone»", "ring ": "«phone»", "dial ": "«phone»", "text ": "«phone»", "reach ": "«phone»", "+0": "«phone»",
	") 000-0000": "«phone»", ")000-0000": "«phone»",
	"routing": "«us_bank_routing»", "aba": "«us_bank_routing»", "rtn": "«us_bank_routing»",
	"nhs": "«uk_nhs»",
	"steuer": "«de_tax_id»", "idnr": "«de_tax_id»", "tax": "«de_tax_id»",
	"cpf": "«br_cpf»",
	"aadh": "«in_aadhaar»", "uid": "«in_aadhaar»", "आधार": "«in_aadhaar»",
	"pesel": "«pl_pesel»",
	"bsn": "«nl_bsn»", "burgerservice": "«nl_bsn»", "sofi": "«nl_bsn»",
	"sin": "«ca_sin»", "nas": "«ca_sin»", "social insurance": "«ca_sin»", "social_insurance": "«ca_sin»",
	"assurance sociale": "«ca_sin»",
	"ahv": "«ch_ahv»", "avs": "«ch_ahv»", "oasi": "«ch_ahv»", "ssn": "«ch_ahv»",
	"주민": "«kr_rrn»", "rrn": "«kr_rrn»", "resident reg": "«kr_rrn»",
	"person": "«se_personnummer»", "pnr": "«se_personnummer»",
	"rijksreg": "«be_national_number»", "registre nat": "«be_national_number»", "ro national": "«be_national_number»",
	"niss": "«be_national_number»", "insz": "«be_national_number»",
}

# Subtle kinds that may be there, by their words and by how their digits are written.
subtle contains kind if {
	figures
	some kind in marked_in(strings.replace_n(hints, shape))
}

subtle contains kind if {
	numerous
	some kind in marked_in(strings.replace_n(number_words, shape))
}

subtle contains kind if {
	figures
	some written, kind in written_as
	contains(shape, written)
}

subtle contains "street_address" if {
	figures
	strings.replace_n(streets, shape) != shape
}

# Letters count as figures here.
subtle contains "mac_address" if {
	figures
	some beside in {"0:", ":0", "0-", "-0", "0.", ".0"}
	contains(shape, beside)
	pairs := strings.replace_n({"a": "0", "b": "0", "c": "0", "d": "0", "e": "0", "f": "0"}, shape)
	some written in {"00:00:00:00:00:00", "00-00-00-00-00-00", "0000.0000.0000"}
	contains(pairs, written)
}

subtle contains kind if {
	numerous
	some written, kind in written_long
	contains(shape, written)
}

subtle contains "uk_nhs" if {
	numerous
	contains(shape, "000-000-0000")
}

subtle contains kind if {
	figures
	some kind, digits in in_a_row
	contains(glanced, digits)
}

written_as := {
	"0.0": "ip_address",
	"0:0:0": "ip_address",
	"0x": "crypto_address",
}

written_long := {
	"000-000-0000": "phone",
	"000.000.0000": "phone",
	"000 000 0000": "uk_nhs",
	"000.000.000-00": "br_cpf",
	"0000 0000 0000": "in_aadhaar",
	"0000-0000-0000": "in_aadhaar",
	"000.0000.0000.00": "ch_ahv",
	"000 0000 0000 00": "ch_ahv",
	"000000-0000000": "kr_rrn",
	"000000-0000": "se_personnummer",
	"000000+0000": "se_personnummer",
	"00.00.00-000.00": "be_national_number",
	"00 00 00 00 00": "phone",
	"00.00.00.00.00": "phone",
	"00000 000000": "phone",
}

in_a_row := {
	"cn_resident_id": "00000000000000000",
	"es_dni": "0000000",
	"fr_nir": "00000000",
	"it_fiscal_code": "000",
	"mx_curp": "000000",
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
