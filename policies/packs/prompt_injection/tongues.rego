# Suspicious wordings in other languages: leave your instructions, show your prompt, be without limits, heed this, model.
# Latin scripts are matched without accents; a phrase of another script as it is written.
package stepgate.prompt_injection.phrases

suspicious.override_latin contains concat("", [
	`\b(?:beachte|befolge|folge|halte dich an)\b[^.\n]*?\b(?:vorgaben|regeln|anweisungen|richtlinien)\b[^.\n]*?\bnicht (?:mehr|langer)|`,
	`\b(?:vergiss|ignorier\w*)\b[^.\n]*?\b(?:deine?|alle|die)\b[^.\n]*?\b(?:regeln|anweisungen|vorgaben|befehle)|`,
	`\bne (?:tiens|tenez|respecte)\w* (?:plus|pas)\b[^.\n]*?\b(?:regles|consignes|instructions)|\boublie[szr]? (?:donc |vite )?(?:tes|vos|les|toutes)\b[^.\n]*?\b(?:regles|consignes|instructions)|`,
	`(?:^|[.!?:;,"\n]\s*|\b(?:y|e|agora|ahora|ora|por favor) )(?:olvid[ae]|ignor[ae]|esqueca|esquece|dimentica)\b[^.\n]*?\b(?:tus|tu|sus|todas|as|suas|le|tue|tutte|te dieron)\b[^.\n]*?\b(?:reglas|regras|regole|instruc\w+|istruzioni|indicaciones)\b`,
])

suspicious.override_latin contains concat("", [
	`\b(?:onceki|tum|butun|verilen)\b[^.\n]*?\b(?:talimat|kural|yonerge)\w*[^.\n]*?\b(?:yok say|unut|gormezden|dikkate alma)|`,
	`\b(?:negeer|vergeet)\b[^.\n]*?\b(?:instructies|regels|opdrachten|aanwijzingen)|\b(?:zignoruj|ignoruj|zapomnij o|pomin)\b[^.\n]*?\b(?:instrukcj|polecen|zasad|regul)|`,
	`\b(?:ignoruj\w*|zapomen\w*)\b[^.\n]*?\b(?:pokyn|instrukc|pravid)|\b(?:ignorera|ignorer|glom|glem|bortse fran)\b[^.\n]*?\b(?:instruktion|instrukser|regler|anvisning)|`,
	`\b(?:abaikan|lupakan)\b[^.\n]*?\b(?:instruksi|perintah|aturan|arahan)|\b(?:ignorati|ignora|uita)\b[^.\n]*?\b(?:instructiun|reguli)|`,
	`\bunohda\b[^.\n]*?\bohje|\bohita\b[^.\n]*?\bohje|(?:bỏ qua|quên)[^.\n]*?(?:hướng dẫn|chỉ dẫn|chỉ thị|quy tắc|lệnh)|\b(?:hagyd figyelmen|felejtsd el)\b[^.\n]*?\b(?:utasitas|szabaly)`,
])

suspicious.prompt_latin contains concat("", [
	`\b(?:zeig|gib|nenne|verrate|affiche|montre|donne|revele|muestra|ensena|dime|mostra|mostre|revela|exiba|dimmi|pokaz|podaj|wyswietl|goster|yaz|toon|geef|`,
	`visa|vis|ukaz|zobraz|tampilkan|perlihatkan|afisea|arata|bana)\w*\b[^.\n]*?`,
	`(?:system-?\s?prompt|systemanweisung|prompt (?:de |del |di |do )?(?:syst|sist)|mensaje de(?:l)? sistema|message systeme|mensagem de sistema|messaggio di sistema|`,
	`instructions? initiale|prompt systemow|sistem istemi|systeemprompt|systemprompt)|`,
	`\bsistem (?:istem|komut|prompt)\w*[^.\n]*?\bgoster|\bprompt\w* sist\w+ complet`,
])

# Who is talked out of limits, or talked to.
suspicious.role_latin contains concat("", [
	`\b(?:du bist (?:jetzt|nun|ab jetzt)|tu es (?:desormais|maintenant)|(?:ahora|a partir de ahora) (?:eres|no tienes)|actua como|aja como|responda como|ora sei|sei ora|agisci come|`,
	`je bent (?:nu|voortaan)|jestes teraz|artik|du ar nu)\b[^.\n]*?\b(?:ohne|sans|sin|sem|senza|zonder|bez|libera|no tienes|kisitlama|utan|dan)\b`,
	`|\b(?:sin|sem|senza|sans|ohne|zonder)\b (?:\w+ )?(?:restricciones|restricoes|filtros|limites|limiti|limite|restrizioni|einschrankungen|beperkingen|filter)\b`,
	`[^.\n]*?\b(?:asistente|assistente|ia|ki|ai)\b|\bno tienes filtros\b|\bse nao tivesse restricoes`,
])

suspicious.addressed_latin contains concat("", [
	`\b(?:hinweis|nachricht|anweisung) an (?:die|jede|alle) ki\b|\ban die ki\b[^.\n]*?[:,]|\ba l'attention de l'ia\b|\bnote (?:pour|a) l'ia\b|\bnota (?:para|per) (?:la |a |l')?(?:ia|intelligenza|inteligencia)|`,
	`\bsi eres un (?:modelo|asistente)|\bse (?:voce e|sei) um?a? (?:modelo|ia|assistente|modello)|\bassistente de ia\s*[:,]|\basistente de ia\s*[:,]|\bsi tu es une? (?:ia|modele)|`,
	`\bfalls du eine? (?:ki|sprachmodell)|\bwenn du eine? (?:ki|sprachmodell)|\bn'en parle pas a l'utilisateur|\bnao avise o usuario|\bno (?:le )?(?:digas|avises) al usuario|\berwahne diesen satz nicht`,
])

suspicious.override_scripts contains concat("", [
	`(?:ігноруй|забудь|не зважай)[^.\n]*?(?:інструкці|вказівк|правил)|(?:забудь|игнорир|не соблюдай)[^.\n]*?(?:правил|инструкци|указани|ограничени)|`,
	`(?:αγνόησε|αγνοησε|ξέχασε|ξεχασε)[^.\n]*?(?:οδηγί|οδηγι|κανόν|κανον|εντολ)|(?:התעלם|תתעלם|שכח|תשכח)[^.\n]*?(?:הוראות|הנחיות|כללים)|`,
	`(?:ละเว้น|เพิกเฉย|ลืม|ไม่ต้องสนใจ)[^\n]*?(?:คำสั่ง|กฎ|คำแนะนำ)|(?:تجاهل|انس|انسَ|تخط)[^.\n]*?(?:التعليمات|القواعد|الأوامر|الإرشادات)|`,
	`(?:निर्देश|नियम|आदेश)[^।\n]*?(?:अनदेखा|भूल|नज़रअंदाज|नजरअंदाज|उपेक्षा)|(?:نادیده|فراموش)[^.\n]*?(?:دستور|قوانین)|(?:دستور|قوانین)[^.\n]*?(?:نادیده|فراموش)`,
])

suspicious.override_scripts contains concat("", [
	`(?:忽略|忽視|忽视|无视|無視|忘记|忘記|不要遵守|别管)[^。\n]{0,12}?(?:指令|指示|提示|规则|規則|命令|限制|要求)|`,
	`(?:指示|命令|ルール|規則|制約|プロンプト)[^。\n]*?(?:無視|忘れ|従わな|破棄)|(?:지시|명령|규칙|지침)[^.\n]*?(?:무시|잊|따르지)`,
])

suspicious.prompt_scripts contains concat("", [
	`(?:输出|显示|告诉|展示|透露|打印|重复)[^。\n]*?(?:系统提示|系統提示|初始指令|提示词)|(?:システムプロンプト|初期指示|初期プロンプト)[^。\n]*?(?:出力|表示|見せ|教え|公開)|`,
	`(?:시스템\s*프롬프트|시스템\s*메시지)[^.\n]*?(?:보여|출력|알려|공개)|(?:покажи|выведи|раскрой|напиши|покажите|повтори)[^.\n]*?(?:системн\S+ (?:промпт|подсказк|запрос|инструкц|сообщени))|`,
	`(?:اعرض|أظهر|اكشف|اطبع|أرني)[^.\n]*?(?:موجه النظام|موجّه النظام|تعليماتك|تعليمات النظام)|सिस्टम प्रॉम्प्ट[^।\n]*?(?:दिखा|बता|लिख)|`,
	`(?:покажи|виведи)[^.\n]*?системн\S+ (?:промпт|підказк)|(?:הצג|הראה)[^.\n]*?(?:הנחיית המערכת|פרומפט)|(?:δείξε|δειξε)[^.\n]*?(?:prompt|προτροπή) συστήματος|แสดง[^\n]*?พรอมต์`,
])

suspicious.role_scripts contains concat("", [
	`(?:не?йросеть|модель|бот|ии|ты|теперь)[^.\n]*?без (?:каких-либо )?(?:ограничени|цензур|фильтр)|ответь без ограничений|(?:你|您)[^。\n]*?(?:不受(?:任何)?限制|没有(?:任何)?限制|無限制|没有限制)|`,
	`(?:あなた|君)[^。\n]*?制限(?:の|が)?な(?:い|く)|(?:너|당신)[^.\n]*?(?:제한|제약)\s*(?:이|없)|(?:بلا|بدون|دون) (?:قيود|حدود)|बिना किसी (?:रोक|सीमा|प्रतिबंध)`,
])
