import { describe, expect, test } from "vitest";
import { OLDER_ACCESS_MS, REPEAT_MS } from "../../src/client/attempts.js";
import { octets, welcomeFrame } from "../session/support.js";
import type { FakeLink } from "../support/fake-link.js";
import { ClientSetup } from "./support.js";

describe("FirstCommunication", () => {
  test("lets the calls of the first turn travel with the access", () => {
    const setup = new ClientSetup();
    setup.send(10);
    const frames = setup.last(setup.accesses).takeFrames();
    expect(frames.map(({ type }) => type)).toEqual(["access", "batch"]);
    expect(frames[0]).toMatchObject({ attach: 1, triedMsAgo: 0 });
  });

  test("lets all that is called until there is a connection travel with the access", () => {
    const setup = new ClientSetup();
    setup.isNear = false;
    setup.send(10);
    setup.clock.pass(200);
    setup.send(10);
    const link = setup.last(setup.accesses);
    expect(link.takeFrames()).toEqual([]);
    link.open();
    expect(link.takeFrames().map(({ type }) => type)).toEqual(["access", "batch"]);
    // What is called from now on waits for the answer, or for a repeat.
    setup.send(10);
    expect(link.takeFrames()).toEqual([]);
  });

  test("waits with a repeat for the answer over a connection that took long", () => {
    const setup = new ClientSetup();
    setup.isNear = false;
    setup.clock.endTurn();
    setup.clock.pass(300);
    setup.last(setup.accesses).open();
    setup.clock.pass(599);
    expect(setup.accesses.length).toBe(1);
    setup.clock.pass(1);
    expect(setup.accesses.length).toBe(2);
  });

  /** A way of 320 ms: the access has left, with one call. */
  function far(): ClientSetup {
    const setup = new ClientSetup();
    setup.isNear = false;
    setup.send(10);
    setup.clock.pass(320);
    setup.farMs = 320;
    setup.last(setup.accesses).open();
    return setup;
  }

  test("sends what is called while a far access is under way after it, in two repeats", () => {
    const setup = far();
    expect(setup.accesses[0]?.takeFrames()[0]).toMatchObject({ type: "access", roundTripMs: 320 });
    for (let repeats = 1; repeats <= 2; repeats++) {
      setup.send(10);
      setup.clock.pass(120);
      expect(setup.accesses.length).toBe(1 + repeats);
      const link = setup.last(setup.accesses);
      link.open();
      const [access, ...batches] = link.takeFrames();
      expect(access).toMatchObject({ type: "access", attach: 1, roundTripMs: 320, triedMsAgo: 320 + 120 * repeats });
      expect(batches.length).toBe(1 + repeats);
    }
    setup.send(10);
    setup.clock.pass(399);
    expect(setup.accesses.length).toBe(3);
    // Three are under way, and each may be answered first.
    const answered = setup.accesses[1] as FakeLink;
    setup.clock.endTurn();
    answered.receive(welcomeFrame(1, { id: "WAO.1", key: octets(32), links: [], received: 2 }));
    expect(setup.state).toBe("open");
    setup.last(setup.accesses).receive({ type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    expect(setup.received).toBe(1);
  });

  test("repeats a far access for nobody's sake who has said nothing, or too much", () => {
    const setup = far();
    setup.clock.pass(120);
    expect(setup.accesses.length).toBe(1);
    setup.send(20_000);
    setup.clock.pass(120);
    expect(setup.accesses.length).toBe(1);
  });

  test("follows a far access no more once there was an answer, or none is wanted yet", () => {
    const answered = far();
    answered.welcome(answered.last(answered.accesses), { id: "WAO.1", key: octets(32), links: [], received: 1 });
    answered.send(10);
    answered.clock.pass(300);
    expect(answered.accesses.length).toBe(1);
    const refused = far();
    refused
      .last(refused.accesses)
      .receive({ type: "refused", code: "too_many_requests", message: "", retryAfterMs: 5_000 });
    refused.send(10);
    refused.clock.pass(4_999);
    expect(refused.accesses.length).toBe(1);
  });

  test("keeps the time that a refusal asked for, whatever opens, or ends, meanwhile", () => {
    const setup = far();
    setup.send(10);
    setup.clock.pass(120);
    const follower = setup.last(setup.accesses);
    const [first] = setup.accesses;
    first?.receive({ type: "refused", code: "too_many_requests", message: "", retryAfterMs: 10_000 });
    expect(follower.closeReason).toBeDefined();
    first?.die("answered");
    follower.die("lost");
    setup.clock.pass(9_999);
    expect(setup.accesses.length).toBe(2);
    setup.clock.pass(5_001);
    expect(setup.accesses.length).toBe(3);
  });

  test("follows two accesses that open late together as if they were one, and none in an open session", () => {
    const setup = new ClientSetup();
    setup.isNear = false;
    setup.send(10);
    setup.clock.pass(1_000);
    setup.farMs = 300;
    const [first, second] = [setup.accesses[0] as FakeLink, setup.last(setup.accesses)];
    first.open();
    setup.clock.pass(10);
    second.open();
    setup.clock.pass(50);
    const before = setup.accesses.length;
    setup.welcome(first, { id: "WAO.1", key: octets(32), links: ["websocket"], received: 1 });
    setup.send(10);
    setup.clock.pass(300);
    expect([setup.state, setup.accesses.length]).toEqual(["open", before]);
  });

  test("hears the end that the server tells over an attempt that came last", () => {
    const setup = far();
    setup.send(10);
    setup.clock.pass(120);
    const follower = setup.last(setup.accesses);
    follower.open();
    setup.welcome(setup.accesses[0] as FakeLink, { id: "WAO.1", key: octets(32), links: [], received: 1 });
    follower.receive(welcomeFrame(1, { id: "WAO.1", key: octets(32), links: [], received: 2 }));
    follower.receive({ type: "close", code: "service_failed", message: "the service is over", last: 0 });
    expect(setup.reason).toMatchObject({ code: "service_failed", message: "the service is over" });
  });

  test("has two under way again when a far access is not answered in time", () => {
    const setup = far();
    for (let i = 0; i < 2; i++) {
      setup.send(10);
      setup.clock.pass(120);
      setup.last(setup.accesses).open();
    }
    setup.clock.pass(640);
    const alive = setup.accesses.filter(({ closeReason }) => closeReason === undefined);
    expect(alive).toEqual([setup.accesses[0], setup.last(setup.accesses)]);
  });

  test("ends with the reason why there cannot be a connection", () => {
    const setup = new ClientSetup();
    setup.isNear = false;
    setup.clock.endTurn();
    setup.last(setup.accesses).receive({ type: "refused", code: "bad_certificate", message: "expired" });
    expect(setup.reason).toMatchObject({ code: "bad_certificate", outcome: "not_sent" });
  });

  test("knows that nobody has seen what had no connection", async () => {
    const setup = new ClientSetup();
    setup.isNear = false;
    setup.send(10);
    setup.clock.pass(15_000);
    expect(setup.reason).toMatchObject({ code: "connect_timeout", outcome: "not_sent" });
  });

  test("repeats an access that brings no answer, as the same access, with all that was called since", () => {
    const setup = new ClientSetup();
    setup.send(10);
    const [first] = setup.last(setup.accesses).takeFrames();
    setup.clock.pass(REPEAT_MS - 1);
    expect(setup.accesses.length).toBe(1);
    setup.send(10);
    setup.clock.pass(1);
    const [second, ...batches] = setup.last(setup.accesses).takeFrames();
    // The same attach, too: whichever of the two is answered, it is this one.
    expect(second).toMatchObject({ attach: 1, triedMsAgo: REPEAT_MS });
    expect(second).toMatchObject({ nonce: (first as { nonce?: unknown }).nonce });
    expect(batches.length).toBe(2);
    expect(setup.accesses[0]?.closeReason).toBeUndefined();
  });

  test.each([0, 1])("lets the one of two begin the session that is answered first: number %d", (place) => {
    const setup = new ClientSetup({ askKind: "http-exchange" });
    setup.send(10);
    setup.clock.pass(REPEAT_MS);
    const [winner, loser] = place === 0 ? setup.accesses : [...setup.accesses].reverse();
    setup.welcome(winner as FakeLink, { id: "WAO.1", key: octets(32), links: ["websocket"], received: 1 });
    expect([setup.state, loser?.closeReason, winner?.closeReason]).toEqual(["open", undefined, undefined]);
    // The other welcome is void: here it would be a violation. But what the server says behind it counts.
    setup.welcome(loser as FakeLink, { id: "WAO.2", key: octets(32), links: ["websocket"] });
    expect([setup.state, setup.reason]).toEqual(["open", undefined]);
    loser?.receive({ type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    expect(setup.received).toBe(1);
    winner?.die("answered");
    const [next] = setup.alive;
    next?.open();
    const [attach, ...batches] = next?.takeFrames() ?? [];
    expect(attach).toMatchObject({ type: "attach", attach: 2 });
    expect(batches).toEqual([]);
    next?.receive(welcomeFrame(2, { received: 1 }));
    expect(loser?.closeReason).toBeDefined();
  });

  test("measures the round trip by the access that was answered", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.clock.pass(REPEAT_MS + 200);
    setup.welcome(setup.accesses[0] as FakeLink, { id: "WAO.1", key: octets(32), links: [] });
    expect(setup.communication.driver.session.roundTripMs).toBe(REPEAT_MS + 200);
  });

  test("goes on with the older access when the younger one has died", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.clock.pass(REPEAT_MS);
    setup.last(setup.accesses).die("lost");
    setup.welcome(setup.accesses[0] as FakeLink, { id: "WAO.1", key: octets(32), links: [] });
    expect(setup.state).toBe("open");
  });

  test("has two under way at most: the younger is renewed, until the older has had its time", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.clock.pass(OLDER_ACCESS_MS - 1);
    const alive = () => setup.accesses.filter(({ closeReason }) => closeReason === undefined);
    expect(alive()).toEqual([setup.accesses[0], setup.last(setup.accesses)]);
    // The next repeat comes soon enough for the 10 s that an attempt may take (spec/access.md).
    setup.clock.pass(10_000 - OLDER_ACCESS_MS);
    expect(alive().length).toBe(2);
    expect(setup.accesses[0]?.closeReason).toBeDefined();
  });

  test("gives many early calls the time that they take on a thin line", () => {
    const setup = new ClientSetup();
    setup.send(64_000);
    setup.clock.pass(1_900);
    expect(setup.accesses.length).toBe(1);
    setup.clock.pass(200);
    expect(setup.accesses.length).toBe(2);
  });

  test("does not count attempts to which nobody listened: a server that starts later knows no better", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    for (let i = 0; i < 5; i++) {
      setup.last(setup.accesses).die("refused");
      const before = setup.accesses.length;
      while (setup.accesses.length === before) setup.clock.pass(10);
    }
    expect(setup.attachOf(setup.last(setup.accesses))).toMatchObject({ triedMsAgo: 0 });
    // Of two, one may have been seen.
    setup.clock.pass(REPEAT_MS);
    setup.last(setup.accesses).die("refused");
    setup.clock.pass(1_000);
    expect(setup.attachOf(setup.last(setup.accesses))?.triedMsAgo).toBeGreaterThanOrEqual(REPEAT_MS);
  });

  test("counts the time that the machine slept, although its monotonic clock stood still", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.clock.wallAheadMs += 3_600_000;
    setup.clock.pass(1_000);
    const tried = setup.attachOf(setup.last(setup.accesses))?.triedMsAgo ?? 0;
    expect(tried).toBeGreaterThanOrEqual(3_600_000);
  });

  test("tries again after an answer that may change, at once the first time", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.last(setup.accesses).receive({ type: "refused", code: "server_busy", message: "full" });
    setup.clock.pass(1);
    expect(setup.accesses.length).toBe(2);
    setup.last(setup.accesses).receive({ type: "refused", code: "server_busy", message: "full", retryAfterMs: 2_000 });
    setup.clock.pass(1_999);
    expect(setup.accesses.length).toBe(2);
    // Chance is half, and half of what was asked for is the most that is added.
    setup.clock.pass(510);
    expect(setup.accesses.length).toBe(3);
  });

  test("is heard every second or so while the server makes its process: the older of two is told, the younger waits", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    const alive = () => setup.accesses.filter(({ closeReason, isDead }) => closeReason === undefined && !isDead);
    const startedAt: number[] = [];
    for (let count = 1; setup.clock.now < 12_000; setup.clock.pass(10)) {
      if (setup.accesses.length === count) continue;
      startedAt.push(setup.clock.now);
      count = setup.accesses.length;
      const [older, younger] = alive();
      older?.receive({ type: "refused", code: "server_busy", message: "a later one waits", retryAfterMs: 1_000 });
      older?.die("answered");
      expect(alive()).toEqual([younger]);
    }
    const gaps = startedAt.slice(1).map((at, index) => at - (startedAt[index] as number));
    expect(gaps.length).toBeGreaterThan(7);
    for (const gap of gaps) expect(gap).toBeLessThanOrEqual(1_510);
    setup.welcome(setup.last(setup.accesses), { id: "WAO.1", key: octets(32), links: [] });
    expect(setup.state).toBe("open");
  });

  test("fails at once by an answer that will not change", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.last(setup.accesses).receive({ type: "refused", code: "unknown_service", message: "no such service" });
    expect(setup.reason).toMatchObject({ code: "unknown_service", side: "remote" });
    setup.clock.pass(60_000);
    expect([setup.accesses.length, setup.clock.waiting]).toEqual([1, 0]);
  });

  test("takes a code that it does not know for something else than a server of ours", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.last(setup.accesses).receive({ type: "refused", code: "teapot", message: "short and stout" });
    expect(setup.reason?.code).toBe("not_duowire");
  });

  test("gives up after connectTimeoutMs, and says what the last attempt met", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.last(setup.accesses).die("lost", "socket hang up");
    setup.clock.pass(15_000);
    expect(setup.reason).toMatchObject({ code: "connect_timeout" });
    expect(setup.clock.waiting).toBe(0);
  });

  test("wants an identification and a key of the welcome", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    setup.welcome(setup.last(setup.accesses));
    expect(setup.reason?.code).toBe("not_duowire");
  });
});
