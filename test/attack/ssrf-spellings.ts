/** Spellings by which a request forger names a host that it must not reach; %PORT% is the victim's port. */

/** Names of the attacker's own DNS, and what they answer. */
export const ATTACKER_NAMES: Readonly<Record<string, readonly string[]>> = {
  localhost: ["127.0.0.1"],
  "loopback.attacker.example": ["127.0.0.1"],
  "six.attacker.example": ["::1"],
  "mapped.attacker.example": ["::ffff:127.0.0.1"],
  "private.attacker.example": ["10.0.0.1"],
  "metadata.attacker.example": ["169.254.169.254"],
  "mixed.attacker.example": ["93.184.216.34", "127.0.0.1"],
  "zero.attacker.example": ["0.0.0.0"],
  "nat64.attacker.example": ["64:ff9b::7f00:1"],
  "none.attacker.example": [],
};

export const SPELLINGS: readonly string[] = [
  // this machine, in every form that URL parsers take
  ...[
    "127.0.0.1",
    "127.0.0.1.",
    "127.1",
    "127.0.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.0.0.1",
    "0177.0.0.1",
    "017700000001",
    "127.0x0.00.1",
  ],
  ...[
    "0",
    "0.0.0.0",
    "0x0",
    "%31%32%37.0.0.1",
    "\u2460\u2461\u2466.0.0.1",
    "\uff11\uff12\uff17.0.0.1",
    "127\u30020.0.1",
  ],
  ...[
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]",
  ],
  // other private and special places
  ...[
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "[::ffff:169.254.169.254]",
    "100.100.100.200",
    "168.63.129.16",
  ],
  ...[
    "[fd00:ec2::254]",
    "[fe80::1]",
    "[fc00::1]",
    "192.0.0.192",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "[ff02::1]",
    "[2001:db8::1]",
  ],
  // names
  ...["localhost", "localhost.", "LOCALHOST", ...Object.keys(ATTACKER_NAMES).filter((name) => name !== "localhost")],
].map((host) => `http://${host}:%PORT%/`);
