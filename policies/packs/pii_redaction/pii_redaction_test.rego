package stepgate.pii_redaction_test

import data.stepgate.pii_redaction
import data.stepgate.pii_redaction.kinds
import data.stepgate.pii_redaction.outline

ask(inputs) := {"boundary": "ingress_tool", "inputs": inputs, "policy": {"guardrails": [], "packs": []}}

ask_with(inputs, options) := object.union(
	ask(inputs),
	{"policy": {"guardrails": [], "packs": [{"name": "pii_redaction", "hooks": ["pre"], "options": options}]}},
)

flagged(inputs, flag) := object.union(ask(inputs), {"policy": {"guardrails": [flag], "packs": []}})

decide(question) := decision if {
	decision := pii_redaction.decision with input as question
}

after(text) := object.get(replaced, "/inputs/text", text) if {
	replaced := {patch.path: patch.value | some patch in decide(ask({"text": text})).patches}
}

allowed := {"effect": "allow", "reasons": [], "patches": [], "obligations": []}

# Text, and what becomes of it. Numbers are the published examples of their issuers.
secrets := {
	"private_key": {
		"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA\n-----END RSA PRIVATE KEY-----\nrest": "[redacted:private_key]\nrest",
		"-----BEGIN PGP PRIVATE KEY BLOCK-----\nlQOYBF": "[redacted:private_key]",
	},
	"url_password": {
		"postgres://app:hunter2@db.example/x": "postgres://app:[redacted:url_password]@db.example/x",
		"https://:s3cr3t@host and https://a/b": "https://:[redacted:url_password]@host and https://a/b",
	},
	"jwt": {"session eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl.": "session [redacted:jwt]."},
	"bearer_token": {
		"Authorization: Bearer abcdef0123456789abcdef": "Authorization: Bearer [redacted:bearer_token]",
		"authorization: basic dXNlcjpwYXNzd29yZDE=": "authorization: basic [redacted:bearer_token]",
	},
	"aws_access_key": {"key AKIAIOSFODNN7EXAMPLE!": "key [redacted:aws_access_key]!"},
	"aws_secret_key": {
		"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY": "aws_secret_access_key = [redacted:aws_secret_key]",
	},
	"github_token": {
		"ghp_0123456789abcdefghijABCDEFGHIJ012345": "[redacted:github_token]",
		"x=github_pat_11ABCDEFG0123456789_abcdefghij;": "x=[redacted:github_token];",
	},
	"api_token": {
		"xoxb-123456789012-abcdefghij": "[redacted:api_token]",
		"sk-proj-abcdefghijklmnopqrstuvwx": "[redacted:api_token]",
		"AIzaSyA1234567890abcdefghijklmnopqrstuv": "[redacted:api_token]",
		"sg_acme_0123456789abcdefghijklmnopqrstuv": "[redacted:api_token]",
		"api_key=0123456789abcdef0123": "api_key=[redacted:api_token]",
	},
	"password": {
		"password: hunter2": "password: [redacted:password]",
		"Das Passwort lautet Regen-77, ja": "Das Passwort lautet [redacted:password], ja",
	},
}

contact := {
	"email": {
		"to joe.o'neil+x@mail.example.co.uk, joe@x.example.": "to [redacted:email], [redacted:email].",
		"joe@x.com and joe@x.com.au": "[redacted:email] and [redacted:email]",
		"mailto:joe%40x.com?subject=hi": "mailto:[redacted:email]?subject=hi",
		"jürgen@exämple.de": "[redacted:email]",
		"email=bob@x.com&n=1": "email=[redacted:email]&n=1",
	},
	"phone": {
		"call +49 (0)30 1234-5678 now": "call [redacted:phone] now",
		"+442079460958,+14155552671": "[redacted:phone],[redacted:phone]",
		"(212) 555-0123 or 212.555.0123": "[redacted:phone] or [redacted:phone]",
		"Phone no: 0171 2345678.": "Phone no: [redacted:phone].",
	},
	"mac_address": {"3C:22:FB:7A:10:9E, 0050.56be.3d21": "[redacted:mac_address], [redacted:mac_address]"},
	"street_address": {
		"at 12 Long Hill Road, Ely": "at [redacted:street_address], Ely",
		"Gartenstraße 7b": "[redacted:street_address]",
		"8 rue des Lilas": "[redacted:street_address]",
		"Via Roma 3": "[redacted:street_address]",
	},
	"ip_address": {
		"from 203.0.113.7:443": "from [redacted:ip_address]:443",
		"2001:db8::8a2e:370:7334 and 2001:0db8:85a3:0:0:8a2e:0370:7334": "[redacted:ip_address] and [redacted:ip_address]",
	},
}

money := {
	"payment_card": {
		"4111111111111111": "[redacted:payment_card]",
		"4111 1111 1111 1111 12/27": "[redacted:payment_card] 12/27",
		"no 12 5555-5555-5555-4444 2024": "no 12 [redacted:payment_card] 2024",
		"3782 822463 10005": "[redacted:payment_card]",
		"378282246310005 30569309025904 6011.1111.1111.1117": "[redacted:payment_card] [redacted:payment_card] [redacted:payment_card]",
		"4222222222222": "[redacted:payment_card]",
		"4111 1111 1111 1111 5500 0000 0000 0004": "[redacted:payment_card] [redacted:payment_card]",
	},
	"iban": {
		"DE89 3704 0044 0532 0130 00 thanks": "[redacted:iban] thanks",
		"nl91abna0417164300": "[redacted:iban]",
		"FR1420041010050500013M02606, NO93 8601 1117 947": "[redacted:iban], [redacted:iban]",
		"pay ES91 2100 0418 4502 0005 1332 USED twice": "pay [redacted:iban] USED twice",
	},
	"us_bank_routing": {"routing number: 021000021": "routing number: [redacted:us_bank_routing]"},
	"crypto_address": {
		"bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq": "[redacted:crypto_address]",
		"0x52908400098527886E0F7030069857D2E4169EE7": "[redacted:crypto_address]",
		"btc 1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2": "btc [redacted:crypto_address]",
	},
}

anglophone_papers := {
	"us_ssn": {
		"123-45-6789": "[redacted:us_ssn]",
		"is 123 45 6789.": "is [redacted:us_ssn].",
		"SSN: 123456789": "SSN: [redacted:us_ssn]",
		"social security number 123456789": "social security number [redacted:us_ssn]",
	},
	"uk_nhs": {"943 476 5919, 943-476-5919": "[redacted:uk_nhs], [redacted:uk_nhs]", "NHS number: 9434765919": "NHS number: [redacted:uk_nhs]"},
	"uk_nino": {"AB 12 34 56 C": "[redacted:uk_nino]", "nino ab123456c": "nino [redacted:uk_nino]"},
	"passport": {"Passport no. C01X00T47": "Passport no. [redacted:passport]", "passport number: 123456789": "passport number: [redacted:passport]"},
	"date_of_birth": {
		"DOB: 1980-02-29, due 2025-01-01": "DOB: [redacted:date_of_birth], due 2025-01-01",
		"born on 3rd of March 1975": "born on [redacted:date_of_birth]",
		"geboren am 24.12.1960": "geboren am [redacted:date_of_birth]",
	},
}

european_and_brazilian_papers := {
	"es_dni": {"DNI 12345678Z": "DNI [redacted:es_dni]", "X-1234567-L x1234567l": "[redacted:es_dni] [redacted:es_dni]"},
	"fr_nir": {"1 85 05 78 006 084 91": "[redacted:fr_nir]", "255082A50012330": "[redacted:fr_nir]"},
	"de_tax_id": {"Steuer-ID: 86 095 742 719": "Steuer-ID: [redacted:de_tax_id]", "IdNr. 27066907434": "IdNr. [redacted:de_tax_id]"},
	"it_fiscal_code": {"CF RSSMRA85T10A562S": "CF [redacted:it_fiscal_code]"},
	"br_cpf": {"529.982.247-25": "[redacted:br_cpf]", "cpf: 52998224725": "cpf: [redacted:br_cpf]"},
}

papers_of_more_countries := {
	"in_aadhaar": {"8639 2332 1469": "[redacted:in_aadhaar]", "aadhaar no is 397369935631": "aadhaar no is [redacted:in_aadhaar]"},
	"cn_resident_id": {"证件310104195908229515。": "证件[redacted:cn_resident_id]。"},
	"pl_pesel": {"PESEL: 51081160486": "PESEL: [redacted:pl_pesel]"},
	"nl_bsn": {"BSN 163581782": "BSN [redacted:nl_bsn]", "burgerservicenummer 1970 52 320": "burgerservicenummer [redacted:nl_bsn]"},
	"ca_sin": {"SIN 779-282-011": "SIN [redacted:ca_sin]"},
	"ch_ahv": {"756.0276.1612.47": "[redacted:ch_ahv]", "AHV 7569065286307": "AHV [redacted:ch_ahv]"},
	"kr_rrn": {"900415-2862572": "[redacted:kr_rrn]", "주민번호 5303241961111": "주민번호 [redacted:kr_rrn]"},
	"mx_curp": {"curp COEG490506MMCKLF02": "curp [redacted:mx_curp]"},
	"se_personnummer": {"940606-1847": "[redacted:se_personnummer]", "personnr 4010270538": "personnr [redacted:se_personnummer]"},
	"be_national_number": {"64.07.11-843.26": "[redacted:be_national_number]", "niss 91071342578": "niss [redacted:be_national_number]"},
	"mrz": {"P<UTODOE<<JANE<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\nL812056737UTO7911082M3111080<<<<<<<<<<<<<<<6": "[redacted:mrz]"},
}

spans := object.union_n([secrets, contact, money, anglophone_papers, european_and_brazilian_papers, papers_of_more_countries])

# One decision for all texts of a group: each stands for itself.
decided_on(group) := {"texts": texts, "reasons": decision.reasons, "patched": patched} if {
	texts := object.union_n([texts | some texts in group])
	order := [text | some text, _ in texts]
	decision := decide(ask({"texts": order}))
	changed := {patch.path: patch.value | some patch in decision.patches}
	patched := {text: object.get(changed, concat("", ["/inputs/texts/", format_int(place, 10)]), text) | some place, text in order}
}

replaced_exactly(group) if {
	decided := decided_on(group)
	decided.patched == decided.texts
	decided.reasons == sort([concat(".", ["pii", kind]) | some kind, _ in group])
}

test_replaces_exactly_the_span_of_secrets if replaced_exactly(secrets)

test_replaces_exactly_the_span_of_contact if replaced_exactly(contact)

test_replaces_exactly_the_span_of_money if replaced_exactly(money)

test_replaces_exactly_the_span_of_anglophone_papers if replaced_exactly(anglophone_papers)

test_replaces_exactly_the_span_of_european_and_brazilian_papers if replaced_exactly(european_and_brazilian_papers)

test_replaces_exactly_the_span_of_papers_of_more_countries if replaced_exactly(papers_of_more_countries)

test_every_kind_is_tested if object.keys(spans) == kinds.all

# One payload with everything that was redacted, since nothing of it may be touched again.
test_redacted_texts_are_not_touched_again if {
	all := [wanted | some texts in spans; some wanted in texts]
	decide(ask({"all": all})) == allowed
}

wrong_papers := {
	"in_aadhaar": "7336 4717 6418",
	"cn_resident_id": "440306200405227822",
	"pl_pesel": "PESEL 72071069247",
	"nl_bsn": "BSN 299736533",
	"ca_sin": "SIN 405432460",
	"ch_ahv": "756.3656.0188.35",
	"kr_rrn": "500910-1873461",
	"se_personnummer": "690917-9945",
	"be_national_number": "52.12.01-108.69",
	"mx_curp": "CURP SABN910503MNLWYY04",
	"mrz": "P<UTODOE<<JANE<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\nL812056737UTO7911082M3111080<<<<<<<<<<<<<<<7",
	"eleven digits": "order 77042516626",
	"a BSN far from its word": "BSN stands for a number that everyone in the country has had for many years 275227662",
}

test_leaves_papers_that_do_not_check_out_alone if decide(ask({"all": wrong_papers})) == allowed

look_alikes := {
	"a card that fails Luhn": "4111 1111 1111 1112",
	"no issuer starts so": "1735689600000000 1234567812345670 2012345678901233 2900123456789012 7012345678901232",
	"dates in a row": "2025-01-01 2025-01-02 2025-01-03 10:20:30",
	"an IBAN with a wrong check": "DE88 3704 0044 0532 0130 00",
	"an IBAN of no country": "ZZ89370400440532013000",
	"an area no one has": "666-45-6789 900-45-6789 000-45-6789",
	"a group and a serial no one has": "123-00-6789 123-45-0000",
	"the number once printed in wallets": "078-05-1120",
	"nine digits": "order 123456789",
	"loopback and versions": "127.0.0.1 0.0.0.0 1.2.3.4.5 v300.1.1.1",
	"names in programs and times": "std::vector a::b 10:20:30 be::ef",
	"a decorator and an image": "@app.get icon@2x.png user@host",
	"a package": "node@20.1.0",
	"a routing number with a wrong check": "routing: 021000022",
	"nine digits without their word": "021000021",
}

look_alikes_of_papers := {
	"an NHS number with a wrong check": "943 476 5918",
	"ten digits": "9434765919",
	"a prefix never issued": "BG123456A",
	"a DNI with a wrong letter": "12345678A",
	"a NIR with a wrong key": "1 85 05 78 006 084 92",
	"a tax id with a wrong check": "Steuer-ID 86095742710",
	"a fiscal code with a wrong letter": "RSSMRA85T10A562A",
	"a CPF of one digit": "111.111.111-11",
	"a CPF with a wrong check": "529.982.247-26",
	"a date": "on 1980-02-29",
	"prose about bearers": "the bearer responsibilities",
	"a short JWT": "eyJ.a.b",
	"a bech32 address that is too short": "bc1qqqqq",
	"a word for phone and no number": "hotel 12345678, cell count 5",
	"a task": "task-0123456789abcdefghij risk-free",
	"a placeholder": "[redacted:email] [redacted:us_ssn]",
	"passwords that are none": "password: ******** password: required password=$SECRET Passwort vergessen, password reset",
	"a fingerprint": "fingerprint 3c:22:fb:7a:10:9e:00:11:22:33",
	"a version": "version 4.2.1.0",
	"numbers after placeholders": "[redacted:phone], 2025-01-01 [redacted:us_ssn] 123456789 [redacted:passport] 123456",
}

# Each for itself, in one payload; what is redacted names itself.
test_leaves_look_alikes_alone if decide(ask({"all": look_alikes})) == allowed

test_leaves_look_alikes_of_papers_alone if decide(ask({"all": look_alikes_of_papers})) == allowed

test_spans_that_hang_together_are_all_replaced if {
	after("joe@x.com123-45-6789 10.1.2.3eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln") == concat("", [
		"[redacted:email][redacted:us_ssn] ",
		"[redacted:ip_address][redacted:jwt]",
	])
}

test_looks_anywhere_and_escapes_pointers if {
	decision := decide(ask({"a/b": [{"~c": "joe@x.com"}, 1, null, true], "d": {"e": [["x", "joe@y.com"]]}}))
	[patch.path | some patch in decision.patches] == ["/inputs/a~1b/0/~0c", "/inputs/d/e/0/1"]
}

test_redacts_long_numbers if {
	decide(ask({"card": 4111111111111111, "id": 12345678, "n": -1.5})).patches == [{
		"op": "replace",
		"path": "/inputs/card",
		"value": "[redacted:payment_card]",
	}]
}

test_a_name_is_context_for_its_value if {
	decision := decide(ask({"ssn": ["123456789"], "date_of_birth": "1980-02-29", "phone": "0171 2345678"}))
	{patch.path: patch.value | some patch in decision.patches} == {
		"/inputs/ssn/0": "[redacted:us_ssn]",
		"/inputs/date_of_birth": "[redacted:date_of_birth]",
		"/inputs/phone": "[redacted:phone]",
	}
}

test_denies_personal_data_in_a_name if {
	decide(ask({"members": {"joe@x.com": {"role": "admin"}}})) == {
		"effect": "deny",
		"reasons": ["pii.email", "pii.in_name"],
		"patches": [],
		"obligations": [],
	}
}

test_looks_at_the_output_at_egress[boundary] if {
	some boundary in {"egress_prompt", "egress_tool", "egress_memory", "artifact"}
	decision := decide({"boundary": boundary, "inputs": {"a": "joe@x.com"}, "output": "joe@x.com"})
	decision.patches == [{"op": "replace", "path": "/output", "value": "[redacted:email]"}]
}

test_denies_without_the_payload_of_the_boundary[why] if {
	some why, question in {
		"no output": {"boundary": "egress_tool", "inputs": {}},
		"unknown boundary": {"boundary": "sideways", "inputs": {}},
		"no boundary": {"inputs": {}},
		"empty": {},
	}
	decide(question) == {"effect": "deny", "reasons": ["payload_missing"], "patches": [], "obligations": []}
}

test_mode_deny if {
	decision := decide(ask_with({"a": "joe@x.com"}, {"mode": "deny"}))
	decision == {"effect": "deny", "reasons": ["pii.email"], "patches": [], "obligations": []}
}

test_mode_allow_only_reports if {
	decision := decide(ask_with({"a": "joe@x.com"}, {"mode": "allow"}))
	decision == {"effect": "allow", "reasons": ["pii.email"], "patches": [], "obligations": []}
}

test_mode_allow_reports_names_too if {
	decide(ask_with({"joe@x.com": 1}, {"mode": "allow"})).effect == "allow"
}

test_kinds_narrow_what_is_redacted if {
	decision := decide(ask_with({"a": "joe@x.com 123-45-6789"}, {"kinds": ["us_ssn"]}))
	decision.reasons == ["pii.us_ssn"]
	decision.patches[0].value == "joe@x.com [redacted:us_ssn]"
}

test_options_that_do_not_exist_deny[why] if {
	some why, options in {"mode": {"mode": "ignore"}, "kind": {"kinds": ["shoe_size"]}}
	decide(ask_with({"a": "b"}, options)).reasons == ["options_invalid"]
}

test_an_entry_for_the_other_side_does_not_count if {
	question := {
		"boundary": "egress_tool",
		"output": "joe@x.com",
		"policy": {"guardrails": [], "packs": [{"name": "pii_redaction", "hooks": ["pre"], "options": {"mode": "deny"}}]},
	}
	decide(question).effect == "redact"
}

test_the_strictest_of_several_entries_wins if {
	packs := [
		{"name": "pii_redaction", "options": {"mode": "allow"}},
		{"name": "pii_redaction", "options": {"mode": "deny"}},
		{"name": "tool_acl"},
	]
	decide(object.union(ask({"a": "joe@x.com"}), {"policy": {"packs": packs}})).effect == "deny"
}

test_options_of_the_host_count if {
	decide(object.union(ask({"a": "joe@x.com"}), {"options": {"mode": "deny"}})).effect == "deny"
}

test_flags_make_it_stricter if {
	decide(flagged({"a": "joe@x.com"}, "deny_on_pii")).effect == "deny"
	decide(flagged({"a": "joe@x.com"}, "redact_pii")).effect == "redact"
	decide(object.union(flagged({"a": "joe@x.com"}, "redact_pii"), {"options": {"mode": "allow"}})).effect == "redact"
	decide(flagged({"a": "b"}, "deny_on_pii")).effect == "allow"
}

test_denies_more_patches_than_the_host_takes if {
	decision := decide(ask_with({"all": ["joe@x.com" | some _ in numbers.range(1, 1001)]}, {"kinds": ["email"]}))
	decision.effect == "deny"
	decision.reasons == ["pii.email", "pii.too_many"]
}

test_marks_in_the_payload_hide_nothing if {
	decide(ask({"a": "«email» joe@x.com «»"})).patches[0].value == "«email» [redacted:email] «»"
}

test_loud_kinds_are_kinds if kinds.loud - kinds.all == set()

test_no_kind_is_without_a_hint if {
	hinted := {kind |
		some hints in [outline.glance, outline.hints, outline.number_words]
		some text in hints
		some kind in outline.marked_in(text)
	}
	shaped := {kind | some kind in object.union(outline.written_as, outline.written_long)} | object.keys(outline.in_a_row)
	(hinted | shaped) | {"payment_card", "email", "password", "mac_address", "street_address"} == kinds.all
}
