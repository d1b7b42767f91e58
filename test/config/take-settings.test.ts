/**
 * Taking settings out of the environment: everything of ours is copied once, secrets and unknown ones do not stay.
 */
import t from "tap";
import { takeSettings } from "../../src/config/take-settings.ts";

t.test("secrets leave the environment once they are read; open settings and other variables stay", async (t) => {
  const environment: Record<string, string | undefined> = {
    PATH: "/bin",
    STEPGATE_ROLE: "all",
    STEPGATE_ADMIN_KEY: "k".repeat(40),
    STEPGATE_DATABASE_URL: "postgres://u:p@h/d",
    STEPGATE_ADMINKEY: "mistyped secret",
  };
  const taken = takeSettings(environment);
  t.same(environment, { PATH: "/bin", STEPGATE_ROLE: "all" });
  t.same(taken, {
    STEPGATE_ROLE: "all",
    STEPGATE_ADMIN_KEY: "k".repeat(40),
    STEPGATE_DATABASE_URL: "postgres://u:p@h/d",
    STEPGATE_ADMINKEY: "mistyped secret",
  });
  t.ok(Object.isFrozen(taken));
});

t.test("taking again finds no secret any more", async (t) => {
  const environment: Record<string, string | undefined> = { STEPGATE_ADMIN_KEY: "k".repeat(40) };
  takeSettings(environment);
  t.same(takeSettings(environment), {});
});
