/**
 * What each error code means, as a sentence for a person. Servers and clients in Node load it; in a browser's client an
 * error without a message of its own shows its code in words, since sentences weigh more than all of the table.
 */
import { type ErrorCode, giveMeanings } from "./errors.js";

/** The sentence of each code. */
export const errorMeanings: Readonly<Record<ErrorCode, string>> = {
  // The first access and the way to a session.
  bad_address: "The connection address cannot be read.",
  bad_request: "The request is not what the protocol asks for at this address.",
  origin_refused: "The page's origin is not one that this server serves.",
  host_refused: "The request names a host that this server does not answer to.",
  access_denied: "The server's own rules refused this access.",
  session_unknown: "There is no such address here, or the key does not fit it.",
  unknown_service: "The server has no service of that name.",
  method_not_allowed: "The address does not take that HTTP method.",
  access_unknown: "The server started after this access was first tried and does not know it.",
  session_ended: "The session at this address has ended.",
  body_too_large: "The request body is larger than the limit for this address.",
  wrong_node: "The address belongs to another node.",
  too_many_requests: "Too many accesses from this source for now.",
  service_failed: "The service threw while it was being made, so the access was refused.",
  server_busy: "The server has as many sessions as it takes.",
  going_away: "The server is being closed and takes no new access.",
  redirected: "The address answers with a redirect, which is not followed: use the target itself.",
  not_duowire: "Something answered at the address, but it does not speak this protocol.",
  bad_certificate: "The server's certificate is not one to trust.",
  unreachable: "Nothing answered at the address.",
  connect_timeout: "The first access was not answered within connectTimeoutMs.",
  version_unsupported: "The two sides speak different versions of the protocol.",
  // The session and its links.
  attach_stale: "A newer attach of the same client was there first.",
  superseded: "Another client with the same key took the session over.",
  lease_expired: "The session was interrupted for longer than its lease.",
  attach_timeout: "The access was never followed by an attach.",
  closed: "The session was closed.",
  protocol_error: "A side broke the protocol.",
  slow_consumer: "Calls that nobody awaited filled the queue while the far side did not take them.",
  server_closed: "The server was closed.",
  process_crashed: "The communication process ended unexpectedly.",
  not_sent: "The session ended before the call left: it did not run.",
  outcome_unknown: "The session ended after the call left and before its answer came: it may have run.",
  // Calls.
  method_unknown: "The far side has no such method to call.",
  invalid_argument: "A value cannot cross the wire, or the far side refuses it.",
  message_too_large: "The call or answer is larger than messageBytesMax.",
  queue_full: "The queue to the far side is full: the call was not sent.",
  cancelled: "The call was cancelled.",
  deadline_exceeded: "The call's deadline passed.",
  reference_unknown: "The reference does not name anything that the far side lent.",
  reference_released: "The reference was released or revoked and cannot be called any more.",
  reference_quota: "The session lends as many functions and objects as it may.",
  stream_broken: "The stream ended before its end.",
  internal_error: "The far side failed in its own code, not in yours.",
};

giveMeanings(errorMeanings);
