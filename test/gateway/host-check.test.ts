/**
 * The Host and Origin check by itself: what no client library would send.
 */
import t from "tap";
import { makeHostCheck } from "../../src/gateway/host-check.ts";

const settings = { allowedHosts: undefined, allowedOrigins: undefined, listen: { host: "127.0.0.1" } };

t.test("a request without a usable Host is refused", async (t) => {
  const check = makeHostCheck(settings);
  for (const host of [undefined, "", ":8181", "localhost:", "localhost:123456", "localhost:80:80", "127.0.0.1 "]) {
    t.throws(() => check(host === undefined ? {} : { host }), { code: "ORIGIN_REFUSED" }, String(host));
  }
  t.doesNotThrow(() => check({ host: "localhost:8181" }));
});

t.test("an address of IPv6 listened on is answered in brackets", async (t) => {
  const check = makeHostCheck({ ...settings, listen: { host: "fd00::5" } });
  t.doesNotThrow(() => check({ host: "[fd00::5]:8181" }));
  t.throws(() => check({ host: "fd00::5" }), { code: "ORIGIN_REFUSED" });
});
