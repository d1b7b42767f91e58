/**
 * Secrets as headers of a request: which names they may have, and where they may go.
 *
 * They leave over https only, but for a host of `allow_private`; a redirect to another origin drops them (redirect.ts).
 * Not here: the request (http-request.ts), its transport (guard.ts).
 */
import { isJsonObject, type JsonObject } from "../../core/json.ts";
import type { StepSpec } from "../../core/step.ts";
import type { SecretUse } from "../contract.ts";
import { hostPortOf, isListed } from "./host-port.ts";
import { HEADER_NAME } from "./http-inputs.ts";
import { type HttpRequest, isTransportHeader, type Refusal } from "./http-request.ts";
import { isSentAcrossOrigins } from "./redirect.ts";

const NAME = new RegExp(HEADER_NAME);

/** What secrets are to this adapter; `read` is its reader of requests. */
export function makeHttpSecrets(read: (spec: StepSpec, settings: JsonObject) => HttpRequest | Refusal): SecretUse {
  return {
    as: "header",
    nameFault: (name) => {
      const lower = name.toLowerCase();
      if (!NAME.test(name)) return "no name of a header";
      if (isTransportHeader(lower)) return "this header is the transport's";
      // what is sent on to other hosts, or dropped on the way, is no place for a secret
      const isPlain = isSentAcrossOrigins(lower) || lower.startsWith("content-");
      return isPlain ? "this header describes the request, and is no secret's" : undefined;
    },
    nameOf: (name) => name.toLowerCase(),
    namesIn: ({ headers }: JsonObject) =>
      isJsonObject(headers) ? Object.keys(headers).map((name) => name.toLowerCase()) : [],
    refusals: (spec, settings) => {
      const request = read(spec, settings);
      if (!request.ok) return request.reasons;
      const { url } = request;
      const isPrivate = isListed(hostPortOf(url), request.settings.allow_private);
      return url.protocol === "https:" || isPrivate ? [] : ["secret_needs_https"];
    },
  };
}
