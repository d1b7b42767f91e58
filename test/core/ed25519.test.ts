import { generateKeyPairSync } from "node:crypto";
import t from "tap";
import { ed25519Thumbprint, readEd25519Key } from "../../src/core/ed25519.ts";

/** RFC 8037 appendix A.2 and A.3. */
const RFC_8037_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

const hexX = (hex: string) => Buffer.from(hex, "hex").toString("base64url");

t.test("reads keys that a generator makes, and names them as RFC 8037 does", async (t) => {
  t.equal(readEd25519Key(RFC_8037_X)?.asymmetricKeyType, "ed25519");
  t.equal(ed25519Thumbprint(RFC_8037_X), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
  for (let made = 0; made < 20; made += 1) {
    const { x = "" } = generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" });
    t.ok(readEd25519Key(x), x);
  }
});

t.test("refuses keys under which a signature proves nothing, and texts with two spellings", async (t) => {
  const p = "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f";
  const refused: Readonly<Record<string, string>> = {
    "order 1": hexX("0100000000000000000000000000000000000000000000000000000000000000"),
    "order 1 with sign": hexX("0100000000000000000000000000000000000000000000000000000000000080"),
    "order 2": hexX("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    "order 2 with sign": hexX("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
    "order 4": hexX("0000000000000000000000000000000000000000000000000000000000000000"),
    "order 4 with sign": hexX("0000000000000000000000000000000000000000000000000000000000000080"),
    "order 8": hexX("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
    "order 8 with sign": hexX("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85"),
    "the other order 8": hexX("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"),
    "the other order 8 with sign": hexX("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa"),
    "p itself": hexX(p),
    "p + 1": hexX(`ee${p.slice(2)}`),
    "all ones": hexX("ff".repeat(32)),
    "not on the curve": hexX(`02${"00".repeat(31)}`),
    "31 bytes": hexX("11".repeat(31)),
    "33 bytes": hexX("11".repeat(33)),
    empty: "",
    padded: `${RFC_8037_X}=`,
    "a trailing bit": `${RFC_8037_X.slice(0, -1)}p`,
    "standard base64": RFC_8037_X.replace("_", "/"),
    "white space": ` ${RFC_8037_X}`,
  };
  for (const [why, x] of Object.entries(refused)) t.equal(readEd25519Key(x), undefined, why);
});
