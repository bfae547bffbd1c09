import { describe, expect, test } from "vitest";
import { HEARTBEAT_BUSY_MS, HEARTBEAT_IDLE_MS, HEARTBEAT_NARROW_MS, Heartbeat } from "../../src/session/heartbeat.js";

/** Heartbeats of an idle client for `ms` behind something that forgets after `patienceMs`; when each was sent. */
function beats(heartbeat: Heartbeat, ms: number, patienceMs = Number.POSITIVE_INFINITY): number[] {
  const sentAt: number[] = [];
  for (let now = 0; ; ) {
    const silenceMs = heartbeat.dueAfterMs(false);
    now += silenceMs;
    if (now > ms) return sentAt;
    sentAt.push(now);
    heartbeat.sent(silenceMs);
    if (silenceMs > patienceMs) heartbeat.pathLost();
    else heartbeat.answered();
  }
}

describe("Heartbeat", () => {
  test("costs an idle client one small frame each HEARTBEAT_IDLE_MS", () => {
    expect(beats(new Heartbeat(), 150_000).length).toBe(150_000 / HEARTBEAT_IDLE_MS);
  });

  test("comes soon after the server has spoken, then after twice as long each time", () => {
    const heartbeat = new Heartbeat();
    heartbeat.talked();
    expect(beats(heartbeat, 46_000)).toEqual([1_000, 3_000, 7_000, 15_000, 30_000, 45_000]);
  });

  test("comes each HEARTBEAT_BUSY_MS while an answer is owed", () => {
    expect(new Heartbeat().dueAfterMs(true)).toBe(HEARTBEAT_BUSY_MS);
  });

  test.each([5_000, 9_000, 14_000])("learns that paths die of %d ms of silence, and tries longer ones rarely", (ms) => {
    const heartbeat = new Heartbeat();
    let deaths = 0;
    const { pathLost } = heartbeat;
    heartbeat.pathLost = () => {
      deaths += 1;
      pathLost.call(heartbeat);
    };
    beats(heartbeat, 3_600_000, ms);
    // Of 240 that it would meet in an hour with the usual heartbeat.
    expect(deaths).toBeLessThan(24);
    expect(heartbeat.dueAfterMs(false)).toBeGreaterThanOrEqual(HEARTBEAT_NARROW_MS);
  });

  test("takes one death for chance, and a sleep for none", () => {
    const heartbeat = new Heartbeat();
    for (const silenceMs of [HEARTBEAT_IDLE_MS, 3_600_000, 3_600_000]) {
      heartbeat.sent(silenceMs);
      heartbeat.pathLost();
    }
    expect(heartbeat.dueAfterMs(false)).toBe(HEARTBEAT_IDLE_MS);
  });

  test("goes back to the usual where paths live through it again", () => {
    const heartbeat = new Heartbeat();
    beats(heartbeat, 31_000, 14_000);
    expect(heartbeat.dueAfterMs(false)).toBe(HEARTBEAT_IDLE_MS / 2);
    beats(heartbeat, 300_000);
    expect(heartbeat.dueAfterMs(false)).toBe(HEARTBEAT_IDLE_MS);
  });
});
