/**
 * Part 21 of the source: accepts the first access and its request for a service, or refuses it. One pure decision over
 * what is known at that moment; the order of its questions is the order of spec/access.md.
 */
import { DuowireError } from "../base/errors.js";

/** What a first access asks for. */
export interface AccessRequest {
  /** 128 random bits of the client as hex, the same in a repeat of one access (D1); without it none is a repeat. */
  readonly nonce: string | undefined;
  /** The service that is asked for; undefined means the only one. */
  readonly service: string | undefined;
  /** How long ago the client first tried this access; 0 for the first time. */
  readonly triedMsAgo: number;
}

/** What the server knows when an access arrives. */
export interface AcceptanceState {
  readonly nowMs: number;
  /** Whether the server is being closed. */
  readonly closing: boolean;
  readonly services: readonly string[];
  /** Communication processes that live now, those being made included. */
  readonly sessions: number;
  /** Those of them that came from the same source and were never attached to. */
  readonly waitingFromSource: number;
  /** Those that came from the same source, attached to or not. */
  readonly sessionsFromSource: number;
  /** How long until the source may access again, by its rate; 0 for now. */
  readonly sourceWaitMs: number;
  /** How long until another process may be started, by the server's rate; 0 for now. */
  readonly startWaitMs: number;
  /** The process that this access's nonce already has, if it is known. */
  readonly known: { readonly id: string; readonly live: boolean } | undefined;
  /** Accesses from before this moment may have been forgotten: the server started then, or its memory ends there. */
  readonly knownSinceMs: number;
}

/** How much is accepted. */
export interface AcceptanceLimits {
  /** Communication processes at once. */
  readonly sessionsMax: number;
  /** Communication processes from one source address that were never attached to. */
  readonly waitingPerSourceMax: number;
  /** Communication processes from one source address. */
  readonly sessionsPerSourceMax: number;
}

/** What becomes of an access. */
export type AccessDecision =
  | { readonly kind: "generate"; readonly service: string }
  | { readonly kind: "repeat"; readonly id: string }
  | { readonly kind: "refuse"; readonly error: DuowireError };

/** Sessions last: a full server stays full for a while. */
export const BUSY_RETRY_MS = 5_000;
/** Waiting ones attach or end soon. */
export const WAITING_RETRY_MS = 1_000;

/** Decides about one access. Allocates nothing for one that it refuses. */
export function decideAccess(request: AccessRequest, state: AcceptanceState, limits: AcceptanceLimits): AccessDecision {
  // A repeat is the same access, whatever has happened since: it takes no place and asks for nothing new.
  if (state.known?.live) return { kind: "repeat", id: state.known.id };
  if (state.known) return refuse("session_ended", "this access was accepted before, and its session has ended");
  if (state.closing) return refuse("going_away", undefined, BUSY_RETRY_MS);
  if (request.triedMsAgo > 0 && state.nowMs - request.triedMsAgo <= state.knownSinceMs) return refuse("access_unknown");
  const service = chooseService(request.service, state.services);
  if (service === undefined) return refuse("unknown_service", serviceMessage(request.service));
  if (state.sourceWaitMs > 0) {
    return refuse("too_many_requests", "accesses from this source come too fast", state.sourceWaitMs);
  }
  if (state.waitingFromSource >= limits.waitingPerSourceMax) {
    const most = `${limits.waitingPerSourceMax} accesses from this source wait to be attached to`;
    return refuse("too_many_requests", most, WAITING_RETRY_MS);
  }
  if (state.sessionsFromSource >= limits.sessionsPerSourceMax) {
    const most = `this source has ${limits.sessionsPerSourceMax} sessions, as many as one may have`;
    return refuse("too_many_requests", most, BUSY_RETRY_MS);
  }
  if (state.sessions >= limits.sessionsMax) return refuse("server_busy", undefined, BUSY_RETRY_MS);
  if (state.startWaitMs > 0) return refuse("server_busy", "processes are started too fast for now", state.startWaitMs);
  return { kind: "generate", service };
}

function chooseService(asked: string | undefined, services: readonly string[]): string | undefined {
  if (asked === undefined) return services.length === 1 ? services[0] : undefined;
  return services.includes(asked) ? asked : undefined;
}

function serviceMessage(asked: string | undefined): string {
  return asked === undefined
    ? "the server has several services; the access must say which one it asks for"
    : `the server has no service named ${JSON.stringify(asked.slice(0, 64))}`;
}

function refuse(code: DuowireError["code"], message?: string, retryAfterMs?: number): AccessDecision {
  return { kind: "refuse", error: new DuowireError(code, message, retryAfterMs === undefined ? {} : { retryAfterMs }) };
}
