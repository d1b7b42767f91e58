/**
 * Regular expressions that OPA's compiler leaves to the host (topdown/regex.go, Go's regexp package).
 *
 * Patterns come from packs and texts from payloads, so neither ever meets JavaScript's RegExp: re2js runs in linear
 * time. regex.match and most others are inside the module, as RE2 itself.
 */
import { type Matcher, RE2JS, RE2JSException } from "re2js";
import { integerOperand, OperandError, stringOperand, type ValueBuiltin } from "./on-values.ts";

/** Compiled patterns at hand; packs have dozens, and a pattern made from a payload must not stay for ever. */
const MAX_PATTERNS = 200;
/** `$$`, `$name`, `${name}`; a name is letters, digits and underscores, as many as there are (regexp.Expand). */
const REFERENCE = /\$(?:(\$)|([0-9A-Za-z_]+)|\{([0-9A-Za-z_]+)\})/g;

interface Match {
  readonly start: number;
  readonly end: number;
  readonly text: string;
  readonly groups: readonly string[];
}

/** The regex builtins, with a cache of patterns of their own. */
export function makeRegexBuiltins(): Readonly<Record<string, ValueBuiltin>> {
  const compile = makeCompile();
  return {
    "regex.find_n": (pattern, text, limit) => {
      const most = integerOperand(limit);
      const matches = findAll(compile(stringOperand(pattern)), stringOperand(text));
      return (most < 0 ? matches : matches.slice(0, most)).map((match) => match.text);
    },
    "regex.replace": (text, pattern, template) =>
      replace(compile(stringOperand(pattern)), stringOperand(text), stringOperand(template)),
    "regex.split": (pattern, text) => split(compile(stringOperand(pattern)), stringOperand(text)),
  };
}

function makeCompile(): (pattern: string) => RE2JS {
  const patterns = new Map<string, RE2JS>();
  return (pattern) => {
    const known = patterns.get(pattern);
    if (known !== undefined) return known;
    const compiled = compilePattern(pattern);
    const oldest = patterns.size >= MAX_PATTERNS ? patterns.keys().next().value : undefined;
    if (oldest !== undefined) patterns.delete(oldest);
    patterns.set(pattern, compiled);
    return compiled;
  };
}

function compilePattern(pattern: string): RE2JS {
  try {
    return RE2JS.compile(pattern);
  } catch (caught) {
    if (caught instanceof RE2JSException) throw new OperandError("not a pattern");
    throw caught;
  }
}

/** All matches from the left; an empty one right after another match does not count (regexp.FindAll). */
function findAll(pattern: RE2JS, text: string): readonly Match[] {
  const matcher = pattern.matcher(text);
  const matches: Match[] = [];
  let previousEnd = -1;
  for (let at = 0; at <= text.length && matcher.find(at); ) {
    const match = readMatch(matcher, pattern.groupCount());
    const isEmpty = match.start === match.end;
    if (!isEmpty || match.start !== previousEnd) matches.push(match);
    previousEnd = match.end;
    // past an empty match by one whole character, never into the middle of one
    at = match.end === at ? at + characterLength(text, at) : match.end;
  }
  return matches;
}

function readMatch(matcher: Matcher, groupCount: number): Match {
  const groups = Array.from({ length: groupCount + 1 }, (_, group) => matcher.group(group) ?? "");
  return { start: matcher.start(), end: matcher.end(), text: groups[0] ?? "", groups };
}

function characterLength(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

function replace(pattern: RE2JS, text: string, template: string): string {
  const names = pattern.namedGroups();
  let replaced = "";
  let copied = 0;
  for (const { start, end, groups } of findAll(pattern, text)) {
    replaced += text.slice(copied, start);
    replaced += template.replace(REFERENCE, (_reference, dollar?: string, bare?: string, braced?: string) => {
      if (dollar !== undefined) return "$";
      const name = bare ?? braced ?? "";
      const group = /^[0-9]+$/.test(name) ? Number(name) : names[name];
      return group === undefined ? "" : (groups[group] ?? "");
    });
    copied = end;
  }
  return replaced + text.slice(copied);
}

/** The text between matches (regexp.Split without a limit). */
function split(pattern: RE2JS, text: string): readonly string[] {
  if (pattern.pattern() !== "" && text === "") return [""];
  const parts: string[] = [];
  let begin = 0;
  let end = 0;
  for (const match of findAll(pattern, text)) {
    end = match.start;
    if (match.end !== 0) parts.push(text.slice(begin, end));
    begin = match.end;
  }
  if (end !== text.length) parts.push(text.slice(begin));
  return parts;
}
