import { describe, expect, test } from "vitest";
import { defaultLimits } from "../../src/frame/limits.js";
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
  const arrive = () => {
    const link = new FakeLink();
    made.accept(link);
    return link;
  };
  return { clock, arrive };
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

  test("ends a link that does not prove itself in time, without a word", () => {
    const { arrive, clock } = reception();
    const link = arrive();
    clock.pass(UNPROVEN_MS - 1);
    expect(link.closeReason).toBeUndefined();
    clock.pass(1);
    expect([link.closeReason !== undefined, link.takeFrames()]).toEqual([true, []]);
  });
});
