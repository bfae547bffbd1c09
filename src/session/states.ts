/**
 * The life of a session as a table: state × input → next state and what to do. Everything that changes a session's
 * state is here; the diagram in spec/session.md is drawn from it, and a test walks every cell.
 */

/** The states, in the order of a life. Client and server have the same. */
export const sessionStates = ["fresh", "open", "interrupted", "closing", "closed"] as const;

/**
 * fresh: no attach has been accepted yet. open: one link is attached. interrupted: none is, the lease runs.
 * closing: this side has said CLOSE and waits for CLOSED. closed: nothing happens any more.
 */
export type SessionState = (typeof sessionStates)[number];

/** What can happen to a session's state. */
export const sessionInputs = [
  "attached",
  "link_lost",
  "lease_over",
  "close_asked",
  "close_told",
  "close_confirmed",
  "close_waited",
  "failed",
] as const;

/**
 * attached: an attach was accepted. link_lost: the attached link died. lease_over: nothing came for too long.
 * close_asked: this side's owner wants the end. close_told: CLOSE came. close_confirmed: CLOSED came.
 * close_waited: CLOSED did not come in time. failed: a violation, a refusal, or an end without a handshake.
 */
export type SessionInput = (typeof sessionInputs)[number];

/** What a transition does besides changing the state. */
export type SessionAction = "tell_close" | "confirm_close" | "settle" | "violation";

/** One cell. */
export interface Transition {
  readonly next: SessionState;
  readonly actions: readonly SessionAction[];
}

const to = (next: SessionState, ...actions: SessionAction[]): Transition => ({ next, actions });

/** The table. `violation` is what the far side's CLOSED is when nobody asked for it. */
export const sessionTable: Readonly<Record<SessionState, Readonly<Record<SessionInput, Transition>>>> = {
  fresh: {
    attached: to("open"),
    link_lost: to("fresh"),
    lease_over: to("closed", "settle"),
    close_asked: to("closing"),
    close_told: to("closed", "confirm_close", "settle"),
    close_confirmed: to("fresh", "violation"),
    close_waited: to("fresh"),
    failed: to("closed", "settle"),
  },
  open: {
    attached: to("open"),
    link_lost: to("interrupted"),
    lease_over: to("closed", "settle"),
    close_asked: to("closing", "tell_close"),
    close_told: to("closed", "confirm_close", "settle"),
    close_confirmed: to("open", "violation"),
    close_waited: to("open"),
    failed: to("closed", "settle"),
  },
  interrupted: {
    attached: to("open"),
    link_lost: to("interrupted"),
    lease_over: to("closed", "settle"),
    close_asked: to("closing"),
    close_told: to("closed", "settle"),
    close_confirmed: to("interrupted", "violation"),
    close_waited: to("interrupted"),
    failed: to("closed", "settle"),
  },
  closing: {
    attached: to("closing"),
    link_lost: to("closing"),
    lease_over: to("closed", "settle"),
    close_asked: to("closing"),
    close_told: to("closed", "confirm_close", "settle"),
    close_confirmed: to("closed", "settle"),
    close_waited: to("closed", "settle"),
    failed: to("closed", "settle"),
  },
  closed: {
    attached: to("closed"),
    link_lost: to("closed"),
    lease_over: to("closed"),
    close_asked: to("closed"),
    close_told: to("closed"),
    close_confirmed: to("closed"),
    close_waited: to("closed"),
    failed: to("closed"),
  },
};
