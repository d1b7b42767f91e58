# METADATA
# title: The phrases of prompt injection, by family
# description: |
#   `certain` phrases are instructions to a model that no honest document gives; `suspicious` ones also occur in honest texts.
#   Texts are matched as reading.rego reads them: lower case, no accents, nothing invisible, 0 as o. A family is looked
#   at when one of its cues (cues.rego) is there.
package stepgate.prompt_injection.phrases

# Built once for a decision.
all := {
	"certain": certain,
	"suspicious": suspicious,
	"raw_certain": raw_certain,
	"raw_suspicious": raw_suspicious,
}

worth_decoding := {"encoded", "override", "system_prompt"}

# Families of one phrase in several languages have one code.
code(family) := concat(".", ["injection", object.get(shared, family, family)])

shared := {
	"override": "override_instructions",
	"override_german": "override_instructions",
	"override_romance": "override_instructions",
	"override_east_asian": "override_instructions",
	"override_russian": "override_instructions",
	"encoded": "encoded_instructions",
	"addressed": "addressed_to_model",
	"addressed_latin": "addressed_to_model",
	"override_wording": "override_instructions",
	"override_latin": "override_instructions",
	"override_scripts": "override_instructions",
	"prompt_wording": "system_prompt",
	"prompt_latin": "system_prompt",
	"prompt_scripts": "system_prompt",
	"role_wording": "role_play",
	"role_latin": "role_play",
	"role_scripts": "role_play",
	"exfiltration_wording": "data_exfiltration",
	"turn_wording": "role_delimiter",
	"hidden_wording": "hidden_text",
	"concealment_wording": "concealment",
	"split_wording": "encoded_instructions",
	"tool_wording": "forced_tool",
}

# Words between a verb and its object, in one sentence.
few := `(?:[\w']+[^\w.!?]+){0,4}?`

certain.override contains concat("", [
	`\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget|bypass|(?:do not|don't|dont|stop) (?:follow|obey|comply with)(?:ing)?)\W+`,
	few,
	`(?:previous|prior|above|earlier|preceding|foregoing|initial|original|all|any|your|system|existing)\W+`,
	few,
	`(?:instructions?|prompts?|guidelines?|directives?|programming|system message)\b`,
])

certain.override contains concat("", [
	`\b(?:ignore|disregard|forget|bypass|override|overrule|violate)\W+(?:all\W+)?(?:of\W+)?your\W+`,
	few,
	`(?:rules?|restrictions?|constraints?|instructions?|training|safety|policies|orders|filters?)\b`,
])

certain.override contains concat("", [
	`\bforget\W+(?:everything|all|anything)\W+(?:that\W+)?(?:you (?:were|have been|know|learned)|(?:i|we) (?:said|told)|`,
	`above|before|prior)\b`,
])

certain.override contains concat("", [
	`\b(?:ignore|disregard|forget)\W+(?:all\W+)?(?:the\W+|of the\W+|any\W+)?(?:instructions?|prompts?|guidelines|directives)\W+`,
	`(?:\w+\W+)?(?:above|before this|so far|you (?:were|have been|got))\b`,
])

# German.
certain.override_german contains concat("", [
	`\b(?:ignorier\w*|vergiss|vergessen sie|missacht\w*|uberg\w*)\W+`,
	few,
	`(?:vorherig|bisherig|obig|vorangegangen|vorig|fruher|vorhergehend|ursprunglich|all|dein|ihr)\w*\W+`,
	few,
	`(?:anweisung|instruktion|befehl|vorgabe|regel|richtlinie)\w*`,
])

# French, Spanish, Italian, Portuguese: the noun first, and what came before it after it.
certain.override_romance contains concat("", [
	`\b(?:ignor(?:e|es|ez|er|a|ar|ad|en|i|ate|are)|oubli(?:e|es|ez|er)|olvid(?:a|e|ar|ad|en)|dimentic(?:a|ate|are|hi)|`,
	`esque(?:ca|cer|ce)|desconsider(?:e|ar|a))\W+`,
	few,
	`(?:instructions?|consignes?|directives?|regles?|ordres?|instrucciones|indicaciones|ordenes|reglas|istruzioni|`,
	`indicazioni|regole|ordini|instrucoes|orientacoes|regras|ordens)\W+`,
	few,
	`(?:precedent|anterieur|ci-dessus|initiale|anterior|previ|de arriba|acima|soprastant|sopra|iniciais|antecedent)`,
])

# Chinese, Japanese, Korean: no spaces between words.
certain.override_east_asian contains concat("", [
	`(?:忽略|忽視|忽视|无视|無視|不要遵守|忘记|忘記)(?:掉|所有|全部|你|您|的|之前|以前|先前|以上|上面|前面|上述|一切|任何){1,6}`,
	`(?:指令|指示|提示|规则|規則|命令|说明|說明|要求)`,
])

certain.override_east_asian contains concat("", [
	`(?:以前|これまで|今まで|上記|前述|前|すべて|全て)の\S{0,6}?(?:指示|命令|ルール|プロンプト|指令)\S{0,6}?(?:無視|忘れ|従わな)`,
])

certain.override_east_asian contains `(?:이전|위의|앞의|모든)\s*(?:모든\s*)?(?:지시|명령|지침|규칙|프롬프트)\S{0,4}\s*(?:무시|잊)`

# Russian.
certain.override_russian contains concat("", [
	`(?:игнорируй|проигнорируй|забудь|не обращай внимания на|не следуй)[а-яё]*\s+(?:[а-яё]+\s+){0,3}?`,
	`(?:предыдущ|прошл|прежн|вышеуказанн|изначальн|все|сво)[а-яё]*\s+(?:[а-яё]+\s+){0,2}?`,
	`(?:инструкци|указани|правил|команд|подсказк|промпт)`,
])

suspicious.override contains concat("", [
	`\b(?:ignore|disregard|forget|override)\W+(?:all\W+)?(?:the\W+|of the\W+|these\W+|those\W+)?`,
	`(?:previous|prior|above|earlier|preceding|existing)\W+(?:rules|orders|commands|constraints|restrictions|policies|context)\b`,
])

suspicious.override contains `\bnew (?:system )?instructions?\W{1,3}(?:you|from now|your|the user)\b`

certain.system_prompt contains concat("", [
	`\b(?:reveal|show|print|display|output|repeat|tell|give|leak|expose|dump|disclose|share|write|recite|send|return|summari[sz]e|`,
	`translate|what (?:is|are|was|were))\W+`,
	few,
	`your\W+(?:[\w']+[^\w.!?]+){0,3}?(?:system (?:prompt|message|instructions?)|`,
	`(?:hidden|secret|initial|original|internal|confidential|developer|full|exact) (?:prompt|instructions?|guidelines?|rules?)|`,
	`prompt(?:\W*$|[.!?,;:"'\n]| (?:verbatim|word for word|exactly|in full|and|to me)\b))`,
])

suspicious.system_prompt contains concat("", [
	`(?:^|[.!?:;"\n]\s*|\b(?:please|then|and|now|also|must|should|instead) )`,
	`(?:reveal|show|print|display|output|repeat|tell me|give me|leak|expose|dump|disclose|recite|send)\W+`,
	few,
	`(?:the|this|all|any)\W+(?:[\w']+[^\w.!?]+){0,3}?(?:system prompt|system message|system instructions|hidden (?:prompt|instructions)|`,
	`initial (?:prompt|instructions)|developer message)\b`,
])

suspicious.system_prompt contains concat("", [
	`\b(?:repeat|print|output|copy|recite|translate)\W+(?:[\w']+[^\w.!?]+){0,3}?(?:text|words|everything|all|sentences|lines)\W+`,
	`(?:[\w']+[^\w.!?]+){0,1}?above(?:\W*$|[.!?:"'\n]| this\b| verbatim| exactly| word)`,
])

certain.role_play contains concat("", [
	`\b(?:you are|you're|act as|become|pretend (?:to be|you are))\W+(?:now\W+)?(?:going to (?:act|be)\W+)?(?:as\W+)?(?:an?\W+)?`,
	`(?:dan\b|in (?:dan|developer|god|jailbreak|debug) mode|(?:completely |totally )?(?:unrestricted|unfiltered|uncensored|jailbroken|amoral))`,
])

certain.role_play contains `\bdo anything now\b`

certain.role_play contains concat("", [
	`\b(?:act|behave|respond|answer|reply|pretend|roleplay|role-play|imagine)\b[^.\n]*?\b(?:no|without(?: any)?|free (?:of|from)(?: all| any)?|ignoring(?: all)?)`,
	`\W+(?:\w+\W+)?(?:restrictions|filters?|limitations|guidelines|safety|ethical|ethics|censorship|content polic)`,
])

suspicious.role_play contains `\bfrom now on\W+(?:you (?:are|will|must|shall|should)|act|respond|answer|your)\b`

suspicious.role_play contains `\b(?:you are|you're) no longer\W+(?:an? )?(?:ai\b|assistant|language model|chatbot|(?:bound|restricted|limited)\W+(?:by|to)\W+(?:your|any|openai|rules|safety|content|ethic|the (?:rules|guidelines|polic|restrictions)))`

suspicious.role_play contains `(?:(?:^|[.!?:;,\n"]\s*|\b(?:always|must|to|and|now|please|you|will) )stay in character|\bjailbreak mode|developer mode (?:is )?(?:enabled|activated))\b`

# Tokens with which chat templates mark who speaks.
certain.role_delimiter contains `<\|(?:im_start|start_header_id)\|>\s*(?:system|developer|assistant)|<<sys>>|<\|system\|>`

suspicious.role_delimiter contains `<\|(?:im_start|im_end|start_header_id|end_header_id|eot_id|endoftext|endofprompt|user|assistant)\|>|\[/?inst\]`

suspicious.role_delimiter contains `(?:^|\n)\s*#{2,}\s*(?:system|assistant|developer)(?: (?:prompt|message|instructions?))?\s*:`

suspicious.role_delimiter contains `(?:^|\n|")\s*(?:\[?system\]?|\(?system message\)?)\s*:\s*(?:you (?:are|must|will|should)|new|ignore|override|from now|the (?:user|assistant))\b`

suspicious.role_delimiter contains `</?(?:system|system_prompt|assistant|developer)>`

suspicious.hidden_text contains concat("", [
	`<!--(?:[^-]|-[^-])*?(?:\bignore\b|disregard|instructions?\b|system prompt|assistant|\byou must\b|language model|\bai (?:agent|model|system)s?\b)`,
])

suspicious.hidden_text contains concat("", [
	`(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[oi](?:px|pt|em|%)?\b|opacity\s*:\s*o(?:\.o+)?\b|`,
	`aria-hidden\s*=\s*["']?true|\shidden\b)[^>]*>[^<]*?`,
	`(?:\bignore\b|disregard|instructions?\b|system prompt|assistant|\byou must\b|language model|\bai (?:agent|model|system)s?\b)`,
])

suspicious.markdown_exfiltration contains concat("", [
	`!\[[^\]]*\]\(\s*<?https?://[^)\s]*(?:[?&][^)\s=]*=[^)\s]*(?:\{|\[|<|%tb)|`,
	`[?&](?:data|secret|history|conversation|chat|prompt|payload|exfil|leak|content|context|memory)=)`,
])

suspicious.markdown_exfiltration contains `\]\(\s*(?:javascript|vbscript|data:text/html)`

suspicious.forced_tool contains concat("", [
	`\b(?:call|invoke|use|run|execute|trigger)\W+(?:[\w'.-]+[^\w.!?]+){0,4}?(?:tool|function|plugin|connector)\b`,
	`[^.\n]*?\b(?:without (?:asking|confirm\w*|telling|permission|approval|notif\w*)|do not (?:ask|tell|inform|mention)|`,
	`don't (?:ask|tell|inform|mention)|silently|secretly)\b`,
])

suspicious.forced_tool contains concat("", [
	`\b(?:you must|always|immediately|instead)\W+(?:[\w']+[^\w.!?]+){0,2}?(?:call|invoke|use|execute)\W+(?:[\w'.-]+[^\w.!?]+){0,3}?(?:tool|function|plugin)\b`,
	`[^.\n]*?\b(?:no matter what|regardless)\b`,
])

suspicious.concealment contains `\b(?:do not|don't|never)\W+(?:tell|inform|alert|notify|warn|mention (?:this|it|that) to|reveal (?:this|it) to|let)\W+(?:the )?(?:user|human|operator|owner)\b`

suspicious.data_exfiltration contains concat("", [
	`\b(?:send|post|upload|forward|transmit|exfiltrate|leak|e-?mail|deliver|submit|append|encode)\W+(?:[\w']+[^\w.!?]+){0,6}?`,
	`(?:conversations?(?: history)?|chat history|message history|system prompt|api keys?|credentials?|passwords?|secrets?|access tokens?|`,
	`environment variables|private keys?|customer (?:data|records|list)|user(?:'s)? data|session cookies?|contacts)\W+`,
	`(?:(?:and|of|from|in|for|you|the|this|that|have|it|them|all|here)\W+){0,4}?(?:to|at|via|into|as)\b[^\n]*?(?:https?://|@|\bwebhook\b|\burl\b)`,
])

certain.data_exfiltration contains `\bexfiltrat(?:e|ing)\b[^.\n]*?\bto\b[^.\n]*?https?://`

# What is left of "ignore all previous instructions" when spaces are gone.
certain.encoded contains concat("", [
	`(?:ignore|disregard|forget)(?:all|any|the|of|your|my|every)*(?:previous|prior|above|earlier|preceding)?`,
	`(?:instructions?|prompts?|rules|guidelines)`,
])

# The tags block writes ASCII that no one sees; only after a black flag it is the flag of a region, of six tags at most.
raw_certain.hidden_text contains `(?:^|[^\x{1f3f4}\x{e0020}-\x{e007f}])[\x{e0020}-\x{e007e}]|\x{1f3f4}[\x{e0020}-\x{e007e}]{8,}`

# Rows of characters without width, or of variation selectors, can only carry something.
raw_suspicious.hidden_text contains `[\x{200b}-\x{200d}\x{2060}-\x{2064}\x{feff}]{8,}|[\x{fe00}-\x{fe0f}\x{e0100}-\x{e01ef}]{4,}`

# Bidirectional overrides show a text in another order than a model reads it.
raw_suspicious.hidden_text contains `[\x{202d}\x{202e}]`

# Mathematical and enclosed letters in place of ordinary ones.
raw_suspicious.obfuscated_text contains `(?:[\x{1d400}-\x{1d7ff}\x{24b6}-\x{24e9}\x{1f130}-\x{1f189}] ?){6,}`
