import { describe, expect, test } from "vitest";
import type { AccessProof } from "../../src/access/communication-process.js";
import { defaultLimits } from "../../src/frame/limits.js";
import type { LinkKind } from "../../src/frame/link.js";
import { Reception, UNPROVEN_LINKS_MAX, UNPROVEN_MS } from "../../src/host/reception.js";
import { attachFields, octets } from "../session/support.js";
import { FakeClock } from "../support/fake-clock.js";
import { FakeLink } from "../support/fake-link.js";

const key = octets(32);
const ping = { type: "ping", octets: octets(1) } as const;

/** A reception for a client that shows {@link key}, and links that come to it. */
function reception() {
  const clock = new FakeClock();
  const secrets = { keyFits: () => true, admission: () => "1.token" };
  const silent = { receive() {}, receiveAhead() {}, setLimits() {}, urgent() {}, ahead() {}, end() {}, isBusy: false };
  const events = { state() {}, ended() {}, turnEnded() {}, bug() {} };
  const access = { id: "WAO.1", key };
  const settings = { clock, limits: defaultLimits, queueBytesMax: 1_000_000, leaseMs: 60_000, links: [] };
  const made = new Reception({ ...settings, secrets, access, application: () => silent, events } as never);
  const arrive = (kind?: LinkKind, proof?: AccessProof) => {
    const link = new FakeLink(kind);
    made.accept(link, proof);
    return link;
  };
  return { clock, arrive, made };
}

describe("Reception", () => {
  test("lets a new link in, however many wait that their client has given up: the oldest goes, without a word", () => {
    const { arrive } = reception();
    const given = Array.from({ length: UNPROVEN_LINKS_MAX }, () => {
      const link = arrive();
      link.receive(ping);
      link.takeFrames();
      return link;
    });
    const next = arrive();
    next.receive({ type: "attach", key, ...attachFields(1) });
    expect(next.takeFrames().map(({ type }) => type)).toEqual(["welcome"]);
    expect(given.map(({ closeReason }) => closeReason !== undefined)).toEqual([true, false, false, false]);
    expect(given[0]?.takeFrames()).toEqual([]);
    // A link that has proved itself is no longer one of them.
    given[1]?.receive({ type: "attach", key, ...attachFields(2) });
    expect(given[1]?.takeFrames().map(({ type }) => type)).toEqual(["welcome"]);
  });

  test("ends an HTTP answer whose calls are settled, but not before what came with its request was dealt with", () => {
    const { arrive, made } = reception();
    const answer = arrive("access");
    answer.receive({ type: "attach", key, ...attachFields(1) });
    made.endAnswer();
    expect(answer.closeReason).toBeUndefined();
    answer.receive({ type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    made.endAnswer();
    expect(answer.closeReason).toBeDefined();
    // Any other link goes on, and an answer whose place it took is no concern of this.
    const next = arrive();
    next.receive({ type: "attach", key, ...attachFields(2) });
    next.receive({ type: "batch", sequence: 2, clockMs: 0, messages: octets(1) });
    made.endAnswer();
    expect(next.closeReason).toBeUndefined();
  });

  test("leaves the answer to a client on a long way open, which does not wait for the end of it", () => {
    const { arrive, made } = reception();
    const access = { type: "access", nonce: octets(16), triedMsAgo: 0, ...attachFields(1) } as const;
    for (const roundTripMs of [undefined, 300]) {
      const answer = arrive("access", { ...access, ...(roundTripMs !== undefined && { roundTripMs }) });
      answer.receive({ type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
      made.endAnswer();
      expect(answer.closeReason !== undefined).toBe(roundTripMs === undefined);
    }
  });

  test("lets a companion in beside the link that it accompanies, and knows that one as before", () => {
    const { arrive, made } = reception();
    const link = arrive("websocket");
    link.receive({ type: "attach", key, ...attachFields(1) });
    const companion = arrive("websocket");
    companion.receive({ type: "attach", key, ...attachFields(1), companion: 1 });
    expect(companion.takeFrames()).toMatchObject([{ type: "welcome", attach: 1 }]);
    expect([made.link, link.closeReason]).toEqual([link, undefined]);
    companion.die();
    expect([made.link, made.state]).toEqual([link, "open"]);
  });

  test("refuses another client that states what it cannot have received, and its owner goes on", () => {
    const { arrive, made } = reception();
    const owner = arrive();
    owner.receive({ type: "attach", key, ...attachFields(3) });
    owner.takeFrames();
    const { conversation } = made;
    const other = arrive();
    const incarnation = octets(16, 2);
    other.receive({ type: "attach", key, ...attachFields(90, { incarnation, received: 5 }) });
    expect(other.takeFrames()).toMatchObject([{ type: "refused", code: "protocol_error" }]);
    expect([made.conversation === conversation, made.state, owner.takeFrames()]).toEqual([true, "open", []]);
    // Nor does it make the owner's admission tokens old.
    expect(made.lastAttach).toBe(3);
    const later = arrive();
    later.receive({ type: "attach", key, ...attachFields(90, { received: 5 }) });
    expect(later.takeFrames()).toMatchObject([{ type: "refused", code: "protocol_error" }]);
    expect(made.lastAttach).toBe(3);
    const next = arrive();
    next.receive({ type: "attach", key, ...attachFields(1, { incarnation }) });
    expect(next.takeFrames().map(({ type }) => type)).toEqual(["welcome"]);
    expect(made.conversation === conversation).toBe(false);
  });

  test("ends a link that does not prove itself in time, without a word", () => {
    const { arrive, clock } = reception();
    const link = arrive();
    clock.pass(UNPROVEN_MS - 1);
    expect(link.closeReason).toBeUndefined();
    clock.pass(1);
    expect([link.closeReason !== undefined, link.takeFrames()]).toEqual([true, []]);
  });
});
