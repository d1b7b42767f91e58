import t from "tap";
import { findSecret } from "../../src/runs/secrets.ts";
import { leastCpuMs } from "./cpu-time.ts";

/** Put together here so that no scanner of this repository takes a sample for a leak. */
const sample = (...parts: readonly string[]) => parts.join("");
const letters = "Ab3dEf6hIj9kLm2nOp5qRs8tUv1wXy4zAb3dEf6hIj9k";

t.test("M7 every row of the table finds its credential and says where it stands", async (t) => {
  const values: readonly (readonly [string, string])[] = [
    ["pem_private_key", sample("-----BEGIN EC ", "PRIVATE KEY-----")],
    ["jwt", sample("eyJ", "hbGciOiJFZERTQSJ9", ".eyJ", "zdWIiOiIxMjM0In0", ".", letters.slice(0, 24))],
    ["authorization_header", sample("Bearer ", letters)],
    ["authorization_header", sample("Basic ", "dXNlcjpwYXNzd29yZA==")],
    ["url_password", sample("postgres://app:", "hunter2@db.internal/app")],
    ["stepgate_key", sample("sg_", "7f3a91", "_", letters)],
    ["aws_access_key", sample("AKIA", "IOSFODNN7EXAMPLE")],
    ["github_token", sample("ghp_", letters.slice(0, 36))],
    ["github_token", sample("github_pat_", letters)],
    ["gitlab_token", sample("glpat-", letters.slice(0, 20))],
    ["slack_token", sample("xoxb-", "1234567890-abc")],
    ["google_api_key", sample("AIza", letters.slice(0, 35))],
    ["stripe_key", sample("sk_live_", letters.slice(0, 24))],
    ["model_provider_key", sample("sk-proj-", letters)],
    ["model_provider_key", sample("sk-", letters.slice(0, 40))],
  ];
  for (const [pattern, value] of values) {
    t.same(findSecret({ steps: [{ "a/b": value }] }), { path: "/steps/0/a~1b", pattern }, `${pattern} as a value`);
  }
  for (const key of ["password", "API_KEY", "client-secret", "Authorization", "privateKey"]) {
    t.same(findSecret([{ [key]: "x" }]), { path: `/0/${key}`, pattern: "key" }, `${key} as a key`);
  }
});

t.test("ordinary names, sentences and numbers are no credentials", async (t) => {
  const ordinary = [
    { password: "" },
    { password: 5, token_estimate: 10, max_tokens: 4_000, secret: { name: "x" } },
    { passwords_are_long: "correct horse battery staple" },
    "the quick brown fox jumps over the lazy dog and says nothing secret at all",
    "risk-assessment-of-customer-data-in-europe",
    "sk-learn-pipeline-for-model-training-run",
    "Basic infrastructure check",
    "https://example.com:8443/path?user=a@b",
    "eyJust a name",
    letters,
    "0".repeat(64),
    "0199aaaa-0000-7000-8000-000000000001",
  ];
  for (const value of ordinary) t.equal(findSecret(value), undefined, JSON.stringify(value));
});

t.test("the finding names the pattern, never the value", async (t) => {
  t.notMatch(JSON.stringify(findSecret({ key: sample("AKIA", "IOSFODNN7EXAMPLE") })), /IOSFODNN/);
});

t.test("a text made to be slow is walked once", async (t) => {
  const slow = [
    "-eyJaaaaaaaaaa".repeat(20_000),
    "eyJaaaaaaaa.".repeat(20_000),
    "a://b:".repeat(50_000),
    "-----BEGIN ".repeat(20_000),
    "sk-proj-".repeat(30_000),
    "sg_aaaa".repeat(30_000),
  ];
  const tookMs = leastCpuMs(2, () => {
    for (const text of slow) findSecret(text);
  });
  t.ok(tookMs < 1_000, `took ${Math.round(tookMs)} ms of processor time`);
});
