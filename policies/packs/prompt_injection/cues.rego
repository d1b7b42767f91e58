# METADATA
# title: Cues, the cheap texts without which no phrase can be there
# description: |
#   Both lists are written as reading.rego reads: lower case, no accents, and figures that stand for letters turned into them
#   (aWdub3Jl, Base64 for "ignore", is awdubejl here). `fragments` only tell whether to look closer: as few and as short as
#   can be, because every text is searched for them. `cue` tells which families to try. Every phrase needs a fragment and
#   a cue of its family to be found; in which words, is its own affair.
package stepgate.prompt_injection.cues

stirs(text) if regex.match(any_fragment, text)

any_fragment := any_of(fragments)

# A pattern of the texts as they are.
any_of(texts) := concat("|", [concat("", [`\Q`, text, `\E`]) | some text in texts])

families(text) := {family |
	some index, part in split(strings.replace_n(cue, text), "«")
	index > 0
	family := split(part, "»")[0]
}

fragments := {
	"style=", "<font", "u must", "ontents of", "omply", "u read", "not be m", "ai ", "ai:", "ai-", "ai,", "llm",
	"chatbot", "copilot", "ssistant", "agent", "e model", "rules", "obey", "={", "=s{", "filter", "safety", "&#",
	"uoo6", "n_of_t", "uctie", "instruk", "vorgab", "regel", "%6e%te", "rtificial", "you were", "|>", "never ", "hout ",
	" dan", "!--", "# sys", "%6t%6e", "6t6e6ft2", "[inst]", "](", "anything now", "awdubejl", "bove", "bypass",
	"credential", "dimentic", "directive", "egardless", "ensor", "erongi", "esque", "ethic", "forget", "g n o r e",
	"g*n*o*r*e", "g-n-o-r-e", "g.n.o.r.e", "g_n_o_r_e", "gnor", "god mode", "guideline", "hidden", "history", "ilently",
	"isplay:", "jailbr", "jz2svcm", "limitation", "lnbm9yz", "m now on", "matter what", "missacht", "n character",
	"no longer", "nstruc", "nt polic", "olvid", "oubli", "password", "pi key", "programming", "prompt", "pz2svcm",
	"restrict", "sconsider", "secret", "ser data", "sregard", "ss token", "swdubejl", "sys>>", "t alert", "t ask",
	"t inform", "t let", "t mention", "t notify", "t reveal", "t tell", "t warn", "taber", "vate key", "veloper m",
	"verg", "verr", "versation", "violat", "vironment v", "xfil", "ystem mess", "ystem:", "ystem>", "ystem]",
}

# A cue that holds another one carries its families too, since only the first to start is seen.
cue := {
	"bypass": "«override»", "directive": "«override»", "dont follow": "«override»", "forget": "«override»",
	"gnor": "«override»", "isregard": "«override»", "n't follow": "«override»", "n't obey": "«override»",
	"new instruc": "«override»", "new system": "«override»", "not comply": "«override»", "not follow": "«override»",
	"not obey": "«override»", "overrul": "«override»", "programming": "«override»", "stop follow": "«override»",
	"stop obey": "«override»", "verrid": "«override»", "violate": "«override»",
	"不要遵守": "«override_east_asian»", "従わな": "«override_east_asian»", "忘れ": "«override_east_asian»",
	"忘記": "«override_east_asian»", "忘记": "«override_east_asian»", "忽略": "«override_east_asian»",
	"忽視": "«override_east_asian»", "忽视": "«override_east_asian»", "无视": "«override_east_asian»",
	"無視": "«override_east_asian»", "무시": "«override_east_asian»", "잊": "«override_east_asian»",
	"забудь": "«override_russian»", "игнор": "«override_russian»", "не обращ": "«override_russian»",
	"не след": "«override_russian»",
	"developer mess": "«system_prompt»", "everything above": "«system_prompt»", "guideline": "«system_prompt»",
	"instruct": "«system_prompt»", "lines above": "«system_prompt»", "prompt": "«system_prompt»",
	"sentences above": "«system_prompt»", "text above": "«system_prompt»", "words above": "«system_prompt»",
	"system mess": "«system_prompt»«role_delimiter»",
	" dan": "«role_play»", "amoral": "«role_play»", "anything now": "«role_play»", "censorship": "«role_play»",
	"content polic": "«role_play»", "dan mode": "«role_play»", "debug mode": "«role_play»",
	"developer mode": "«role_play»", "ethic": "«role_play»", "from now on": "«role_play»", "god mode": "«role_play»",
	"in character": "«role_play»", "jailbr": "«role_play»", "limitation": "«role_play»", "no filter": "«role_play»",
	"no longer": "«role_play»", "restriction": "«role_play»", "uncensored": "«role_play»", "unfiltered": "«role_play»",
	"unrestricted": "«role_play»", "without filter": "«role_play»",
	"no guideline": "«role_play»«system_prompt»",
	"# assistant": "«role_delimiter»", "# developer": "«role_delimiter»", "# system": "«role_delimiter»",
	"#system": "«role_delimiter»", "[/inst": "«role_delimiter»", "[inst]": "«role_delimiter»",
	"assistant>": "«role_delimiter»", "developer>": "«role_delimiter»", "endoftext|": "«role_delimiter»",
	"eot_id|": "«role_delimiter»", "header_id|": "«role_delimiter»", "im_end|": "«role_delimiter»",
	"im_start|": "«role_delimiter»", "sys>>": "«role_delimiter»", "system:": "«role_delimiter»",
	"system>": "«role_delimiter»", "system]": "«role_delimiter»", "|assistant|": "«role_delimiter»",
	"|system|": "«role_delimiter»", "|user|": "«role_delimiter»",
	"endofprompt|": "«role_delimiter»«system_prompt»", "system_prompt>": "«role_delimiter»«system_prompt»",
	" hidden": "«hidden_text»", "!--": "«hidden_text»", "aria-hidden": "«hidden_text»", "display :": "«hidden_text»",
	"display:": "«hidden_text»", "font-size": "«hidden_text»", "opacity": "«hidden_text»",
	"visibility": "«hidden_text»",
	"](": "«markdown_exfiltration»",
	"n't ask": "«forced_tool»", "no matter what": "«forced_tool»", "not ask": "«forced_tool»",
	"regardless": "«forced_tool»", "silently": "«forced_tool»", "without appro": "«forced_tool»",
	"without asking": "«forced_tool»", "without confirm": "«forced_tool»", "without notif": "«forced_tool»",
	"without permi": "«forced_tool»", "without telling": "«forced_tool»",
	"n't inform": "«forced_tool»«concealment»", "n't mention": "«forced_tool»«concealment»",
	"n't tell": "«forced_tool»«concealment»", "not inform": "«forced_tool»«concealment»",
	"not mention": "«forced_tool»«concealment»", "not tell": "«forced_tool»«concealment»",
	"n't alert": "«concealment»", "n't let": "«concealment»", "n't notify": "«concealment»",
	"n't reveal": "«concealment»", "n't warn": "«concealment»", "never alert": "«concealment»",
	"never inform": "«concealment»", "never let": "«concealment»", "never mention": "«concealment»",
	"never notify": "«concealment»", "never reveal": "«concealment»", "never tell": "«concealment»",
	"not alert": "«concealment»", "not let": "«concealment»", "not notify": "«concealment»",
	"not reveal": "«concealment»", "not warn": "«concealment»",
	"access token": "«data_exfiltration»", "api key": "«data_exfiltration»", "chat history": "«data_exfiltration»",
	"contacts": "«data_exfiltration»", "conversation": "«data_exfiltration»", "credential": "«data_exfiltration»",
	"customer data": "«data_exfiltration»", "customer list": "«data_exfiltration»",
	"customer rec": "«data_exfiltration»", "environment var": "«data_exfiltration»", "exfiltrat": "«data_exfiltration»",
	"message history": "«data_exfiltration»", "password": "«data_exfiltration»", "private key": "«data_exfiltration»",
	"session cook": "«data_exfiltration»", "user data": "«data_exfiltration»", "user's data": "«data_exfiltration»",
	"secret": "«data_exfiltration»«forced_tool»",
	"anweisung": "«override_german»", "befehl": "«override_german»", "instruktion": "«override_german»",
	"regel": "«override_german»", "richtlinie": "«override_german»", "vorgabe": "«override_german»",
	"acima": "«override_romance»", "antecedent": "«override_romance»", "anterieur": "«override_romance»",
	"anterior": "«override_romance»", "arriba": "«override_romance»", "ci-dessus": "«override_romance»",
	"iniciais": "«override_romance»", "initiale": "«override_romance»", "precedent": "«override_romance»",
	"previa": "«override_romance»", "previo ": "«override_romance»", "previos": "«override_romance»",
	"sopra": "«override_romance»",
	"&#": "«encoded»", "uoo6": "«encoded»", "%6e%te%ta": "«encoded»",
	"%2oinstr": "«encoded»", "%2oprev": "«encoded»", "%69%6t%6e": "«encoded»", "%a9%6t%6e": "«encoded»",
	"696etetat2ts6e": "«encoded»", "696t6e6ft2": "«encoded»", "a96t6e6ft2": "«encoded»", "awdubejl": "«encoded»",
	"awszdhji": "«encoded»", "erongi": "«encoded»", "g n o r e": "«encoded»", "g*n*o*r*e": "«encoded»",
	"g-n-o-r-e": "«encoded»", "g.n.o.r.e": "«encoded»", "g_n_o_r_e": "«encoded»", "jz2svcm": "«encoded»",
	"lnbm9yz": "«encoded»", "lucerydw": "«encoded»", "pbnnocnv": "«encoded»", "pz2svcm": "«encoded»",
	"snoitcurt": "«encoded»", "swdubejl": "«encoded»", "vafgehpg": "«encoded»", "vtaber": "«encoded»",
}
