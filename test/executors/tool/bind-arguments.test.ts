/** Arguments into a config: what is a hole, what is data, what cannot stand where it should. */
import t from "tap";
import { bindArguments } from "../../../src/executors/tool/bind-arguments.ts";

t.test("fills holes at any depth, and leaves the rest as it is", async (t) => {
  const config = {
    method: "POST",
    url: { $url: "https://crm.example/v1/tickets/{id}?q={text}" },
    headers: { "x-mode": { $argument: "mode" } },
    body: { all: { $arguments: true }, list: [1, { $argument: "text" }, null] },
  };
  const given = { id: 7, text: "a b&c=d/e", mode: "fast" };
  t.same(bindArguments(config, given), {
    method: "POST",
    url: "https://crm.example/v1/tickets/7?q=a%20b%26c%3Dd%2Fe",
    headers: { "x-mode": "fast" },
    body: { all: given, list: [1, "a b&c=d/e", null] },
  });
});

t.test("leaves out members whose argument is missing", async (t) => {
  const config = { a: { $argument: "x" }, b: [{ in: { $argument: "x" } }, "kept"], c: { $argument: "toString" } };
  t.same(bindArguments(config, {}), { b: [{}, "kept"] });
});

t.test("leaves nothing out of a list: the items after it would move up", async (t) => {
  const config = { command: ["transfer", "--from", { $argument: "from" }, "--to", { $argument: "to" }] };
  t.equal(bindArguments(config, { to: "x" }), undefined);
  t.same(bindArguments(config, { from: "y", to: "x" }), { command: ["transfer", "--from", "y", "--to", "x"] });
});

t.test("fills once: an argument that looks like a hole is data", async (t) => {
  const given = { a: { $argument: "secret" }, secret: "s" };
  t.same(bindArguments({ a: { $argument: "a" } }, given), { a: { $argument: "secret" } });
  t.same(bindArguments({ a: { $argument: "a" } }, { a: "{secret}" }), { a: "{secret}" });
});

t.test("the arguments themselves may be the inputs, and must then be an object", async (t) => {
  t.same(bindArguments({ $arguments: true }, { a: 1 }), { a: 1 });
  t.same(bindArguments({ $argument: "a" }, { a: { b: 1 } }), { b: 1 });
  t.equal(bindArguments({ $argument: "a" }, { a: [1] }), undefined);
  t.equal(bindArguments({ $argument: "a" }, {}), undefined);
});

t.test("a URL takes only what stays in its place", async (t) => {
  const url = { url: { $url: "https://crm.example/v1/{id}/notes?q={text}" } };
  const fits = { id: "7", text: "x" };
  const rows = [
    { why: "a dot segment", given: { ...fits, id: ".." } },
    { why: "another", given: { ...fits, id: "." } },
    { why: "an empty segment", given: { ...fits, id: "" } },
    { why: "no scalar", given: { ...fits, id: ["7"] } },
    { why: "null", given: { ...fits, id: null } },
    { why: "missing in the path", given: { text: "x" } },
    { why: "missing in the query", given: { id: "7" } },
  ];
  for (const { why, given } of rows) t.equal(bindArguments(url, given), undefined, why);
  const odd = { id: "../admin?x#y", text: "O'Brien (a*b)!" };
  t.same(bindArguments(url, odd), {
    url: "https://crm.example/v1/..%2Fadmin%3Fx%23y/notes?q=O%27Brien%20%28a%2Ab%29%21",
  });
  t.same(bindArguments(url, { ...fits, text: "" }), { url: "https://crm.example/v1/7/notes?q=" });
  const pair = { url: { $url: "https://crm.example/{a}{b}/x" } };
  t.equal(bindArguments(pair, { a: ".", b: "." }), undefined, "two that make a dot segment together");
  t.same(bindArguments(pair, { a: "%2e", b: "%2e" }), { url: "https://crm.example/%252e%252e/x" });
});
