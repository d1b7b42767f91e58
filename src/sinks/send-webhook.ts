/**
 * One try to deliver one message to a webhook: signed, bounded in time, through the guard of outbound requests, no redirect
 * followed (spec 10, outbound).
 *
 * In: an active sink, its secrets, a message. Out: acknowledged, or a fault with whether another try makes sense. Not here:
 * when the next try is (publisher.ts), what an address may be (executors/http/).
 */
import { StepgateError } from "../core/errors.ts";
import type { GuardedResult } from "../executors/http/guard.ts";
import { retryAfterMs } from "../executors/http/retry-after.ts";
import type { Transports } from "../executors/http/transports.ts";
import { isApproved } from "./approved-hosts.ts";
import type { ActiveSink } from "./ports.ts";
import { signWebhook, type WebhookSecrets } from "./webhook-secret.ts";

export type SendResult =
  | { readonly ok: true }
  | {
      readonly ok: false;
      /** `status_503`, or what the transport met. */
      readonly fault: string;
      readonly isFinal: boolean;
      /** What the receiver asked for. */
      readonly retryAfterMs: number | undefined;
    };

export interface SendWebhookDeps {
  readonly transports: Pick<Transports, "of">;
  readonly nowMs: () => number;
  readonly timeoutMs: number;
  /** Names the product; no secret is in it. */
  readonly userAgent: string;
}

export type SendWebhook = (
  input: { readonly sink: ActiveSink; readonly secrets: WebhookSecrets; readonly id: string; readonly body: string },
  signal: AbortSignal,
) => Promise<SendResult>;

/** Of an answer's body, which is read only so that its connection can be used again; what is longer costs the connection. */
const MAX_BODY_BYTES = 16_384;
const MAX_BODY_MS = 1000;
/** Refused by us or meant by the receiver: the same message would meet the same again. */
const FINAL_FAULTS: ReadonlySet<string> = new Set(["egress_refused", "too_many_redirects", "redirect_refused"]);

export function makeSendWebhook(deps: SendWebhookDeps): SendWebhook {
  return async ({ sink, secrets, id, body }, signal) => {
    const nowMs = deps.nowMs();
    const timestampSec = Math.floor(nowMs / 1000);
    const result = await deps.transports.of(sink.tenantUid, sink.approved.privateHosts).request(
      {
        method: "POST",
        url: new URL(sink.url),
        headers: {
          "content-type": "application/cloudevents+json; charset=utf-8",
          "user-agent": deps.userAgent,
          "webhook-id": id,
          "webhook-timestamp": String(timestampSec),
          "webhook-signature": signWebhook({ id, timestampSec, body }, secrets),
        },
        body,
        mayReach: (url) => isApproved(url, sink.approved),
        mayRead: () => true,
        maxBytes: MAX_BODY_BYTES,
        timeoutMs: deps.timeoutMs,
        maxBodyMs: MAX_BODY_MS,
        maxRedirects: 0,
      },
      signal,
    );
    return judge(result, deps.nowMs());
  };
}

/**
 * What the status line says, whatever becomes of the body: 2xx is an acknowledgement; 408, 429 and 5xx are tried again, as is
 * what the transport met; every other status is final. @throws {StepgateError} SHUTTING_DOWN before there was an answer.
 */
function judge(result: GuardedResult, nowMs: number): SendResult {
  const head = result.ok ? result.response : result.head;
  if (head === undefined) {
    const fault = result.ok ? "no_answer" : result.fault;
    if (fault === "aborted") throw new StepgateError("SHUTTING_DOWN");
    return { ok: false, fault, isFinal: FINAL_FAULTS.has(fault), retryAfterMs: undefined };
  }
  const { status, headers } = head;
  if (status >= 200 && status <= 299) return { ok: true };
  return {
    ok: false,
    fault: `status_${status}`,
    isFinal: status !== 408 && status !== 429 && status < 500,
    retryAfterMs: retryAfterMs(headers["retry-after"], nowMs),
  };
}
