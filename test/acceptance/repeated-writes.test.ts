/** What is kept of a write with an Idempotency-Key: enough to repeat its answer, nothing that its body could be guessed from. */
import t from "tap";
import { canonicalDigest } from "../../src/core/canonical-json.ts";
import { isJsonObject, type JsonObject } from "../../src/core/json.ts";
import { parseJson } from "../../src/core/parse-json.ts";
import { openTestDatabase } from "../storage/test-database.ts";
import { deskOf } from "./approval-desk.ts";
import { startRig } from "./rig.ts";

const PATH = "/v1/decisions";

t.test(
  "spec 00: the digest that repeated writes are compared by is keyed, so a known body cannot be looked for",
  async (t) => {
    const database = await openTestDatabase(t);
    const rig = await startRig(t, { database, packs: { runtime: () => ({ effect: "allow" }) }, adapters: [] });
    const { secret } = await deskOf(rig, "sue", "submitter");
    const decide = async (card: string) => {
      const body: JsonObject = { boundary: "scheduler", step: { id: "a", type: "noop", inputs: { card } } };
      const response = await fetch(`${rig.stepgate.gateway?.url}${PATH}`, {
        method: "POST",
        headers: { authorization: `Bearer ${secret}`, "content-type": "application/json", "idempotency-key": "k1" },
        body: JSON.stringify(body),
      });
      const json = parseJson(new Uint8Array(await response.arrayBuffer()));
      return { body, status: response.status, replayed: response.headers.get("idempotency-replayed"), json };
    };
    const first = await decide("4111 1111 1111 1111");
    t.equal(first.status, 200, JSON.stringify(first.json));
    const again = await decide("4111 1111 1111 1111");
    t.match(again, { status: 200, replayed: "true" });
    t.same(again.json, first.json);
    const other = await decide("4111 1111 1111 1112");
    t.equal(other.status, 409);
    t.equal(isJsonObject(other.json) && other.json["code"], "IDEMPOTENCY_MISMATCH");
    const [row] = await rig.rows("select request_digest from stepgate.idempotency where idempotency_key = 'k1'");
    t.match(row?.["request_digest"], /^[0-9a-f]{64}$/);
    t.not(row?.["request_digest"], canonicalDigest({ method: "POST", target: PATH, body: first.body }));
  },
);
