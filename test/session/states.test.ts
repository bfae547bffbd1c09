import { describe, expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import {
  type SessionInput,
  type SessionState,
  sessionInputs,
  sessionStates,
  sessionTable,
} from "../../src/session/states.js";
import { attachFields, openServer, SessionEnd } from "./support.js";

/** The table again, as a person would say it: next state, then what is done. */
const expected: Record<SessionState, Record<SessionInput, string>> = {
  fresh: {
    attached: "open",
    link_lost: "fresh",
    lease_over: "closed settle",
    close_asked: "closing",
    close_told: "closed confirm_close settle",
    close_confirmed: "fresh violation",
    close_waited: "fresh",
    failed: "closed settle",
  },
  open: {
    attached: "open",
    link_lost: "interrupted",
    lease_over: "closed settle",
    close_asked: "closing tell_close",
    close_told: "closed confirm_close settle",
    close_confirmed: "open violation",
    close_waited: "open",
    failed: "closed settle",
  },
  interrupted: {
    attached: "open",
    link_lost: "interrupted",
    lease_over: "closed settle",
    close_asked: "closing",
    close_told: "closed settle",
    close_confirmed: "interrupted violation",
    close_waited: "interrupted",
    failed: "closed settle",
  },
  closing: {
    attached: "closing",
    link_lost: "closing",
    lease_over: "closed settle",
    close_asked: "closing",
    close_told: "closed confirm_close settle",
    close_confirmed: "closed settle",
    close_waited: "closed settle",
    failed: "closed settle",
  },
  closed: {
    attached: "closed",
    link_lost: "closed",
    lease_over: "closed",
    close_asked: "closed",
    close_told: "closed",
    close_confirmed: "closed",
    close_waited: "closed",
    failed: "closed",
  },
};

test.each(sessionStates)("sessionTable says for %s what a person expects", (state) => {
  for (const input of sessionInputs) {
    const { next, actions } = sessionTable[state][input];
    expect([next, ...actions].join(" "), `${state} × ${input}`).toBe(expected[state][input]);
  }
});

/** A server's session in each state, with link 2 about to attach, or link 1 attached. */
const reach: Record<SessionState, () => SessionEnd> = {
  fresh: () => new SessionEnd("server"),
  open: () => openServer(),
  interrupted() {
    const end = openServer();
    end.session.linkClosed(1);
    return end;
  },
  closing() {
    const end = openServer();
    end.session.close(new DuowireError("closed"), end.now);
    end.session.flush(end.now);
    return end;
  },
  closed() {
    const end = openServer();
    end.session.fail(new DuowireError("closed"));
    return end;
  },
};

/** Each input as it comes from outside; undefined where nothing outside can cause it in that state. */
const cause: Record<SessionInput, (end: SessionEnd) => void> = {
  attached: (end) => void end.receiveAttach(2, attachFields(9)),
  link_lost: (end) => end.session.linkClosed(1),
  lease_over: (end) => end.pass(1_000_000),
  close_asked: (end) => end.session.close(new DuowireError("closed"), end.now),
  close_told: (end) => end.receive(1, { type: "close", code: "closed", message: "", last: 0 }),
  close_confirmed: (end) => end.receive(1, { type: "closed" }),
  close_waited: (end) => end.pass(1_001),
  failed: (end) => end.session.fail(new DuowireError("internal_error")),
};

/** What cannot happen from outside: without a link nothing comes over it. */
const impossible = new Set(["fresh link_lost", "fresh close_told", "fresh close_confirmed", "fresh lease_over"]);
const needsLink = new Set<SessionInput>(["close_told", "close_confirmed"]);

describe("Session goes where the table says", () => {
  test.each(sessionStates.flatMap((state) => sessionInputs.map((input) => [state, input] as const)))(
    "%s × %s",
    (state, input) => {
      if (impossible.has(`${state} ${input}`) || (state === "interrupted" && needsLink.has(input))) return;
      const end = reach[state]();
      expect(end.session.state).toBe(state);
      end.take();
      cause[input](end);
      const { next, actions } = sessionTable[state][input];
      // A violation ends the session with its author's name.
      const isViolation = actions.includes("violation");
      expect(end.session.state).toBe(isViolation ? "closed" : next);
      if (isViolation) expect(end.session.reason).toMatchObject({ code: "protocol_error", side: "remote" });
      const frames = end.takeFrames().map(({ type }) => type);
      if (actions.includes("confirm_close")) expect(frames).toContain("closed");
    },
  );
});

test("Session drawn as a diagram keeps every state reachable and closed final", () => {
  const reached = new Set<SessionState>(["fresh"]);
  for (let before = 0; before < reached.size; ) {
    before = reached.size;
    for (const state of [...reached]) for (const input of sessionInputs) reached.add(sessionTable[state][input].next);
  }
  expect([...reached].sort()).toEqual([...sessionStates].sort());
  for (const input of sessionInputs) expect(sessionTable.closed[input]).toEqual({ next: "closed", actions: [] });
});
