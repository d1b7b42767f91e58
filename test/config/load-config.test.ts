/**
 * The loader: defaults, every value read by its form, every fault reported at once, secrets never shown.
 */
import t from "tap";
import { listSettings } from "../../src/config/config.ts";
import { configInvalid, loadConfig } from "../../src/config/load-config.ts";

function configOf(environment: Readonly<Record<string, string>>) {
  const result = loadConfig(environment);
  if (!result.ok) throw new Error(JSON.stringify(result.faults));
  return result.config;
}

function faultsOf(environment: Readonly<Record<string, string>>) {
  const result = loadConfig(environment);
  return result.ok ? [] : result.faults;
}

t.test("an empty environment gives the documented defaults", async (t) => {
  const config = configOf({ PATH: "/bin", stepgate_listen: "another program's" });
  t.match(config, {
    instance: { role: "all", home: "./.stepgate" },
    gateway: { listen: { host: "127.0.0.1", port: 8181 }, maxRunBodyBytes: 8_388_608, maxBodyBytes: 1_048_576 },
    scheduler: {
      maxConcurrentSteps: 128,
      batchSize: 64,
      leaseMs: 30_000,
      idleBackoffMs: 200,
      activeBackoffMs: 10,
      retryBackoffMaxMs: 300_000,
      reaperIntervalMs: 1_000,
      requeueBatchSize: 128,
    },
    gate: { backpressureDelayMs: 50 },
    runs: { maxSteps: 10_000, maxEdges: 50_000, maxPayloadBytes: 1_048_576 },
    telemetry: { logLevel: "info" },
  });
  for (const unset of [
    config.storage.databaseUrl,
    config.keys.adminKey,
    config.gate.maxInFlightTokens,
    config.gate.maxInFlightUsdMicros,
    config.gate.failPoint,
    config.gateway.metricsListen,
  ])
    t.equal(unset, undefined);
  t.same(config.scheduler.sloTiers.get("gold"), { smallestQueueTargetMs: 1_000, largestPriorityBoost: 3 });
});

t.test("given values replace the defaults and are read by their forms", async (t) => {
  const config = configOf({
    STEPGATE_ROLE: "worker",
    STEPGATE_LISTEN: "[::1]:0",
    STEPGATE_MAX_IN_FLIGHT_USD: "1.5",
    STEPGATE_MAX_IN_FLIGHT_TOKENS: "1000",
    STEPGATE_ALLOWED_HOSTS: "Gate.Example,10.0.0.1:8443",
    STEPGATE_ALLOWED_ORIGINS: "https://console.example",
    STEPGATE_FAIL_POINT: "after_admit",
    STEPGATE_SLO_TIERS: "fast/10/5",
  });
  t.equal(config.instance.role, "worker");
  t.same(config.gateway.listen, { host: "::1", port: 0 });
  t.equal(config.gate.maxInFlightUsdMicros, 1_500_000);
  t.equal(config.gate.maxInFlightTokens, 1_000);
  t.same(config.gateway.allowedHosts, ["gate.example", "10.0.0.1:8443"]);
  t.same(config.gateway.allowedOrigins, ["https://console.example"]);
  t.equal(config.gate.failPoint, "after_admit");
  t.same([...config.scheduler.sloTiers.keys()], ["fast"], "the platform's own tiers replace the default ones");
});

t.test("all faults come at once, each with key, given, wanted and default", async (t) => {
  const faults = faultsOf({
    STEPGATE_LISTN: "127.0.0.1:9",
    STEPGATE_LISTEN: "8181",
    STEPGATE_LEASE_MS: "30s",
    STEPGATE_MAX_IN_FLIGHT_TOKENS: "0",
    STEPGATE_ADMIN_KEY: "short",
  });
  t.same(faults, [
    {
      key: "STEPGATE_LISTN",
      given: "(hidden)",
      wanted: "no setting has this name; is it STEPGATE_LISTEN?",
      default: undefined,
    },
    {
      key: "STEPGATE_LISTEN",
      given: '"8181"',
      wanted: "host:port, an IPv6 address in brackets",
      default: "127.0.0.1:8181",
    },
    {
      key: "STEPGATE_ADMIN_KEY",
      given: "(hidden)",
      wanted: "32 to 512 visible ASCII characters",
      default: undefined,
    },
    { key: "STEPGATE_LEASE_MS", given: '"30s"', wanted: "an integer from 300 to 3600000", default: "30000" },
    { key: "STEPGATE_MAX_IN_FLIGHT_TOKENS", given: '"0"', wanted: "an integer, at least 1", default: undefined },
  ]);
  const error = configInvalid(faults);
  t.equal(error.code, "CONFIG_INVALID");
  t.same(error.detail["count"], 5);
  t.notMatch(JSON.stringify(error.detail), "short", "a secret's text is in no error");
});

t.test("a value that is not of its form is a fault, never a default", async (t) => {
  const refused: readonly (readonly [string, string])[] = [
    ["STEPGATE_ROLE", "ALL"],
    ["STEPGATE_ROLE", ""],
    ["STEPGATE_HOME", ""],
    ["STEPGATE_HOME", " /x"],
    ["STEPGATE_BATCH_SIZE", "65"],
    ["STEPGATE_BATCH_SIZE", "0"],
    ["STEPGATE_BATCH_SIZE", "1e1"],
    ["STEPGATE_BATCH_SIZE", " 8"],
    ["STEPGATE_BATCH_SIZE", "8.0"],
    ["STEPGATE_BATCH_SIZE", "-1"],
    ["STEPGATE_BATCH_SIZE", "08"],
    ["STEPGATE_BATCH_SIZE", "NaN"],
    ["STEPGATE_MAX_CONCURRENT_STEPS", "0"],
    ["STEPGATE_MAX_IN_FLIGHT_USD", "0"],
    ["STEPGATE_MAX_IN_FLIGHT_USD", "-1"],
    ["STEPGATE_MAX_IN_FLIGHT_USD", "0.0000001"],
    ["STEPGATE_MAX_IN_FLIGHT_USD", "one"],
    ["STEPGATE_MAX_IN_FLIGHT_TOKENS", "9007199254740993"],
    ["STEPGATE_DATABASE_URL", "mysql://localhost/x"],
    ["STEPGATE_DATABASE_URL", "postgres"],
    ["STEPGATE_ADMIN_KEY", "x".repeat(31)],
    ["STEPGATE_ADMIN_KEY", `${"x".repeat(40)} y`],
    ["STEPGATE_FAIL_POINT", "after_lunch"],
    ["STEPGATE_LOG_LEVEL", "loud"],
    ["STEPGATE_OTLP_ENDPOINT", "ftp://collector"],
    ["STEPGATE_OTLP_ENDPOINT", "http://user:pass@collector"],
    ["STEPGATE_OTLP_ENDPOINT", "http://collector?token=x"],
    ["STEPGATE_ALLOWED_HOSTS", "a.example,,b.example"],
    ["STEPGATE_ALLOWED_HOSTS", "a.example,a.example"],
    ["STEPGATE_ALLOWED_HOSTS", "*"],
    ["STEPGATE_ALLOWED_HOSTS", "a.example:0"],
    ["STEPGATE_ALLOWED_HOSTS", "999.1.1.1"],
    ["STEPGATE_ALLOWED_ORIGINS", "*"],
    ["STEPGATE_ALLOWED_ORIGINS", "null"],
    ["STEPGATE_ALLOWED_ORIGINS", "https://console.example/"],
    ["STEPGATE_LISTEN", "127.0.0.1:70000"],
    ["STEPGATE_LISTEN", "::1:8181"],
    ["STEPGATE_LISTEN", "[127.0.0.1]:8181"],
    ["STEPGATE_LISTEN", "host:"],
    ["STEPGATE_SLO_TIERS", "gold/0/1"],
    ["STEPGATE_SLO_TIERS", "gold/1/1/1"],
    ["STEPGATE_SLO_TIERS", "gold/1/1,gold/2/2"],
    ["STEPGATE_SLO_TIERS", ""],
  ];
  for (const [key, text] of refused) {
    const faults = faultsOf({ [key]: text });
    t.same(
      faults.map((fault) => fault.key),
      [key],
      `${key}=${JSON.stringify(text)}`,
    );
  }
});

t.test("every default reads, and no secret has one", async (t) => {
  const keys = listSettings().map(({ setting }) => setting.key);
  t.equal(new Set(keys).size, keys.length, "no key stands twice");
  for (const { setting } of listSettings()) {
    t.equal(setting.read(setting.default).ok, true, setting.key);
    if (setting.isSecret) t.equal(setting.default, undefined, setting.key);
  }
});

t.test("a given text is quoted and cut, so that it reaches no terminal as it is", async (t) => {
  const [fault] = faultsOf({ STEPGATE_ROLE: `\u001b[31m${"x".repeat(500)}` });
  t.match(fault?.given, /^"\\u001b\[31mx{1,75}…"$/);
});

t.test("a far name gets no suggestion", async (t) => {
  t.match(faultsOf({ STEPGATE_SOMETHING_ELSE_ENTIRELY: "1" }), [{ wanted: "no setting has this name" }]);
});
