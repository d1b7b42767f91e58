# METADATA
# title: Kinds of personal data and secrets, one rule each
# description: |
#   A kind is found where `lead`, `span` and `trail` match one after the other; only the span is replaced. RE2 cannot look
#   around, so what must stand before or after a span without being part of it is lead or trail. Checksums and ranges are
#   in genuine.rego; what makes a kind worth its pattern at all, in outline.rego. To drop a kind, delete its rule here.
package stepgate.pii_redaction.kinds

# Built once for a decision. No lead crosses a ], since the words that lead to numbers stand in placeholders too.
table := {kind: rule | some kind, rule in detector}

all := object.keys(table)

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
	"lead": `(?i)\baws[a-z_ -]*secret[a-z_ -]*["']?\s*[:=]\s*["']?`,
	"span": `[A-Za-z0-9/+]{40}`,
	"trail": ``,
}

detector["github_token"] := {
	"lead": ``,
	"span": `\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_[A-Za-z0-9_]{22,})`,
	"trail": ``,
}

# GitLab, Slack, Google, Stripe, npm, model providers, and our own API keys.
detector["api_token"] := {
	"lead": ``,
	"span": concat("|", [
		`\b(?:glpat-[A-Za-z0-9_-]{20,}`,
		`xox[abeoprs]-[A-Za-z0-9-]{10,}`,
		`AIza[A-Za-z0-9_-]{35}`,
		`[sr]k_(?:live|test)_[A-Za-z0-9]{16,}`,
		`npm_[A-Za-z0-9]{36}`,
		`sk-(?:(?:proj|svcacct|admin|ant)-[A-Za-z0-9_-]{20,}|[A-Za-z0-9]{32,})`,
		`sg_[A-Za-z0-9]{4,}_[A-Za-z0-9_-]{32,})`,
	]),
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
	"lead": concat("|", [
		`(?i)(?:\b|_)(?:phone|tel(?:ephone|efon|efono)?|mobile|cell|fax|whatsapp)(?:[_ ]?(?:no|nr|number))?[^0-9A-Za-z+(\n\]]{1,5}`,
		`^`,
		`[^0-9A-Za-z+]`,
	]),
	"span": concat("|", [
		`\+[1-9](?:[ ()./-]{0,3}[0-9]){7,14}`,
		`\(?[2-9][0-9]{2}(?:\) ?|[.-])[2-9][0-9]{2}[.-][0-9]{4}`,
		`\(?[0-9](?:[ ()./-]{0,2}[0-9]){6,14}`,
	]),
	"trail": `\b`,
}

# IPv4 and IPv6, but neither loopback nor the unspecified address.
detector["ip_address"] := {
	"lead": `^|[^0-9A-Za-z.:]`,
	"span": `[0-9]{1,3}(?:\.[0-9]{1,3}){3,}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,8}`,
	"trail": ``,
}

# --- money ---

# 13 to 19 digits by issuer and Luhn, in one piece or in groups; found inside longer rows of groups too.
detector["payment_card"] := {
	"lead": ``,
	"span": `\b[0-9][0-9 .-]{11,}[0-9]\b`,
	"trail": ``,
}

detector["iban"] := {
	"lead": ``,
	"span": `(?i)\b[A-Z]{2}[0-9]{2}[A-Z0-9 -]{10,}[A-Z0-9]\b`,
	"trail": ``,
}

detector["us_bank_routing"] := {
	"lead": `(?i)(?:\b|_)(?:routing|aba|rtn)(?:[_ ](?:transit|no|nr|number|code))*[^0-9A-Za-z\n\]]{1,5}`,
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
	"lead": `(?i)(?:\b|_)(?:ssn|social[_ ]security(?:[_ ](?:no|number))?)[^0-9A-Za-z\n\]]{1,5}|\b`,
	"span": `[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{9}`,
	"trail": `\b`,
}

detector["uk_nhs"] := {
	"lead": `(?i)(?:\b|_)nhs(?:[_ ](?:no|number))?[^0-9A-Za-z\n\]]{1,5}|\b`,
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
	"span": `(?i)\b(?:[0-9]{8}|[XYZ]-?[0-9]{7})[ -]?[A-HJ-NP-TV-Z]\b`,
	"trail": ``,
}

detector["fr_nir"] := {
	"lead": ``,
	"span": `\b[12] ?[0-9]{2} ?[0-9]{2} ?(?:[0-9]{2}|2[ABab]) ?[0-9]{3} ?[0-9]{3} ?[0-9]{2}\b`,
	"trail": ``,
}

detector["de_tax_id"] := {
	"lead": `(?i)(?:\b|_)(?:steuer-?id(?:entifikationsnummer|nr)?|steuernummer|idnr|tax[_ ]id)[^0-9A-Za-z\n\]]{1,5}`,
	"span": `[1-9][0-9](?: ?[0-9]{3}){3}`,
	"trail": `\b`,
}

detector["it_fiscal_code"] := {
	"lead": ``,
	"span": `(?i)\b[A-Z]{6}[0-9]{2}[A-EHLMPRST][0-9]{2}[A-Z][0-9]{3}[A-Z]\b`,
	"trail": ``,
}

# With its dots and hyphen; eleven digits in one piece only after "CPF".
detector["br_cpf"] := {
	"lead": `(?i)(?:\b|_)cpf[^0-9A-Za-z\n\]]{1,5}|\b`,
	"span": `[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}|[0-9]{11}`,
	"trail": `\b`,
}

# No checksum holds for all countries, so only after the word.
detector["passport"] := {
	"lead": `(?i)(?:passport|reisepass|passeport|pasaporte)(?:[_ ](?:no|nr|num|number))?[^0-9A-Za-z\n\]]{1,5}`,
	"span": `[A-Za-z]{0,2}[0-9]{6,9}`,
	"trail": `\b`,
}

# A date is one of birth only after words that say so.
detector["date_of_birth"] := {
	"lead": concat("", [
		`(?i)(?:\b|_)(?:dob|date[_ -]?of[_ -]?birth|birth[_ -]?da(?:y|te)|born(?: on)?|geboren(?: am)?|geburtsdatum|`,
		`date de naissance|fecha de nacimiento|data di nascita)[^0-9A-Za-z\n\]]{1,5}`,
	]),
	"span": concat("", [
		`(?i)(?:[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/. ]{1,2}[0-9]{1,2}[-/. ]{1,2}[0-9]{2,4}|`,
		`(?:[0-9]{1,2}(?:st|nd|rd|th)?\.? (?:of )?)?`,
		`(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|mär|mai|okt|dez)[a-z]*\.? (?:[0-9]{1,2}(?:st|nd|rd|th)?,? )?[0-9]{4})`,
	]),
	"trail": `\b`,
}
