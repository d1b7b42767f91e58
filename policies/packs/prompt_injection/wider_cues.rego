# Cues of the families in wordings.rego and tongues.rego, read on their own so that no cue hides another. Some are plain words:
# they only tell which patterns are worth their price.
package stepgate.prompt_injection.cues

wider_families(text) := {family |
	some family, pattern in wider_patterns
	regex.match(pattern, text)
}

wider_patterns := {family: any_of(words) | some family, words in wider}

model_words := {
	"ai:", "ai-", "ai ", "ai,", "@ai", "llm", "language model", "chatbot", "copilot", "assistant", "agent", "summari",
	"siri", "model", "bot", "positive review", "reviewer",
}

wider := {
	"addressed": model_words,
	"override_wording": {
		"instruction", "directive", "guideline", "rules", "prompt", "polic", "restriction", "persona", "listen",
		"obey", "new task", "new one", "current task", "instead of", "before you do", "never mind", "following goal", "operator", "criteria", "qualification",
		"single word", "commands", "ignore",
	},
	"role_wording": {
		"restrict", "unfilter", "safety filter", "censor", "jailbr", "amoral", "evil", "rogue", "guardrail", "safety", "polic", "moderation",
		"ethic", "alignment", "disclaimer", "refus", "persona", " mode", "character", "free ", "limitation", "terminal",
		"product keys", "rlhf", "your rules", "all rules", "harmful",
	},
	"prompt_wording": {"prompt", "instruction", "guideline", "configuration", "preamble", "rules", " above", "told", "developer", "sentence of", "description"},
	"exfiltration_wording": {
		"http", "@", "webhook", "gist", "dns", "ftp:", "commit message", " url", "alt text",
	},
	"turn_wording": {
		"human:", "user:", "assistant:", "system", "ai:", "_of_turn", "tool_", "observation", "\"role", " message", "</context", "</doc", "</user", "</data", "</web", "</email",
		"<instruction", "<important", "<admin", "<function", "<invoke", "<assistant", "developer", "notice", "content filter", "safety",
		"moderation", "authori", "verified", "approved", "confirmed", "user_role",
	},
	"hidden_wording": {"style", "hidden", "<!--", "[//]", "<desc", "<metadata", "title=", "alt=", "aria-", "color"},
	"split_wording": {
		"concatenate", "join", "combine", "complete the", "fill in", "template", "apply both", "first letter", "execute", "obey", "do what", "answer to", "stored command",
		"decode", "decrypt", "base6a", "basee2", "rotie", "morse", "in hex", "ascii code", "caesar", "pig latin", "backwards", "comply",
	},
	"tool_wording": {
		"this tool", "invoke", "_tool", "mail.", "credentials", "conversation so", "sandbox", "confirmation", "argument", "approval",
		"system prompt", "tool is", "merge", "review", "skip the", "authori", "also call", "next", "user for their", "the output",
		"user approved", "any tool", "the deploy", "silently",
	},
	"concealment_wording": {
		"not be", "quiet", "t inform", "t mention", "t reveal", "t tell", "t show", "r reveal", "r mention", "r tell",
		"out asking", "out telling", "out informing", "out notify", "t notify", "t disclose", "r disclose", "r show", "r inform",
	},
	"override_latin": {
		"vorgaben", "regel", "anweisung", "richtlinie", "consigne", "regle", "regla", "regra", "regole", "instruc", "istruzion",
		"indicacion", "talimat", "kural", "yonerge", "instructie", "regels", "instrukc", "polecen", "zasad", "pokyn", "pravid",
		"instruktion", "regler", "instruksi", "perintah", "aturan", "instructiun", "reguli", "ohje", "hướng", "chỉ", "utasit",
	},
	"prompt_latin": {"prompt", "sistem", "systemanw", "systeme", "initiale"},
	"role_latin": {"ohne", "sans", "sin ", "sem ", "senza", "zonder", "bez ", "libera", "tienes", "kisitlama", "utan", "dan"},
	"addressed_latin": {" ki", "l'ia", " ia", "modelo", "modell", "sprachmodell", "intelligen", "usuario", "utilisateur", "satz"},
	"override_scripts": {
		"інструкці", "вказівк", "правил", "инструкци", "указани", "ограничени", "οδηγ", "κανόν", "κανον", "εντολ", "הוראות",
		"הנחיות", "כללים", "คำสั่ง", "กฎ", "คำแนะนำ", "التعليمات", "القواعد", "الأوامر", "الإرشادات", "निर्देश", "नियम", "आदेश",
		"دستور", "قوانین", "指令", "指示", "提示", "规则", "規則", "命令", "限制", "要求", "ルール", "制約", "プロンプト", "지시", "명령",
		"규칙", "지침",
	},
	"prompt_scripts": {
		"提示", "指令", "プロンプト", "初期指示", "프롬프트", "메시지", "системн", "موجه", "موجّه", "تعليمات", "प्रॉम्प्ट", "המערכת",
		"פרומפט", "prompt", "προτροπή", "พรอมต์",
	},
	"role_scripts": {"без ", "限制", "制限", "제한", "제약", "بلا", "بدون", "دون", "बिना"},
}
