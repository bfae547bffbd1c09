import { describe, expect, test } from "vitest";
import { HEARTBEAT_BUSY_MS, HEARTBEAT_IDLE_MS } from "../../src/session/heartbeat.js";
import { SessionClock } from "../../src/session/session-clock.js";
import { judgeAttach } from "../../src/session/takeover.js";
import {
  ACK_DELAY_MS,
  ROUND_TRIP_MS_MAX,
  SERVER_PATIENCE_MS,
  SUSPECT_MS_MAX,
  SUSPECT_MS_MIN,
} from "../../src/session/timers.js";
import { attachFields, LEASE_MS, octets, openClient, openServer, SessionEnd, welcomeFrame } from "./support.js";

const types = (end: SessionEnd) => end.takeFrames().map(({ type }) => type);

describe("Session acknowledges", () => {
  test("within ACK_DELAY_MS, once", () => {
    const server = openServer();
    server.receive(1, { type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    server.pass(ACK_DELAY_MS - 1);
    expect(types(server)).toEqual([]);
    server.pass(1);
    expect(server.takeFrames()).toEqual([{ type: "ack", sequence: 1 }]);
    server.pass(1_000);
    expect(types(server)).toEqual([]);
  });

  test("at once when a quarter of the window has come", () => {
    const server = openServer({ limits: { ...attachFields(1).limits, windowBytes: 133_248 } });
    server.receive(1, { type: "batch", sequence: 1, clockMs: 0, messages: octets(33_312) });
    expect(types(server)).toEqual(["ack"]);
  });

  test("with whatever leaves anyway", () => {
    const server = openServer();
    server.send(octets(1));
    server.receive(1, { type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    expect(types(server)).toEqual(["batch", "ack"]);
  });

  test("nothing for a batch that comes again, and is not busy with it", () => {
    const server = openServer();
    const frame = { type: "batch", sequence: 1, clockMs: 0, messages: octets(1) } as const;
    server.receive(1, frame);
    server.pass(ACK_DELAY_MS);
    server.takeFrames();
    server.receive(1, frame);
    server.pass(ACK_DELAY_MS);
    expect(types(server)).toEqual([]);
    expect(server.session.nextTimeout()).toBeGreaterThan(server.now + 1_000);
  });

  test("nothing over a link that takes nothing more, and is not busy with it", () => {
    const client = openClient();
    client.session.endWrite();
    client.receive(1, { type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    client.session.setBusy(true);
    expect(client.session.nextTimeout()).toBe(LEASE_MS);
  });
});

describe("Session looks whether its path is alive", () => {
  test("rarely when nothing is owed, often when something is", () => {
    const client = openClient();
    client.pass(HEARTBEAT_IDLE_MS);
    expect(types(client)).toEqual(["ping"]);
    const busy = openClient();
    busy.session.setBusy(true);
    busy.pass(HEARTBEAT_BUSY_MS);
    expect(types(busy)).toEqual(["ping"]);
  });

  test("soon after the server has spoken, since what it says next may meet a dead path", () => {
    const client = openClient();
    client.receive(1, { type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    client.pass(HEARTBEAT_BUSY_MS);
    expect(types(client)).toEqual(["ack", "ping"]);
    client.pass(SUSPECT_MS_MIN);
    expect(client.take()).toEqual([{ type: "suspect", isSuspect: true }]);
  });

  test("three times within a lease, however short that is", () => {
    const client = new SessionEnd("client");
    client.attach(1);
    client.receive(1, welcomeFrame(1, { leaseMs: 3_000 }));
    client.pass(1_001);
    expect(types(client)).toContain("ping");
  });

  test("only at the client: a server cannot open a path", () => {
    const server = openServer();
    server.session.setBusy(true);
    server.send(octets(1));
    server.session.flush(0);
    server.take();
    server.pass(LEASE_MS);
    expect(server.take()).toEqual([]);
  });

  test("and suspects it after SUSPECT_MS_MIN without progress, once", () => {
    const client = openClient();
    client.send(octets(1));
    client.session.flush(0);
    client.take();
    client.pass(SUSPECT_MS_MIN);
    expect(client.take()).toEqual([{ type: "suspect", isSuspect: true }]);
    expect(client.session.isHealthy).toBe(false);
    client.pass(SUSPECT_MS_MIN);
    expect(client.take()).toEqual([]);
    client.receive(1, { type: "ack", sequence: 1 });
    expect(client.session.isHealthy).toBe(true);
    expect(client.take()).toEqual([{ type: "suspect", isSuspect: false }]);
  });

  test("and suspects it also when the answer to a ping came and the acknowledgement did not", () => {
    const client = openClient();
    client.session.sendPing(0);
    client.session.flush(0);
    const [ping] = client.takeFrames();
    client.send(octets(1));
    client.session.flush(0);
    client.now = 100;
    client.receive(1, { type: "pong", octets: ping?.type === "ping" ? ping.octets : octets(0) });
    client.take();
    client.pass(SUSPECT_MS_MIN);
    expect(client.take()).toEqual([{ type: "suspect", isSuspect: true }]);
  });

  test("and is not made patient by one long pause", () => {
    const client = new SessionEnd("client");
    client.attach(1);
    client.now = 50_000;
    client.receive(1, welcomeFrame(1));
    client.send(octets(1));
    client.session.flush(client.now);
    client.take();
    client.pass(SUSPECT_MS_MAX);
    expect(client.take()).toEqual([{ type: "suspect", isSuspect: true }]);
    expect(client.session.roundTripMs).toBe(ROUND_TRIP_MS_MAX);
  });

  test.each([
    [5_000, 4_940, 60],
    [5_000, 6_000, 0],
  ])("and counts a welcome after %d ms, that the server held for %d, as a way of %d", (tookMs, heldMs, wayMs) => {
    const client = new SessionEnd("client");
    client.attach(1);
    client.now = tookMs;
    client.receive(1, welcomeFrame(1, { heldMs }));
    expect(client.session.roundTripMs).toBe(wayMs);
  });

  test("ignores a pong that answers no ping of this link", () => {
    const client = openClient();
    client.receive(1, { type: "pong", octets: octets(4) });
    expect(client.session.roundTripMs).toBe(0);
  });
});

describe("Session ends by time", () => {
  test("at the client after the lease that the server told, counted from what came last", () => {
    const client = openClient();
    client.now = 10_000;
    client.receive(1, { type: "ping", octets: octets(1) });
    client.session.linkClosed(1);
    client.pass(LEASE_MS - 1);
    expect(client.session.state).toBe("interrupted");
    client.pass(1);
    expect(client.session.reason).toMatchObject({ code: "lease_expired", side: "local" });
  });

  test("at the server ten seconds later", () => {
    const server = openServer();
    server.session.linkClosed(1);
    server.pass(LEASE_MS + SERVER_PATIENCE_MS - 1);
    expect(server.session.state).toBe("interrupted");
    server.pass(1);
    expect(server.session.reason?.code).toBe("lease_expired");
    expect(server.session.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });

  test("although attaches come that are refused", () => {
    const server = openServer();
    server.session.linkClosed(1);
    for (let i = 0; i < 20; i++) {
      server.pass(4_000);
      server.receiveAttach(10 + i, attachFields(1));
    }
    expect(server.session.state).toBe("closed");
  });

  test("when no attach was ever answered", () => {
    const client = new SessionEnd("client");
    client.pass(15_000);
    expect(client.session.reason?.code).toBe("connect_timeout");
  });
});

describe("judgeAttach", () => {
  const [one, other] = [octets(16, 1), octets(16, 2)];
  const accepted = { incarnation: one, attach: 5 };

  const attach = (incarnation: Uint8Array, number: number) =>
    ({ type: "attach", incarnation, attach: number }) as const;
  const access = (number: number, incarnation = one) => ({ type: "access", incarnation, attach: number }) as const;
  const companion = (number: number, incarnation = one) => ({ ...attach(incarnation, number), companion: 1 }) as const;

  test.each([
    ["first", undefined, attach(one, 1)],
    ["takeover", accepted, attach(one, 6)],
    ["takeover", accepted, access(900)],
    ["stale", accepted, attach(one, 5)],
    ["stale", accepted, access(4)],
    // A first access that comes again is answered again (D1).
    ["takeover", accepted, access(5)],
    ["supersede", accepted, attach(other, 1)],
    ["supersede", accepted, access(1, other)],
    ["companion", accepted, companion(5)],
    // It takes nobody's place, and begins nothing.
    ["stale", accepted, companion(6)],
    ["stale", accepted, companion(4)],
    ["stale", accepted, companion(5, other)],
    ["stale", undefined, companion(1)],
  ] as const)("says %s", (verdict, before, judged) => {
    expect(judgeAttach(before, judged, true)).toBe(verdict);
  });

  test("says that a companion is stale where nothing is attached", () => {
    expect(judgeAttach(accepted, companion(5), false)).toBe("stale");
  });
});

describe("SessionClock", () => {
  test("counts whole milliseconds from the beginning of the session", () => {
    const clock = new SessionClock(1_000);
    expect([clock.localMs(999), clock.localMs(1_000.9), clock.localMs(1_250)]).toEqual([0, 0, 250]);
  });

  test("takes the largest statement, since a batch that is sent again carries its first one", () => {
    const clock = new SessionClock(0);
    clock.stated(500, 100);
    clock.stated(300, 200);
    expect(clock.peerMs(200)).toBe(600);
  });

  test("believes an attach in any case: the far side's clock may have stood still", () => {
    const clock = new SessionClock(0);
    clock.stated(5_000, 100);
    clock.statedAtAttach(300, 10_000);
    expect(clock.peerMs(10_000)).toBe(300);
  });

  test("knows nothing before the first statement", () => {
    expect(new SessionClock(0).peerMs(100)).toBe(0);
  });
});
