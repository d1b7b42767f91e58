/** A receiver's check of a webhook's signature, written from the text of Standard Webhooks 1.0. */
import { createHmac, timingSafeEqual } from "node:crypto";

/** Any one of the space-separated signatures is enough. */
export function verifies(
  secret: string,
  { id, timestampSec, body }: { readonly id: string; readonly timestampSec: number; readonly body: string },
  header: string,
): boolean {
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestampSec}.${body}`).digest();
  return header.split(" ").some((part) => {
    const [version, text = ""] = part.split(",");
    const given = Buffer.from(text, "base64");
    return version === "v1" && given.length === expected.length && timingSafeEqual(given, expected);
  });
}
