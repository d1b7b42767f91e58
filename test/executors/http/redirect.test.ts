/** What of a request is sent on to where a redirect leads. */
import t from "tap";
import { type Hop, isRedirect, nextHop } from "../../../src/executors/http/redirect.ts";

const hop: Hop = {
  method: "POST",
  url: new URL("https://a.example/one"),
  headers: { accept: "*/*", authorization: "Bearer x", cookie: "c", "x-api-key": "k", "content-type": "text/plain" },
  body: "payload",
};

t.test("keeps everything within an origin, and across origins only what is no credential", async (t) => {
  t.same(nextHop(hop, 307, "/two"), { ...hop, url: new URL("https://a.example/two") });
  t.same(nextHop(hop, 308, "https://b.example/"), {
    ...hop,
    url: new URL("https://b.example/"),
    headers: { accept: "*/*", "content-type": "text/plain" },
  });
  t.same(
    nextHop(hop, 307, "https://a.example:8443/")?.headers,
    { accept: "*/*", "content-type": "text/plain" },
    "another port is another origin",
  );
});

t.test("turns POST into GET as every client does, and drops the body with it", async (t) => {
  for (const status of [301, 302, 303])
    t.match(nextHop(hop, status, "/two"), { method: "GET", body: undefined }, String(status));
  t.notOk("content-type" in (nextHop(hop, 303, "/two")?.headers ?? {}));
  t.match(nextHop({ ...hop, method: "PUT" }, 302, "/two"), { method: "PUT", body: "payload" });
  t.match(nextHop({ ...hop, method: "PUT" }, 303, "/two"), { method: "GET" });
  t.match(nextHop({ ...hop, method: "HEAD" }, 303, "/two"), { method: "HEAD" });
});

t.test("goes nowhere from https to http, or to what is no URL", async (t) => {
  for (const location of ["http://a.example/", "ftp://a.example/", "http://", undefined, ["/a", "/b"]])
    t.equal(nextHop(hop, 302, location), undefined, String(location));
  t.match(nextHop({ ...hop, url: new URL("http://a.example/") }, 302, "https://a.example/"), { method: "GET" });
});

t.test("takes a redirect without a place to go as an answer", async (t) => {
  t.equal(isRedirect(302, {}), false);
  t.equal(isRedirect(304, { location: "/" }), false);
  t.equal(isRedirect(302, { location: "/" }), true);
});
