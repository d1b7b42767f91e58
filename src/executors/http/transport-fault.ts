/**
 * What failed on the way, as one stable code: the room's edge to undici, DNS, TCP and TLS.
 *
 * In: whatever was thrown. Out: a code. Texts of others are dropped here, since they hold addresses. Not here: faults of
 * bodies (read-body.ts).
 */
import { errors } from "undici";
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
};

/** What Node.js calls the verdicts of X509_verify_cert (OpenSSL, x509_vfy.h). */
const CERTIFICATE_CODE =
  /^(CERT_|UNABLE_TO_|(DEPTH_ZERO_)?SELF_SIGNED_CERT|INVALID_(CA|PURPOSE)$|PATH_LENGTH_EXCEEDED$|HOSTNAME_MISMATCH$)/;

/** The fault behind a throw. `deadline` tells an abort of ours from one of the caller. */
export function faultOf(
  caught: unknown,
  deadline: { readonly signal: AbortSignal; readonly isPast: () => boolean },
): TransportFault {
  if (isStepgateError(caught, "EGRESS_REFUSED")) return "egress_refused";
  if (deadline.isPast()) return "timeout";
  if (deadline.signal.aborted) return "aborted";
  const code = caught instanceof Error && "code" in caught ? String(caught.code) : "";
  // some faults of the parser carry a code that starts with HPE_, others none
  if (caught instanceof errors.HTTPParserError) return "response_malformed";
  if (CERTIFICATE_CODE.test(code)) return "certificate_refused";
  return Object.hasOwn(BY_CODE, code) ? (BY_CODE[code] ?? "connection_failed") : "connection_failed";
}
