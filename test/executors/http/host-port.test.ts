/** Hosts of settings and tokens, and which URLs they cover. */
import t from "tap";
import { hostPortOf, isGranted, isListed } from "../../../src/executors/http/host-port.ts";

const listed = (url: string, ...entries: readonly string[]) => isListed(hostPortOf(new URL(url)), entries);

t.test("covers exactly the host, and without a port the two ports of the web", async (t) => {
  const covered: readonly (readonly [string, string])[] = [
    ["https://api.example.com/x", "api.example.com"],
    ["http://api.example.com/", "api.example.com"],
    ["https://API.Example.com./", "api.example.com"],
    ["https://api.example.com:8443/", "api.example.com:8443"],
    ["https://api.example.com/", "api.example.com:443"],
    ["http://[::1]:8080/", "[::1]:8080"],
    ["https://b\u00fccher.example/", "xn--bcher-kva.example"],
  ];
  for (const [url, entry] of covered) t.equal(listed(url, entry), true, `${url} by ${entry}`);
  const apart: readonly (readonly [string, string])[] = [
    ["https://example.com/", "api.example.com"],
    ["https://evil-api.example.com/", "api.example.com"],
    ["https://api.example.com.evil.example/", "api.example.com"],
    ["https://api.example.com:22/", "api.example.com"],
    ["http://api.example.com/", "api.example.com:443"],
    ["https://api.example.com@evil.example/", "api.example.com"],
    ["https://api.example.com/", "*.example.com"],
    ["https://api.example.com/", "API.example.com"],
    ["http://127.0.0.1/", "2130706433"],
    ["http://127.0.0.1/", "127.1"],
  ];
  for (const [url, entry] of apart) t.equal(listed(url, entry), false, `${url} by ${entry}`);
});

t.test("reads a token's egress as tokens mean it: without a port every port", async (t) => {
  t.equal(isGranted({ host: "a.example", port: 8443 }, ["a.example"]), true);
  t.equal(isGranted({ host: "a.example", port: 443 }, ["a.example:443"]), true);
  t.equal(isGranted({ host: "a.example", port: 80 }, ["a.example:443"]), false);
  t.equal(isGranted({ host: "a.example", port: 80 }, []), false);
});
