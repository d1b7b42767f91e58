/**
 * What failed on the way, as one stable code: the room's edge to undici, DNS, TCP and TLS.
 *
 * In: whatever was thrown. Out: a code. Texts of others are dropped here, since they hold addresses. Not here: faults of
 * bodies (read-body.ts).
 */
import { isStepgateError } from "../../core/errors.ts";

export type TransportFault =
  | "egress_refused"
  | "too_many_redirects"
  | "redirect_refused"
  | "headers_too_large"
  | "response_malformed"
  | "certificate_refused"
  | "connection_failed"
  | "timeout"
  | "aborted";

const BY_CODE: Readonly<Record<string, TransportFault>> = {
  UND_ERR_HEADERS_OVERFLOW: "headers_too_large",
  UND_ERR_HEADERS_TIMEOUT: "timeout",
  UND_ERR_BODY_TIMEOUT: "timeout",
  UND_ERR_CONNECT_TIMEOUT: "timeout",
  UND_ERR_RES_CONTENT_LENGTH_MISMATCH: "response_malformed",
  UND_ERR_RES_EXCEEDED_MAX_SIZE: "response_malformed",
  ERR_TLS_CERT_ALTNAME_INVALID: "certificate_refused",
  CERT_HAS_EXPIRED: "certificate_refused",
  DEPTH_ZERO_SELF_SIGNED_CERT: "certificate_refused",
  SELF_SIGNED_CERT_IN_CHAIN: "certificate_refused",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "certificate_refused",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "certificate_refused",
};

/** The fault behind a throw. `deadline` tells an abort of ours from one of the caller. */
export function faultOf(
  caught: unknown,
  deadline: { readonly signal: AbortSignal; readonly isPast: () => boolean },
): TransportFault {
  if (isStepgateError(caught, "EGRESS_REFUSED")) return "egress_refused";
  if (deadline.isPast()) return "timeout";
  if (deadline.signal.aborted) return "aborted";
  const code = caught instanceof Error && "code" in caught ? String(caught.code) : "";
  if (code.startsWith("HPE_")) return "response_malformed";
  return Object.hasOwn(BY_CODE, code) ? (BY_CODE[code] ?? "connection_failed") : "connection_failed";
}
