/**
 * The one table of error codes: what each means and what a client does next.
 *
 * Three kinds of failure are never mixed: an assertion (our bug), a {@link DuowireError} (expected; the codes below),
 * and a `RemoteError` (the far side's application threw; rpc/). spec/errors.md is made from this table.
 */

/** What the client does when it meets a code: nothing more, the same again later, or a new access. */
export type NextStep = "stop" | "retry" | "new_access" | "fix_call";

/** One row of the table. */
export interface ErrorRow {
  /** What it means, as a sentence for a person. */
  readonly meaning: string;
  /** What the client library does next by itself. */
  readonly next: NextStep;
  /** The HTTP status that carries it, where an HTTP answer does. */
  readonly status?: number;
}

const row = (meaning: string, next: NextStep, status?: number): ErrorRow =>
  status === undefined ? { meaning, next } : { meaning, next, status };

/** Code to meaning, next step and HTTP status. Codes never change their meaning; new ones may be added. */
export const errorTable = {
  // The first access and the way to a session.
  bad_address: row("The connection address cannot be read.", "stop"),
  bad_request: row("The request is not what the protocol asks for at this address.", "stop", 400),
  origin_refused: row("The page's origin is not one that this server serves.", "stop", 403),
  host_refused: row("The request names a host that this server does not answer to.", "stop", 403),
  access_denied: row("The server's own rules refused this access.", "stop", 403),
  session_unknown: row("There is no such address here, or the key does not fit it.", "stop", 404),
  unknown_service: row("The server has no service of that name.", "stop", 404),
  method_not_allowed: row("The address does not take that HTTP method.", "stop", 405),
  access_unknown: row("The server started after this access was first tried and does not know it.", "stop", 409),
  session_ended: row("The session at this address has ended.", "stop", 410),
  body_too_large: row("The request body is larger than the limit for this address.", "stop", 413),
  wrong_node: row("The address belongs to another node.", "retry", 421),
  too_many_requests: row("Too many accesses from this source for now.", "retry", 429),
  service_failed: row("The service threw while it was being made, so the access was refused.", "stop", 500),
  server_busy: row("The server has as many sessions as it takes.", "retry", 503),
  going_away: row("The server is being closed and takes no new access.", "retry", 503),
  redirected: row("The address answers with a redirect, which is not followed: use the target itself.", "stop"),
  not_duowire: row("Something answered at the address, but it does not speak this protocol.", "stop"),
  bad_certificate: row("The server's certificate is not one to trust.", "stop"),
  unreachable: row("Nothing answered at the address.", "retry"),
  connect_timeout: row("The first access was not answered within connectTimeoutMs.", "stop"),
  version_unsupported: row("The two sides speak different versions of the protocol.", "stop", 400),

  // The session and its links.
  attach_stale: row("A newer attach of the same client was there first.", "stop", 409),
  superseded: row("Another client with the same key took the session over.", "stop"),
  lease_expired: row("The session was interrupted for longer than its lease.", "new_access"),
  attach_timeout: row("The access was never followed by an attach.", "new_access"),
  closed: row("The session was closed.", "stop"),
  protocol_error: row("A side broke the protocol.", "stop"),
  slow_consumer: row("Calls that nobody awaited filled the queue while the far side did not take them.", "stop"),
  server_closed: row("The server was closed.", "new_access"),
  process_crashed: row("The communication process ended unexpectedly.", "new_access"),
  not_sent: row("The session ended before the call left: it did not run.", "fix_call"),
  outcome_unknown: row(
    "The session ended after the call left and before its answer came: it may have run.",
    "fix_call",
  ),

  // Calls.
  method_unknown: row("The far side has no such method to call.", "fix_call"),
  invalid_argument: row("A value cannot cross the wire, or the far side refuses it.", "fix_call"),
  message_too_large: row("The call or answer is larger than messageBytesMax.", "fix_call"),
  queue_full: row("The queue to the far side is full: the call was not sent.", "fix_call"),
  cancelled: row("The call was cancelled.", "fix_call"),
  deadline_exceeded: row("The call's deadline passed.", "fix_call"),
  reference_unknown: row("The reference does not name anything that the far side lent.", "fix_call"),
  reference_released: row("The reference was released or revoked and cannot be called any more.", "fix_call"),
  reference_quota: row("The session lends as many functions and objects as it may.", "fix_call"),
  stream_broken: row("The stream ended before its end.", "fix_call"),
  internal_error: row("The far side failed in its own code, not in yours.", "fix_call"),
} as const satisfies Record<string, ErrorRow>;

/** A code of the table. */
export type ErrorCode = keyof typeof errorTable;

/** Whether a call that failed was executed: it never left, nobody can tell, or it ran (or was refused) over there. */
export type CallOutcome = "not_sent" | "outcome_unknown" | "answered";

/** Whose doing an error is. */
export type ErrorSide = "local" | "remote";

/** What may be said besides code and message. */
export interface DuowireErrorOptions {
  readonly cause?: unknown;
  readonly side?: ErrorSide;
  readonly outcome?: CallOutcome;
  readonly retryAfterMs?: number;
  readonly data?: unknown;
}

/** Whether `code` is one of the table's. */
export function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === "string" && Object.hasOwn(errorTable, code);
}

/**
 * An expected failure: a code of {@link errorTable}, a message for a person, and what follows from it.
 * Never carries a key or a token.
 */
export class DuowireError extends Error {
  override readonly name = "DuowireError";
  readonly code: ErrorCode;
  /** Who caused it: this side, or the far one. */
  readonly side: ErrorSide | undefined;
  /** For a failed call: whether it ran. */
  readonly outcome: CallOutcome | undefined;
  /** For a refusal that may pass: how long the server asks to wait. */
  readonly retryAfterMs: number | undefined;
  /** What else the far side said of it, such as the issues of a validation. */
  readonly data: unknown;

  constructor(code: ErrorCode, message?: string, options: DuowireErrorOptions = {}) {
    super(message ?? errorTable[code].meaning, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.side = options.side;
    this.outcome = options.outcome;
    this.retryAfterMs = options.retryAfterMs;
    this.data = options.data;
  }

  /** What the client library does next by itself. */
  get next(): NextStep {
    return errorTable[this.code].next;
  }
}

/** A violation of the protocol that ends the session; `side` names its author. */
export function protocolError(message: string, side: ErrorSide = "remote"): DuowireError {
  return new DuowireError("protocol_error", `protocol error of the ${side} side: ${message}`, { side });
}
