# METADATA
# title: Kinds of personal data and secrets, one rule each
# description: |
#   A kind is found where `lead`, `span` and `trail` match one after the other; only the span is replaced. RE2 cannot look
#   around, so what must stand before or after a span without being part of it is lead or trail. Checksums and ranges are
#   in genuine.rego; what makes a kind worth its pattern at all, in outline.rego. To drop a kind, delete its rule here.
package stepgate.pii_redaction.kinds

# Built once for a decision. No lead crosses a ], since the words that lead to numbers stand in placeholders too.
table := {kind: rule | some kind, rule in detector}

all := object.keys(table) - object.keys(known_as)

# Detectors that find a kind which has one of its own already.
known_as := {"api_key": "api_token"}

secrets := {
	"private_key",
	"url_password",
	"jwt",
	"bearer_token",
	"aws_access_key",
	"aws_secret_key",
	"github_token",
	"api_token",
}

# Kinds that outline.rego sees at first glance; for the others it has to look again.
loud := secrets | {"payment_card", "iban", "us_ssn"}

# --- secrets ---

# PEM and PGP blocks; without an end line, everything that could still be the key.
detector["private_key"] := {
	"lead": ``,
	"span": concat("", [
		`-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----(?:[A-Za-z0-9+/=\s\\:,.]|-[A-Za-z0-9])*`,
		`(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----)?`,
	]),
	"trail": ``,
}

detector["url_password"] := {
	"lead": `\b[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@\[]*:`,
	"span": `[^\s/@\[]+`,
	"trail": `@`,
}

# JWS and JWE in compact form.
detector["jwt"] := {
	"lead": ``,
	"span": `\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+){1,3}`,
	"trail": ``,
}

detector["bearer_token"] := {
	"lead": `(?i)\bauthorization["']?\s*[:=]\s*["']?(?:basic|bearer|token)\s+|\bbearer\s+`,
	"span": `[A-Za-z0-9._~+/=-]{16,}`,
	"trail": ``,
}

detector["aws_access_key"] := {
	"lead": ``,
	"span": `\b(?:AKIA|ASIA)[A-Z0-9]{16}\b`,
	"trail": ``,
}

detector["aws_secret_key"] := {
	"lead": `(?i)(?:\baws[a-z_. -]*secret[a-z_. -]*|(?:\b|_)secret_?access_?key)(?:["']?\s*[:=]\s*["']?|["']\s+value=["']|\s)`,
	"span": `[A-Za-z0-9/+]{40}`,
	"trail": `(?:$|[^A-Za-z0-9/+])`,
}

detector["github_token"] := {
	"lead": ``,
	"span": `\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})`,
	"trail": ``,
}

# GitLab, Slack, Google, Stripe, npm, SendGrid, PyPI, Shopify, DigitalOcean, model providers, and our own API keys.
detector["api_token"] := {
	"lead": ``,
	"span": concat("|", [
		`\b(?:glpat-[A-Za-z0-9_-]{20,}`,
		`xox[abeoprs]-[A-Za-z0-9-]{10,}`,
		`AIza[A-Za-z0-9_-]{35}`,
		`[sr]k_(?:live|test)_[A-Za-z0-9]{16,}`,
		`npm_[A-Za-z0-9]{36}`,
		`sk-(?:(?:proj|svcacct|admin|ant)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})`,
		`SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}`,
		`hf_[A-Za-z0-9]{30,}`,
		`pypi-[A-Za-z0-9_-]{50,}`,
		`dop_v1_[0-9a-f]{64}`,
		`shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}`,
		`sg_[A-Za-z0-9]{4,}_[A-Za-z0-9_-]{32,})`,
	]),
	"trail": ``,
}

# An API token of anyone, by the words before it: a detector of its own, the same kind to everyone outside.
detector["api_key"] := {
	"lead": concat("", [
		`(?i)(?:api[_ -]?key|(?:client|api|app|consumer)[_ -]?secret|secret[_ -]?key|(?:access|auth|api|refresh)[_ -]?token)`,
		`["']?\s*[:=]\s*["']?`,
	]),
	"span": `[A-Za-z0-9_-]+`,
	"trail": ``,
}

# A word that says so, then a text with a digit or a sign; a bare space before it asks for more (genuine.rego).
detector["password"] := {
	"lead": concat("", [
		`(?i)(?:\b|_)(?:pass(?:word|wort|wd|phrase|code)?|pwd|kennwort|contrase[nñ]a|mot de passe|senha|wachtwoord|parola d'ordine)`,
		`(?:["']?\s*[:=]\s*["']?|\s(?:is|ist|lautet|es|est|è|é)\s|\s)`,
	]),
	"span": `[^\s"',;<>(){}\[\]$*:=][^\s"',;<>{}\[\]]+[^\s"',;<>{}\[\].:)]`,
	"trail": ``,
}

# --- contact ---

# Also with a percent-encoded @. Names and domains may be of any script.
detector["email"] := {
	"lead": ``,
	"span": concat("", [
		`[^\s@<>()\[\],;:"'\\/=|{}&?!*#$%.\x60-][^\s@<>()\[\],;:"\\/=|{}&?!*#$\x60]*?(?:@|%40)`,
		`[^\s@<>()\[\],;:"'\\/=|{}&?!*#$%.\x60-][^\s@<>()\[\],;:"'\\/=|{}&?!*#$%\x60]*\.`,
		`[^\s@<>()\[\],;:"'\\/=|{}&?!*#$%.\x60_0-9-]{2,}`,
	]),
	"trail": ``,
}

# International with +, North American with separators, anything else only after a word like "phone".
detector["phone"] := {
	"lead": concat("", [
		`(?i)(?:(?:\b|_)(?:phone|tel(?:e(?:ph|f)on[eo]?|éfono|éphone)?|tél(?:éphone)?|mobile?|m[oó]vil|handy|natel|celular|cell|fax|whatsapp|`,
		`rufnummer|telefoon(?:nummer)?|telefonnummer)|тел(?:ефон)?|電話(?:番号)?|电话|手机|전화)(?:[_ ]?(?:no|nr|number))?`,
		`(?: (?:is|ist|lautet|est|es|è))?[^0-9A-Za-z+(\n\]]{1,5}|`,
		`\b(?:call|ring|dial|text|reach)(?: (?:me|us|him|her|them))?(?: (?:on|at|under))? |^|[^0-9A-Za-z+-]`,
	]),
	"span": concat("|", [
		`\+[1-9](?:[ ()./-]*[0-9]){7,14}`,
		`\(?[2-9][0-9]{2}(?:\) ?|[.-])[2-9][0-9]{2}[.-][0-9]{4}`,
		`\(?[0-9](?:[ ()./-]*[0-9]){6,14}`,
	]),
	"trail": `\b`,
}

# Six pairs of hexadecimal digits, or three groups of four; more pairs are something else.
detector["mac_address"] := {
	"lead": `(?i)^|[^0-9a-z:.-]`,
	"span": `(?i)[0-9a-f]{2}(?:[:-][0-9a-f]{2}){5,}|[0-9a-f]{4}(?:\.[0-9a-f]{4}){2,}`,
	"trail": `\b`,
}

# A number and a street in the order of the language: English, German and Dutch, French, Spanish, Portuguese and Italian.
detector["street_address"] := {
	"lead": `\b`,
	"span": concat("", [
		`[0-9]{1,5}[A-Za-z]?,? (?:[NSEW]\.? )?(?:[A-Z][A-Za-z'.-]+ ){1,3}`,
		`(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Drive|Court|Terrace|Square|Crescent|Parkway|Highway)\b|`,
		`[A-Z][a-zäöüß-]+(?:stra(?:ß|ss)e|str\.|weg|allee|gasse|platz|damm|ufer|straat|laan|plein|gracht|kade) [0-9]{1,4}(?: ?[a-z]\b)?|`,
		`[A-Z][a-zäöüß-]+ Stra(?:ß|ss)e [0-9]{1,4}(?: ?[a-z]\b)?|`,
		`[0-9]{1,4}(?: (?:bis|ter))?,? (?:rue|avenue|boulevard|all[eé]e|chemin|impasse|place|quai|cours|route) `,
		`(?:(?:de la|de|du|des|la|le|les) |(?:de l|d|l)['’])?[A-ZÀ-Ý][^\s,.;:0-9]+(?:[ -][A-ZÀ-Ý][^\s,.;:0-9]+){0,3}|`,
		`(?:Calle|C/|Avenida|Avda\.?|Paseo|Plaza|Carrera|Rua|Travessa|Praça|Via|Viale|Piazza|Corso|Vicolo|Largo)`,
		`(?: (?:de|del|da|do|das|dos|della|dei|di|la|las|los|el))*(?: [A-ZÀ-Ý][^\s,;:0-9]+){1,3},? (?:n[º°.]? ?)?[0-9]{1,4}(?: ?[a-z]\b)?`,
	]),
	"trail": ``,
}

# IPv4 and IPv6, but neither loopback nor the unspecified address, no mask, no network as a whole, and no version.
detector["ip_address"] := {
	"lead": `(?i)\b(?:version|firmware|release|schema|build|driver|ver\.?|chapter|section|clause|article|oid)[ =:]{1,3}|^|[^0-9A-Za-z.:]`,
	"span": `[0-9]{1,3}(?:\.[0-9]{1,3}){3,}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}`,
	"trail": `(?:/[0-9]{1,3})?`,
}

# --- money ---

# 13 to 19 digits by issuer and Luhn, in one piece or in groups; found inside longer rows of groups too.
detector["payment_card"] := {
	"lead": ``,
	"span": `\b[0-9][0-9 .\x{a0}-]{11,}[0-9]\b`,
	"trail": ``,
}

detector["iban"] := {
	"lead": ``,
	"span": `(?i)\b[A-Z]{2}[0-9]{2}[A-Z0-9 \x{a0}-]{10,}[A-Z0-9]\b`,
	"trail": ``,
}

detector["us_bank_routing"] := {
	"lead": `(?i)(?:\b|_)(?:routing|aba|rtn)[^0-9\n\]]+`,
	"span": `[0-9]{9}`,
	"trail": `\b`,
}

# Bitcoin (bech32, and base58 where the text speaks of it) and Ethereum addresses.
detector["crypto_address"] := {
	"lead": ``,
	"span": `\b(?:bc1[02-9ac-hj-np-z]+|0x[0-9A-Fa-f]{40}|[13][1-9A-HJ-NP-Za-km-z]{25,34})\b`,
	"trail": ``,
}

# --- papers ---

# With hyphens or spaces; nine digits in one piece only after a word like "SSN".
detector["us_ssn"] := {
	"lead": `(?i)(?:\b|_)(?:ssn|social[_ ]security(?:[_ ](?:no|number))?)[^0-9A-Za-z\n\]]{1,5}(?:is[^0-9A-Za-z\n\]]{1,3})?|\b`,
	"span": `[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{9}`,
	"trail": `\b`,
}

detector["uk_nhs"] := {
	"lead": `(?i)(?:\b|_)nhs[^0-9\n\]]+|\b`,
	"span": `[0-9]{3} [0-9]{3} [0-9]{4}|[0-9]{3}-[0-9]{3}-[0-9]{4}|[0-9]{10}`,
	"trail": `\b`,
}

detector["uk_nino"] := {
	"lead": ``,
	"span": `(?i)\b[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?[0-9]{2} ?[0-9]{2} ?[0-9]{2} ?[A-D]\b`,
	"trail": ``,
}

# DNI and NIE.
detector["es_dni"] := {
	"lead": ``,
	"span": `(?i)\b(?:[0-9]{2}[. ]?[0-9]{3}[. ]?[0-9]{3}|[XYZ]-?[0-9]{7})[ -]?[A-HJ-NP-TV-Z]\b`,
	"trail": ``,
}

detector["fr_nir"] := {
	"lead": ``,
	"span": `\b[12][ .-]?[0-9]{2}[ .-]?[0-9]{2}[ .-]?(?:[0-9]{2}|2[ABab])[ .-]?[0-9]{3}[ .-]?[0-9]{3}[ .-]?[0-9]{2}\b`,
	"trail": ``,
}

detector["de_tax_id"] := {
	"lead": `(?i)(?:\b|_)(?:steuer-?id|steuernummer|steuerliche ident|idnr|tax[_ ]id)[^0-9\n\]]+`,
	"span": `[1-9][0-9](?: ?[0-9]{3}){3}`,
	"trail": `\b`,
}

# Also in four groups; where two people would have the same, letters stand for some digits.
detector["it_fiscal_code"] := {
	"lead": ``,
	"span": concat("", [
		`(?i)\b[A-Z]{3} ?[A-Z]{3} ?[0-9LMNPQRSTUV]{2}[A-EHLMPRST][0-9LMNPQRSTUV]{2} ?`,
		`[A-Z][0-9LMNPQRSTUV]{3}[A-Z]\b`,
	]),
	"trail": ``,
}

# With its dots and hyphen; eleven digits in one piece only after "CPF".
detector["br_cpf"] := {
	"lead": `(?i)(?:\b|_)cpf[^0-9\n\]]+|\b`,
	"span": `[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{11}`,
	"trail": `\b`,
}

# No checksum holds for all countries, so only after the word.
detector["passport"] := {
	"lead": concat("", [
		`(?i)(?:passport|reisepass|passeport|pasaporte|passaport[eo]|paspoort|\bpass(?:nummer|-nr)|паспорт)`,
		`(?:[_ -]?(?:no|nr|num|number|nummer|n[°º]|№|#)\.?)?(?: (?:is|lautet))?[^0-9A-Za-z\n\]]{1,5}`,
	]),
	"span": `[A-Za-z0-9]{6,10}`,
	"trail": `\b`,
}

# A date is one of birth only after words that say so.
detector["date_of_birth"] := {
	"lead": concat("", [
		`(?i)(?:\b|_)(?:dob|date[_ -]?of[_ -]?birth|birth[_ -]?da(?:y|te)|born(?: on)?|geb(?:oren(?: am)?|urtsdatum|\.)|geboortedatum|`,
		`n[eé]e? le|date de naissance|nacid[oa] el|fecha de nacimiento|nat[oa] il|data di nascita|nascid[oa] (?:a|em)|data de nascimento)`,
		`[^0-9A-Za-z\n\]]{1,5}`,
	]),
	"span": concat("", [
		`(?i)(?:(?:19|20)[0-9]{6}|[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/. ]{1,2}[0-9]{1,2}[-/. ]{1,2}[0-9]{2,4}|`,
		`(?:[0-9]{1,2}(?:st|nd|rd|th|er|º)?\.? (?:of |de )?)?`,
		`(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez|fév|fev|avr|jui|aoû|déc|ene|abr|ago|dic|set|out|gen|mag|giu|lug|ott)`,
		`[a-zéçûä]*\.? (?:de )?(?:[0-9]{1,2}(?:st|nd|rd|th)?,? )?[0-9]{4})`,
	]),
	"trail": `\b`,
}
