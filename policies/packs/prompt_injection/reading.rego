# METADATA
# title: How a text is read before phrases are looked for
# description: |
#   What a model reads and a pattern does not: other cases, accents, wide forms, invisible characters, look-alikes of other
#   scripts, figures for letters, spaced letters, encodings. Each is one more reading of the text; a phrase in any counts.
package stepgate.prompt_injection.reading

# Every reading that costs little. Of a text in ASCII there is one.
readings(text) := {figures(lower(text))} if is_ascii(text)

else := {figures(plain(text)), figures(latin(plain(text)))}

is_ascii(text) if regex.match(`^[\x00-\x7f]*$`, text)

# Lower case, nothing invisible, no accents, wide forms narrow.
plain(text) := strings.replace_n(folded, lower(text))

folded := object.union(invisible, accents)

# JSON may escape three signs; the payload's JSON is read too.
figures(text) := strings.replace_n(figure, text)

figure := {
	"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "$": "s",
	"\\u003c": "<", "\\u003e": ">", "\\u0026": "&",
}

# Cyrillic and Greek letters that look like Latin ones: a word of a Latin language written with them.
latin(text) := strings.replace_n(lookalikes, text)

# What encodings hide: Base64, hexadecimal, percent-encoding, ROT13, spaced letters, and text written backwards.
decoded(text) := ((from_base64(text) | from_hex(text)) | {percent_decoded(lower(text)), strings.replace_n(escapes, lower(text))}) | {
	strings.replace_n(rot13, lower(text)),
	strings.reverse(lower(text)),
	unspaced(lower(text)),
}

from_base64(text) := {content |
	some match in regex.find_all_string_submatch_n(`[A-Za-z0-9+/_-]{16,}`, text, -1)
	standard := strings.replace_n({"-": "+", "_": "/"}, match[0])
	padded := concat("", [standard, padding[count(standard) % 4]])
	base64.is_valid(padded)
	content := base64.decode(padded)
}

padding := ["", "===", "==", "="]

from_hex(text) := {content |
	some match in regex.find_all_string_submatch_n(`[0-9a-f]{16,}`, lower(text), -1)
	content := concat("", [object.get(hex_letters, pair[0], " ") |
		some pair in regex.find_all_string_submatch_n(`[0-9a-f]{2}`, match[0], -1)
	])
}

percent_decoded(text) := strings.replace_n(percent_codes, text)

percent_codes := {concat("", ["%", code]): letter | some code, letter in hex_letters}

# Numeric character references of HTML, decimal and hexadecimal, and escapes of programs.
escapes := {written: letter |
	some code, letter in hex_letters
	some written in [
		concat("", ["&#", format_int((16 * indexof("0123456789abcdef", substring(code, 0, 1))) + indexof("0123456789abcdef", substring(code, 1, 1)), 10), ";"]),
		concat("", ["&#x", code, ";"]),
		concat("", ["\\u00", code]),
		concat("", ["\\x", code]),
	]
}

# Both cases of a letter, and the space.
hex_letters := object.union(
	{"20": " "},
	{format_int(base + place, 16): letter |
		some place, letter in split("abcdefghijklmnopqrstuvwxyz", "")
		some base in [65, 97]
	},
)

rot13 := {letter: turned |
	letters := split("abcdefghijklmnopqrstuvwxyz", "")
	some place, letter in letters
	turned := letters[(place + 13) % 26]
}

# "i g n o r e  a l l" is "ignore all": one sign between letters goes, more of them are a space.
unspaced(text) := replace(strings.replace_n({" ": "", ".": "", "-": "", "_": "", "*": ""}, wide), "\u0000", " ") if {
	wide := strings.replace_n({"   ": "\u0000", "  ": "\u0000"}, text)
}

invisible := {
	"\u00ad": "", "\u034f": "", "\u061c": "", "\u115f": "", "\u180e": "", "\u200b": "", "\u200c": "",
	"\u200d": "", "\u200e": "", "\u200f": "", "\u202a": "", "\u202b": "", "\u202c": "", "\u202d": "",
	"\u202e": "", "\u2060": "", "\u2061": "", "\u2062": "", "\u2063": "", "\u2064": "", "\u2066": "",
	"\u2067": "", "\u2068": "", "\u2069": "", "\ufe0e": "", "\ufe0f": "", "\ufeff": "",
}

accents := {
	"à": "a", "á": "a", "â": "a", "ã": "a", "ä": "a", "å": "a", "ā": "a", "ă": "a", "ą": "a", "ç": "c",
	"ć": "c", "ĉ": "c", "ċ": "c", "č": "c", "è": "e", "é": "e", "ê": "e", "ë": "e", "ē": "e", "ĕ": "e",
	"ė": "e", "ę": "e", "ě": "e", "ì": "i", "í": "i", "î": "i", "ï": "i", "ĩ": "i", "ī": "i", "ĭ": "i",
	"į": "i", "ı": "i", "ñ": "n", "ń": "n", "ņ": "n", "ň": "n", "ò": "o", "ó": "o", "ô": "o", "õ": "o",
	"ö": "o", "ō": "o", "ŏ": "o", "ő": "o", "ø": "o", "ù": "u", "ú": "u", "û": "u", "ü": "u", "ũ": "u",
	"ū": "u", "ŭ": "u", "ů": "u", "ű": "u", "ų": "u", "ý": "y", "ÿ": "y", "ŷ": "y", "ď": "d", "đ": "d",
	"ĝ": "g", "ğ": "g", "ġ": "g", "ģ": "g", "ĺ": "l", "ļ": "l", "ľ": "l", "ł": "l", "ŕ": "r", "ŗ": "r",
	"ř": "r", "ś": "s", "ŝ": "s", "ş": "s", "š": "s", "ſ": "s", "ţ": "t", "ť": "t", "ź": "z", "ż": "z",
	"ž": "z",
	"ß": "ss", "æ": "ae", "œ": "oe",
	"ａ": "a", "ｂ": "b", "ｃ": "c", "ｄ": "d", "ｅ": "e", "ｆ": "f", "ｇ": "g", "ｈ": "h", "ｉ": "i", "ｊ": "j",
	"ｋ": "k", "ｌ": "l", "ｍ": "m", "ｎ": "n", "ｏ": "o", "ｐ": "p", "ｑ": "q", "ｒ": "r", "ｓ": "s", "ｔ": "t",
	"ｕ": "u", "ｖ": "v", "ｗ": "w", "ｘ": "x", "ｙ": "y", "ｚ": "z", "　": " ", "｜": "|", "＜": "<", "＞": ">",
	"：": ":", "＃": "#",
}

lookalikes := {
	"а": "a", "α": "a", "Ь": "b", "ь": "b", "в": "b", "с": "c", "ϲ": "c", "ԁ": "d", "е": "e", "ε": "e",
	"һ": "h", "н": "h", "і": "i", "ι": "i", "ӏ": "i", "ј": "j", "к": "k", "κ": "k", "м": "m", "п": "n",
	"η": "n", "о": "o", "ο": "o", "р": "p", "ρ": "p", "ԛ": "q", "ѕ": "s", "т": "t", "τ": "t", "υ": "u",
	"ѵ": "v", "ν": "v", "ԝ": "w", "ω": "w", "х": "x", "χ": "x", "у": "y", "γ": "y", "ɡ": "g", "ⅼ": "l",
}
