/**
 * The one table of error codes: what a client does next, and which HTTP status carries it. What each means as a
 * sentence is in meanings.ts, which a browser does without.
 *
 * Three kinds of failure are never mixed: an assertion (our bug), a {@link DuowireError} (expected; the codes below),
 * and a `RemoteError` (the far side's application threw; rpc/).
 */

/** What the client does when it meets a code: nothing more, the same again later, or a new access. */
export type NextStep = "stop" | "retry" | "new_access" | "fix_call";

/** One row of the table: what the client does next, and the HTTP status that carries the code, where one does. */
export type ErrorRow = readonly [next: NextStep, status?: number];

/** Code to next step and HTTP status. Codes never change their meaning (meanings.ts); new ones may be added. */
export const errorTable = {
  // The first access and the way to a session.
  bad_address: ["stop"],
  bad_request: ["stop", 400],
  origin_refused: ["stop", 403],
  host_refused: ["stop", 403],
  access_denied: ["stop", 403],
  session_unknown: ["stop", 404],
  unknown_service: ["stop", 404],
  method_not_allowed: ["stop", 405],
  access_unknown: ["stop", 409],
  session_ended: ["stop", 410],
  body_too_large: ["stop", 413],
  wrong_node: ["retry", 421],
  too_many_requests: ["retry", 429],
  service_failed: ["stop", 500],
  server_busy: ["retry", 503],
  going_away: ["retry", 503],
  redirected: ["stop"],
  not_duowire: ["stop"],
  bad_certificate: ["stop"],
  unreachable: ["retry"],
  connect_timeout: ["stop"],
  version_unsupported: ["stop", 400],
  // The session and its links.
  attach_stale: ["stop", 409],
  superseded: ["stop", 409],
  lease_expired: ["new_access"],
  attach_timeout: ["new_access"],
  closed: ["stop"],
  protocol_error: ["stop", 400],
  slow_consumer: ["stop"],
  server_closed: ["new_access"],
  process_crashed: ["new_access", 410],
  not_sent: ["fix_call"],
  outcome_unknown: ["fix_call"],
  // Calls.
  method_unknown: ["fix_call"],
  invalid_argument: ["fix_call"],
  message_too_large: ["fix_call"],
  queue_full: ["fix_call"],
  cancelled: ["fix_call"],
  deadline_exceeded: ["fix_call"],
  reference_unknown: ["fix_call"],
  reference_released: ["fix_call"],
  reference_quota: ["fix_call"],
  stream_broken: ["fix_call"],
  internal_error: ["fix_call"],
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

let meanings: Partial<Record<ErrorCode, string>> = {};

/** Gives errors without a message of their own a sentence: meanings.ts does, where its size does not matter. */
export function giveMeanings(sentences: Readonly<Record<ErrorCode, string>>): void {
  meanings = sentences;
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
    super(
      message ?? meanings[code] ?? code.replaceAll("_", " "),
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.code = code;
    this.side = options.side;
    this.outcome = options.outcome;
    this.retryAfterMs = options.retryAfterMs;
    this.data = options.data;
  }

  /** What the client library does next by itself. */
  get next(): NextStep {
    return errorTable[this.code][0];
  }
}

/** A violation of the protocol that ends the session; `side` names its author. */
export function protocolError(message: string, side: ErrorSide = "remote"): DuowireError {
  return new DuowireError("protocol_error", `protocol error of the ${side} side: ${message}`, { side });
}
