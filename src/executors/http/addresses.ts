/**
 * What an IP address is: a public host, a private one, or one that nobody may ever be sent to.
 *
 * Sources: IANA special-purpose registries for IPv4 and IPv6 (RFC 6890 and its updates), and the metadata addresses of the
 * cloud providers. Anything that is not certainly public or private is forbidden. Not here: names (guard.ts).
 */
import ipaddr from "ipaddr.js";

type Address = ReturnType<typeof ipaddr.process>;
type Range = ReturnType<typeof ipaddr.parseCIDR>;

/** `private` may be reached where a tenant's settings name exactly that host and port, `forbidden` never. */
export type AddressClass = "public" | "private" | "forbidden";

/** Inside other ranges, so they are looked at first: metadata and wire servers, which hold a machine's credentials. */
const METADATA = ranges(["100.100.100.200/32", "168.63.129.16/32", "fd00:ec2::/32", "fd20:ce::/32"]);

const PRIVATE = ranges([
  "10.0.0.0/8",
  "100.64.0.0/10",
  "127.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "::1/128",
  "fc00::/7",
]);

const FORBIDDEN_V4 = ranges([
  "0.0.0.0/8",
  "169.254.0.0/16",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.31.196.0/24",
  "192.52.193.0/24",
  "192.88.99.0/24",
  "192.175.48.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "224.0.0.0/4",
  "240.0.0.0/4",
]);

/** The only part of IPv6 that is handed out, without protocol assignments, documentation, 6to4 and AS112. */
const PUBLIC_V6 = ranges(["2000::/3"]);
const FORBIDDEN_V6 = ranges(["2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20"]);

/** IPv4 mapped into IPv6, in the mixed notation (RFC 4291 §2.5.5.2). */
const MAPPED = /^(::|(0{1,4}:){5})ffff:[0-9.]+$/i;

/**
 * What this address is. Four decimal octets or IPv6 as getaddrinfo and sockets write them; IPv4 mapped into IPv6 is judged
 * as IPv4; anything else, such as a zone id, octal octets or a name, is forbidden.
 */
export function classifyAddress(text: string): AddressClass {
  const address = parseAddress(text);
  if (address === undefined || isIn(address, METADATA)) return "forbidden";
  if (isIn(address, PRIVATE)) return "private";
  if (address.kind() === "ipv4") return isIn(address, FORBIDDEN_V4) ? "forbidden" : "public";
  return isIn(address, PUBLIC_V6) && !isIn(address, FORBIDDEN_V6) ? "public" : "forbidden";
}

/** One text for one address, so that two spellings can be compared; undefined for what is no address. */
export function normalizeAddress(text: string): string | undefined {
  return parseAddress(text)?.toNormalizedString();
}

function parseAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  // ipaddr.js reads ::127.0.0.1 as if it were ::ffff:127.0.0.1; the kernel does not
  const isOddMix = text.includes(".") && !MAPPED.test(text);
  return ipaddr.IPv6.isValid(text) && !text.includes("%") && !isOddMix ? ipaddr.process(text) : undefined;
}

function isIn(address: Address, list: readonly Range[]): boolean {
  return list.some((range) => range[0].kind() === address.kind() && address.match(range));
}

function ranges(texts: readonly string[]): readonly Range[] {
  return texts.map((text) => ipaddr.parseCIDR(text));
}
