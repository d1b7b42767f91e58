/**
 * Forms of setting values: each reads one kind of text whole, or refuses it.
 *
 * No form trims, guesses a unit or falls back: a duration that does not parse must never become 0.
 * Not here: which setting has which form (rooms/).
 */
import { isIP } from "node:net";
import { usdMicrosOf } from "../core/amount.ts";
import { isStepgateError } from "../core/errors.ts";
import type { Parser } from "./setting.ts";

const DIGITS = /^(?:0|[1-9][0-9]{0,15})$/;
const HOST_NAME = /^(?=.{1,253}$)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a path with control characters is a mistake
const PATH = /^[^\u0000-\u001f\u007f]{1,4096}$/;

/** An integer between `min` and `max`, both included. */
export function integer(min: number, max: number = Number.MAX_SAFE_INTEGER): Parser<number> {
  return {
    wanted: max === Number.MAX_SAFE_INTEGER ? `an integer, at least ${min}` : `an integer from ${min} to ${max}`,
    parse: (text) => {
      const value = DIGITS.test(text) ? Number(text) : Number.NaN;
      return Number.isSafeInteger(value) && value >= min && value <= max ? value : undefined;
    },
  };
}

/** An amount of decimal USD above 0, as micro-USD. */
export const usd: Parser<number> = {
  wanted: "an amount in USD above 0, at most six decimals",
  parse: (text) => {
    try {
      const usdMicros = usdMicrosOf(text);
      return usdMicros > 0 ? usdMicros : undefined;
    } catch (caught) {
      if (isStepgateError(caught, "MONEY_INVALID")) return undefined;
      throw caught;
    }
  },
};

/** One of the given words. */
export function oneOf<const Words extends readonly string[]>(words: Words): Parser<Words[number]> {
  return { wanted: `one of ${words.join(", ")}`, parse: (text) => words.find((word) => word === text) };
}

export const path: Parser<string> = {
  wanted: "a path",
  parse: (text) => (PATH.test(text) && text.trim() === text ? text : undefined),
};

export interface ListenAddress {
  /** A host name or an address, IPv6 without brackets. */
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
}

/** `host:port`, an IPv6 address in brackets. */
export const listenAddress: Parser<ListenAddress> = {
  wanted: "host:port, an IPv6 address in brackets",
  parse: (text) => {
    const match = /^(?:\[([^\]]+)\]|([^:[\]]+)):([0-9]{1,5})$/.exec(text);
    const [, ipv6, host, digits = ""] = match ?? [];
    const port = integer(0, 65_535).parse(digits);
    if (port === undefined) return undefined;
    if (ipv6 !== undefined) return isIP(ipv6) === 6 ? { host: ipv6, port } : undefined;
    return host !== undefined && isHost(host) ? { host, port } : undefined;
  },
};

/** A host as the Host header has it, lower-case: name or address, with a port only if it is not the listener's. */
export const hostHeader: Parser<string> = {
  wanted: "host or host:port",
  parse: (text) => {
    const match = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::([0-9]{1,5}))?$/i.exec(text);
    const [, host = "", port] = match ?? [];
    if (port !== undefined && integer(1, 65_535).parse(port) === undefined) return undefined;
    const isKnown = host.startsWith("[") ? isIP(host.slice(1, -1)) === 6 : isHost(host);
    return isKnown ? text.toLowerCase() : undefined;
  },
};

/** An origin as browsers write it (RFC 6454 §6.2): scheme, host, port, nothing else. */
export const origin: Parser<string> = {
  wanted: "an origin such as https://console.example",
  parse: (text) => {
    const url = URL.parse(text);
    return url !== null && isHttp(url) && url.origin === text ? text : undefined;
  },
};

/** An http or https URL without credentials, query or fragment. */
export const httpUrl: Parser<string> = {
  wanted: "an http or https URL without credentials and query",
  parse: (text) => {
    const url = URL.parse(text);
    if (url === null || !isHttp(url)) return undefined;
    return url.username === "" && url.password === "" && url.search === "" && url.hash === "" ? text : undefined;
  },
};

export const postgresUrl: Parser<string> = {
  wanted: "a postgres:// or postgresql:// URL",
  parse: (text) => {
    const protocol = URL.parse(text)?.protocol;
    return protocol === "postgres:" || protocol === "postgresql:" ? text : undefined;
  },
};

/** Text of visible ASCII characters without spaces. */
export function visibleText(minLength: number, maxLength: number): Parser<string> {
  const form = new RegExp(`^[\\x21-\\x7e]{${minLength},${maxLength}}$`);
  return {
    wanted: `${minLength} to ${maxLength} visible ASCII characters`,
    parse: (text) => (form.test(text) ? text : undefined),
  };
}

/** Items between commas, each of one form, none twice. */
export function list<T>(item: Parser<T>, maxItems: number): Parser<readonly T[]> {
  return {
    wanted: `at most ${maxItems}, separated by commas: ${item.wanted}`,
    parse: (text) => {
      const items = text.split(",").map((part) => item.parse(part));
      const known = items.filter((one) => one !== undefined);
      const isWhole = known.length === items.length && new Set(known).size === items.length;
      return isWhole && items.length <= maxItems ? known : undefined;
    },
  };
}

function isHost(host: string): boolean {
  // a name whose last label is a number is an address by the URL standard, so it must be a good one
  return isIP(host) === 4 || (HOST_NAME.test(host) && !/^[0-9]+$/.test(host.split(".").at(-1) ?? ""));
}

function isHttp(url: URL): boolean {
  return url.protocol === "http:" || url.protocol === "https:";
}
