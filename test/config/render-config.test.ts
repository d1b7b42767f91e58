/**
 * Settings as text: what was given, what is a default, what is hidden; faults as two lines each; the README's rows.
 */
import t from "tap";
import { listSettings } from "../../src/config/config.ts";
import { loadConfig } from "../../src/config/load-config.ts";
import { renderConfig, renderFaults, settingRows } from "../../src/config/render-config.ts";

const DATABASE_URL = "postgres://user:hunter2@db.example/stepgate";
const ADMIN_KEY = "a-key-of-more-than-thirty-two-characters";

t.test("printed settings hold no secret, and say what was given", async (t) => {
  const result = loadConfig({
    STEPGATE_ROLE: "gateway",
    STEPGATE_DATABASE_URL: DATABASE_URL,
    STEPGATE_ADMIN_KEY: ADMIN_KEY,
  });
  const text = renderConfig(result.ok ? result.sources : []);
  t.match(text, /^STEPGATE_ROLE=gateway$/m);
  t.match(text, /^STEPGATE_DATABASE_URL=\(hidden\)$/m);
  t.match(text, /^# STEPGATE_LEASE_MS=30000$/m);
  t.match(text, /^# STEPGATE_METRICS_LISTEN= \(unset\)$/m);
  t.notMatch(text, "hunter2");
  t.notMatch(text, ADMIN_KEY);
  t.equal(text.split("\n").length - 1, listSettings().length, "every setting is printed");
});

t.test("a fault is two lines: what is wrong, what to do", async (t) => {
  const result = loadConfig({ STEPGATE_LEASE_MS: "30s", STEPGATE_FAIL_POINT: "nowhere" });
  const lines = renderFaults(result.ok ? [] : result.faults)
    .trimEnd()
    .split("\n");
  t.equal(lines[0], 'STEPGATE_LEASE_MS="30s"');
  t.equal(lines[1], "  wanted: an integer from 300 to 3600000; unset it for the default 30000");
  t.match(lines[3], /unset it if it is not needed$/);
});

t.test("the README's table has a row with a sentence for every setting", async (t) => {
  const rows = settingRows();
  t.equal(rows.length, listSettings().length);
  for (const { key, about, wanted } of rows) {
    t.match(about, /\.$/, key);
    t.ok(wanted.length > 0, key);
  }
});
