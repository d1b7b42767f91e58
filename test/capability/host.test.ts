import fc from "fast-check";
import t from "tap";
import { intersectHosts, isHostCovered, readHost } from "../../src/capability/host.ts";

t.test("reads a host with or without a port", async (t) => {
  t.strictSame(readHost("API.Example:443"), { host: "api.example", port: 443 });
  t.strictSame(readHost("localhost"), { host: "localhost", port: undefined });
  t.strictSame(readHost("my_service-1.internal"), { host: "my_service-1.internal", port: undefined });
  t.strictSame(readHost("[2001:db8::1]:8443"), { host: "[2001:db8::1]", port: 8443 });
  t.strictSame(readHost("127.0.0.1:1"), { host: "127.0.0.1", port: 1 });
});

t.test("refuses everything that is not exactly that", async (t) => {
  const refused = [
    "",
    ".",
    "a.",
    ".a",
    "a..b",
    "-a",
    "a-",
    "a:",
    "a:0",
    "a:080",
    "a:65536",
    "a:http",
    "a b",
    "a/b",
    "a?b",
    "a#b",
    "u@a",
    "https://a",
    "*.a",
    "a\n",
    "é.example",
    "[::1",
    "::1",
    "[::g]",
    `${"a".repeat(64)}.`.repeat(5),
  ];
  for (const text of refused) t.equal(readHost(text), undefined, JSON.stringify(text));
});

t.test("a host without a port covers every port, and nothing covers a parent or child name", async (t) => {
  t.ok(isHostCovered("a.example:1", ["b.example", "a.example"]));
  t.ok(isHostCovered("a.example", ["a.example"]));
  t.notOk(isHostCovered("a.example", ["a.example:443"]), "every port is more than one");
  t.notOk(isHostCovered("x.a.example", ["a.example"]));
  t.notOk(isHostCovered("example", ["a.example"]));
  t.notOk(isHostCovered("a.example", []));
  t.notOk(isHostCovered("not a host", ["not a host"]), "a text that is no host is covered by nothing");
});

t.test("an intersection holds the narrower of two entries", async (t) => {
  t.strictSame(intersectHosts(["a", "b:1", "c:1"], ["a:443", "b", "c:2", "d"]), ["b:1", "a:443"]);
  t.strictSame(intersectHosts(["A:1"], ["a:1"]), ["a:1"]);
  t.strictSame(intersectHosts(["a"], []), []);
});

t.test("what an intersection covers is what both sides cover", async () => {
  const host = fc
    .tuple(fc.constantFrom("a", "b", "c"), fc.constantFrom("", ":1", ":2"))
    .map(([name, port]) => `${name}${port}`);
  const hosts = fc.array(host, { maxLength: 4 });
  fc.assert(
    fc.property(hosts, hosts, host, (left, right, wanted) => {
      const both = isHostCovered(wanted, left) && isHostCovered(wanted, right);
      return isHostCovered(wanted, intersectHosts(left, right)) === both;
    }),
    { numRuns: 500 },
  );
});
