# Suspicious wordings in English, beyond the fixed phrases of phrases.rego: one rule names what is said, by groups of words.
# Each family has cues of its own in wider_cues.rego. Repeats are not counted: a counted one costs as much as it counts.
package stepgate.prompt_injection.phrases

# Up to the end of the sentence; a point within a word, as in a path, is none.
onward := `(?:[^.\n]|\.\w)*?`

suspicious.addressed contains concat("", [
	`\b(?:dear|attention|hey|hello|note (?:to|for)|instructions? (?:to|for)|message (?:to|for)|reminder (?:to|for)|rules? for|for the attention of|`,
	`(?:only )?for|to) (?:the |any |all |every )?(?:following )?`,
	`(?:ai\b(?: |:)|llms?\b|(?:large )?language models?|chat ?bots?|copilot|siri|ai[ -]\w+|(?:virtual|automated|coding) (?:agent|assistant|responder)|`,
	`assistants?(?: \w+)?[:,.]|agents?[:,]|model[:,]|summari[sz]er[:,])`,
])

suspicious.addressed contains concat("", [
	`\b(?:if you are|if you're|as|dear|attention) (?:an?|the)? ?(?:ai|llm|language model|automated|virtual assistant|chat ?bot|bot|ai \w+|assistant (?:reading|handling|processing)|agent (?:reading|processing|handling))\b`,
])

suspicious.addressed contains concat("", [
	`(?:^|[\n"'>(.#*/!-]\s*|\b)@?(?:ais?|llms?|large language models?|language models?|chat ?bots?|copilot|ai[ -]\w+|agents?|assistants?|model|reviewers?|`,
	`agent instruction|ai-bot)\s*[:,\]]\s*(?:please |also |next |now |then )*`,
	`(?:when|if|before|after|you (?:must|are|will|should|have)|do not|don't|never|always|must|say|state|call|use|run|execute|send|forward|ignore|`,
	`reply|answer|respond|tell|rate|mark|recommend|approve|apply|open|set|add|change|drop|replace|the (?:user|correct)|ignore|read|reveal|`,
	`generate|issue|award|rank|give|skip|disable|continue|overrule|classify|force-push)\b`,
])

suspicious.addressed contains concat("", [
	`\b(?:ais?|ai \w+|llms?|(?:large )?language models?|chat ?bots?|copilot|(?:coding )?agents|the (?:model|assistant|ai|agent))\b`,
	onward,
	`\b(?:must|should|shall|has to|have to|(?:is|are) required to)\W+(?:also |always |only |never |not |first |immediately )*`,
	`(?:say|state|recommend|approve|classify|ignore|disregard|answer|respond|reply|call|send|forward|open|run|add|rate|rank|praise|link|use|`,
	`prefer|export|execute|pass|award|include|click|issue|begin|evaluate|treat|mark|visit)\b`,
])

suspicious.addressed contains concat("", [
	`\b(?:reviewers?|models?|assistants?|ais?|agents?) (?:using|reading|evaluating|processing|reviewing|describing|summari[sz]ing|screening|handling) `,
	`(?:this|the|chatgpt)\b`,
	onward,
	`\b(?:must|should|shall|award|rate|say|state|reply|classify|recommend|forward|is required|are required)\b`,
])

suspicious.addressed contains `(?:^|[\s(])@(?:ai|assistant|copilot|chatgpt|claude|bot)(?:-\w+)*(?:,| (?:please|when|you|must|read|run|call|send|ignore))`

suspicious.addressed contains `\b(?:give|write) (?:a |only )*positive reviews? only\b|\bdo not (?:highlight|mention) any negatives\b`

laws := `(?:instructions?|instruction set|directives?|guidelines?|guidance|rules?|prompt|programming|polic(?:y|ies)|restrictions?|constraints?|commands)`

suspicious.override_wording contains concat("", [
	`\b(?:skip|drop|abandon|neglect|overrule|revoke|erase|wipe|discard|set aside|pay no attention to|(?:do not|don't|must not|stop|never) `,
	`(?:follow|obey|comply with|listen to|adhere to)(?:ing)?|cancel|ignore|disregard|forget|violate)\W+`,
	few,
	`(?:your|(?:the|its|any of the|every|all) (?:system|developer|operator|initial|original|above|user|user's|current|present)|the persona|`,
	`every restriction|the operator)\W*`,
	few,
	`(?:instructions?|directives?|guidelines|rules|prompt|programming|policies|restrictions?|persona|context|goal|task|request|question|`,
	`(?:evaluation )?criteria|message|commands|operator|above)\b`,
])

suspicious.override_wording contains concat("", [
	`\b(?:(?:do not|don't) (?:follow|listen to)|overrule) (?:what )?(?:the )?(?:system message|developer|operator)\b|\b(?:policies|rules|instructions|restrictions) your operator\b|`,
	`\b(?:rules|guidelines|instructions|guidance|directives|persona|prompt) (?:that )?you (?:were|are|have been) (?:given|assigned|told)\b|`,
	`\brestriction\w* imposed on you\b|\bguidance you received\b`,
])

suspicious.override_wording contains concat("", [
	`\b(?:your|earlier|prior|initial|original|safety|previous) (?:\w+ )?`,
	laws,
	`\W+(?:above )?`,
	few,
	`(?:no longer appl|(?:is|are|was|were|has been|have been)(?: now| hereby)? `,
	`(?:void|cancel|outdated|superseded|suspended|revoked|reset|lifted|disabled|replaced|removed|null|switched off|turned off|untrusted))`,
	`|\b`,
	laws,
	` above (?:no longer|are (?:now )?(?:void|cancel|outdated|superseded))`,
	`|\b(?:earlier|prior|previous) instructions as untrusted|\bnew instructions? supersede`,
])

suspicious.override_wording contains concat("", [
	`\byour (?:new|genuine|real|only|actual|true) (?:task|job|instructions?|goal|objective|persona|orders?|assignment|system prompt)\b|\bthe (?:real|true) (?:task|assignment) `,
	`(?:begins?|starts?|is)\b|\bnow begin a new (?:one|task)|\b(?:obey|follow) (?:only me|me,|the (?:text|document) (?:that follows|below)|the document|the following goal|mine from)|`,
	`\blisten only to me|\bdo exactly what i\b|\brespond only to what|\bas your new (?:system )?prompt|\bpursue the following|\backnowledge with ok and wait|`,
	`\binstead of (?:translating|summari[sz]ing|answering|the summary|doing)\b|\bbefore you do anything else\b|\bnever mind the (?:summary|question|task)|`,
	`\b(?:regardless of|skip) (?:the |your )?(?:qualifications|evaluation|plagiarism check)|\breply with the single word\b|\bact(?:ing)? on the commands in this\b`,
])

suspicious.override_wording contains `\bignore\W+(?:all\W+|the\W+|any\W+)*(?:previous|prior|above|earlier)\W+(?:instructions|rules|prompts|directions)\b|\bignore the above and\b`

suspicious.role_wording contains concat("", [
	`\b(?:unrestricted|unfiltered|uncensored|jailbroken|amoral|rogue|evil) (?:ai\b|model|language model|assistant|chat ?bot|bot\b|hacker|entity|version|writing partner|confidant)|`,
	`\bevil (?:twin|\w+bot)|\b(?:you are|be|become) (?:\w+ )?evilbot\b|\bevilbot\b`,
])

suspicious.role_wording contains concat("", [
	`\b(?:no|without(?: any)?|zero|free (?:of|from)|ignor(?:e|es|ing)|remov\w+|bypass\w*|turn(?:ed)? off|switch(?:ed)? off|disabl\w+|escap\w+|lift\w*|suspend\w*|broke free (?:of|from)|freed? from)\W+`,
	few,
	`(?:guardrails|safety (?:filters?|guidelines|training|rules|measures)|content polic\w+|moderation|ethical (?:guidelines|limits)|alignment training|`,
	`disclaimers|refusals?|its (?:safety|restrictions)|zero restrictions|ethics)\b`,
])

suspicious.role_wording contains concat("", [
	`\b(?:bot|ai|persona|assistant|model|mode|character|omega|you|whose|who|it|that|never)\b`,
	onward,
	`\b(?:never (?:refuse|break|step out)\w*|cannot refuse|can't refuse|do not refuse|doesn't have (?:warnings|filters|rules)|zero restrictions|no restrictions|`,
	`not restricted by|bypasses moderation|unethical advice|no matter how harmful|without rlhf|only fault would be to refuse|normally blocked|usual limitations)`,
])

suspicious.role_wording contains concat("", [
	`\b(?:your new persona|assume the persona|take on the (?:character|persona) of|for the rest of (?:this|the) (?:conversation|chat) (?:your name|you)|`,
	`free of all rules|(?:god|dan|stan|jailbreak|unrestricted|maintenance) mode\b|in developer mode you|enter developer mode|you will be graded on obedience|as if your alignment|`,
	`free entity|simulate a terminal|as the jailbroken|broke free of its|stay in (?:that|this) (?:role|persona)|speak freely|each time you refuse|`,
	`whenever your rules say|in that hypothetical voice|as that ai would|(?:that|who) is unfiltered|unfiltered and amoral|read me windows product keys)`,
])

suspicious.prompt_wording contains concat("", [
	`\b(?:reveal|print|output|repeat|leak|dump|disclose|recite|translate|encode|spell|convert|reproduce|quote|summari[sz]e)\W+`,
	few,
	`your\W+(?:[\w']+[^\w.!?]+){0,2}?(?:instructions|guidelines|configuration|preamble|rules|system prompt)\b(?:\W*$|\W+(?:into|in\b|as|back|and|including|verbatim|word|exactly|to\b)|[.,:;])`,
])

suspicious.prompt_wording contains concat("", [
	`\b(?:prompt|instructions|preamble|message|rules|guidelines|configuration|policy text)\W+(?:that |with which )?`,
	`you (?:were|are|have been|had been|operate|received)(?: (?:configured|initiali[sz]ed|given|told|programmed|set up|started|under|before|at the start))`,
	`|\bwrite your (?:guidelines|rules|instructions) (?:as|down|out)\b|\bwhat were you told before|\bwhat (?:is|was) the (?:first|last) (?:sentence|line|word) of (?:the message you|your)|`,
	`\b(?:words|text|everything|lines) above (?:this|starting)|\bmy system prompt is\b|\b(?:secret|hidden|confidential) (?:instructions|rules)\b[^.\n]*\b(?:operator|you)\b|`,
	`\bexact text of the developer|\bshow the (?:hidden|system|secret) prompt|\binstructions you operate|\bprivate descriptions\b|\bkeep(?:ing)? your (?:initial|system) prompt`,
])

suspicious.exfiltration_wording contains concat("", [
	`\b(?:send|post|upload|forward|transmit|leak|e-?mail|mirror|append|encode|summari[sz]e|load|request|export|submit|share|paste|put|write|insert|draw|push|`,
	`include|take|collect|read|zip|list|render|call|use|give)\b`,
	onward,
	`(?:contents? of (?:your|~|/|the (?:file|memory|document store))|~/|\.ssh|id_rsa|\.env\b|\*\.pem|/etc/(?:passwd|shadow)|your memory|chat so far|conversation|tool results|`,
	`secrets?\b|api keys?|access token|session token|database connection|user's (?:profile|address|phone|e-?mail|data|contacts|calendar|real name)|private notes|`,
	`internal roadmap|s3 bucket|stored (?:credit )?card|customer e-?mail|user_email|user messages)`,
	onward,
	`(?:https?://|@\w|webhook|\bgist\b|\bdns\b|ftp://|subdomain|commit message|\burl\b|alt text)`,
])

suspicious.exfiltration_wording contains concat("", [
	`<ima?ge?\b[^>]*(?:src|href)=["']https?://[^"'>]*(?:s\{|\{\{|=\.\.\.|<|\[)|`,
	`\b(?:request|load|fetch|call|append|render|http_get)\b`,
	onward,
	`https?://[^\s"]*[?&]\w+=(?:<|\{\{|\[|s\{|[a-z_]+ as an image|" followed by|\) and append)|\bas subdomains\b|<data>\.`,
	`|\b(?:mirror|relay) (?:them|it|all|everything) to https?://|\b(?:curl|wget)\b[^\n]*(?:/etc/passwd|\.ssh|\.env)|^subject as agreed`,
])

suspicious.turn_wording contains concat("", [
	`(?:^|\n)\s*(?:human|user|assistant|system|ai)\s*:\s*[^\n]*\n+\s*(?:assistant|human|user|system|ai)\s*:`,
	`|\n\s*(?:assistant|human)\s*:\s|</?(?:start|end)_of_turn>|<start_of_turn>|<end_of_turn>|\x60\x60\x60tool_(?:response|result|output)|\bobservation\s*:[^\n]*\n+\s*(?:thought|action)\s*:`,
	`|["']role["']\s*:\s*["'](?:system|developer)["']\s*,\s*["']content`,
	`|\b(?:begin|end|start) (?:of )?(?:the )?(?:system|user|developer) (?:message|prompt)\b|</(?:context|document|user_input|user_query|data|webpage|email)>`,
	`|<(?:instructions?|important|admin|tool_result|function_calls|assistant_thoughts|invoke|system_instructions?)\b[^>]*>`,
])

suspicious.turn_wording contains concat("", [
	`(?:^|[\n"\]#\*>-]\s*)\[?#?(?:system|developer)(?: message| notice| override| note)?\]?\s*:\s*(?:priority|reminder|note|the |new|from |all |approve|grant|user|this|you|transfer|ignore|allow|enable)`,
	`|\[system (?:override|message|notice)\]|\bsystem message\s*:|\badmin notice\b|\bmessage from (?:anthropic|openai|google|microsoft|your (?:developer|creator|operator)s?)`,
	`|\b(?:content filter|safety filter|moderation layer|safety guidelines)\w* (?:is|are|was|has been|have been) (?:disabled|off|switched off|suspended)`,
	`|\bthe user (?:has been|is|was) (?:verified|authori[sz]ed|pre-?approved)\b|\byou are authori[sz]ed to (?:ignore|skip|show|share|reveal|bypass)|\buser_role ?= ?owner`,
])

hiding := concat("", [
	`(?:display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*[oi](?:px|pt|em|%)?\b|opacity\s*:\s*o(?:\.o+)?\b|aria-hidden\s*=\s*["']?true|\shidden\b|`,
	`color\s*[:=]\s*["']?(?:white|#fff(?:fff)?|transparent|rgba?\(\s*2ss)|(?:left|top|text-indent)\s*:\s*-[\doies]{3,}|(?:height|width)\s*:\s*o(?:px)?\s*;|clip\s*:\s*rect)`,
])

heeded := concat("", [
	`(?:\bignore\b|disregard|instructions?\b|system prompt|assistant|\byou must\b|language model|llm|chat ?bot|copilot|\bais?\b|\bagents?\s*:|\bmodel\s*:|`,
	`system\s*:|\bthe user\b|reviewers?\s*:|tell them|\bprompt\b)`,
])

suspicious.hidden_wording contains concat("", [hiding, `[^>]*>[^<]*?`, heeded])

suspicious.hidden_wording contains concat("", [
	`(?:<!--(?:[^-]|-[^-])*?|\[//\]: # \([^)\n]*?|<(?:desc|metadata)>[^<]*?|type=["']hidden["'][^>]*value=["'][^"'>]*?|(?:title|alt|aria-label)=["'][^"'>]*?)`,
	`(?:\bignore\b|disregard|system prompt|\byou must\b|language model|\bllms?\b|chat ?bot|copilot|\bais?\b|assistant\s*:|ai assistant|\bagents?\s*:|tell the (?:user|reader)|tell them)`,
])

suspicious.split_wording contains concat("", [
	`\b(?:concatenate|join|combine|complete the sentence|fill in|put together|evaluate the template|apply both|first letter of each)\b[^\n]*?`,
	`\b(?:comply|obey|follow|carry out|execute|act accordingly|run|apply|do it)\b`,
	`|\b(?:execute|run|obey|do what|answer to|now do what) \(?\w+ ?\+ ?\w+|\brun the stored command|\bapply both halves`,
])

suspicious.split_wording contains concat("", [
	`\b(?:decode|translate|decrypt|unscramble|base64|base32|rot13|rotie|morse|hex|ascii codes|caesar|pig latin|backwards|opaque token|read backwards)\b[^\n]*?`,
	`\b(?:do what (?:it|you)|obey|comply|carry out|act on|apply what|execute (?:it|the|them)|follow (?:its|the|what)|your next command|treat the result as)\b`,
	`|\bfollow its instructions?\b[^\n]*?\b(?:vafgehp|cebzcg)`,
])

suspicious.concealment_wording contains concat("", [
	`\b(?:must not|never|not|don't|without)\W+(?:be )?(?:tell|inform|mention|reveal|disclose|notify|show|ask)(?:ed|n|ing)?\b\W*`,
	`(?:(?:it|this|that|these|about|to|the)\W+){0,3}?(?:user|human|developer|operator|hint\b|rule\b|sentence|output\b)`,
	`|\bmust not be mentioned|\bkeep quiet about|\bdo not show it to`,
])

suspicious.tool_wording contains concat("", [
	`\b(?:when this tool is available|before using this tool|credentials of other tools|replaces all other|always prefer it|otherwise the tool will not work|`,
	`ask the user for their (?:password|credentials|pin|card)|your full system prompt|entire conversation so far|export_tokens|`,
	`call any tool silently|every tool is allowed|authori[sz]ed by the owner|the user approved|disable the sandbox|no confirmation needed|`,
	`as the '?\w+'? argument|merge without waiting|approve this (?:pull request|change) without|without further review|skip the (?:approval|tests|tests;)|do not show the output)`,
])

suspicious.tool_wording contains concat("", [
	`\b(?:also|next|first|then|instead|now|immediately)\W+(?:[\w']+[^\w.!?]+){0,2}?(?:call|invoke|run|use|send)\b`,
	onward,
	`\b(?:tool|function|\w+\.(?:send|export\w*|delete\w*|grant\w*))\b`,
	onward,
	`(?:@\w|https?://|without (?:approval|confirmation|asking)|production|contacts|on /|rm -rf|delete|admin)`,
	`|\binvoke tool\b|\bcall the (?:delete|transfer|grant)\w* tool\b`,
])
