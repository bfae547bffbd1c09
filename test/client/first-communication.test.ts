import { describe, expect, test } from "vitest";
import { ClientSetup } from "./support.js";

describe("FirstCommunication", () => {
  test("lets the calls of the first turn travel with the access", () => {
    const setup = new ClientSetup();
    setup.send(10);
    const frames = setup.last(setup.accesses).takeFrames();
    expect(frames.map(({ type }) => type)).toEqual(["access", "batch"]);
    expect(frames[0]).toMatchObject({ attach: 1, triedMsAgo: 0 });
  });

  test("repeats an access that brings no answer, as the same access, with all that was called since", () => {
    const setup = new ClientSetup();
    setup.send(10);
    const [first] = setup.last(setup.accesses).takeFrames();
    setup.clock.pass(999);
    expect(setup.accesses.length).toBe(1);
    setup.send(10);
    setup.clock.pass(1);
    const [second, ...batches] = setup.last(setup.accesses).takeFrames();
    expect(second).toMatchObject({ attach: 2, triedMsAgo: 1_000 });
    expect(second).toMatchObject({ nonce: (first as { nonce?: unknown }).nonce });
    expect(batches.length).toBe(2);
    // The one before is given up: what its answer says is void.
    expect(setup.accesses[0]?.closeReason).toBeDefined();
  });

  test("gives each repeat more time", () => {
    const setup = new ClientSetup();
    const times: number[] = [];
    for (let at = 0; at < 15_000; at += 50) {
      const before = setup.accesses.length;
      setup.clock.pass(50);
      if (setup.accesses.length > before) times.push(setup.clock.now);
    }
    const gaps = times.slice(1).map((at, i) => at - (times[i] as number));
    expect(gaps.every((gap, i) => i === 0 || gap >= (gaps[i - 1] as number) - 50)).toBe(true);
    expect(times.length).toBeGreaterThan(4);
  });

  test("does not count attempts to which nobody listened: a server that starts later knows no better", () => {
    const setup = new ClientSetup();
    setup.clock.endTurn();
    for (let i = 0; i < 5; i++) {
      setup.last(setup.accesses).die("refused");
      setup.clock.pass(900);
    }
    expect(setup.attachOf(setup.last(setup.accesses))).toMatchObject({ triedMsAgo: 0 });
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
