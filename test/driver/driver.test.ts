import { describe, expect, test } from "vitest";
import { DuowireError, protocolError } from "../../src/base/errors.js";
import { MalformedOctets } from "../../src/base/octets.js";
import { type Application, Driver } from "../../src/driver/driver.js";
import { encodeFrame, type Frame } from "../../src/frame/frame.js";
import { defaultLimits } from "../../src/frame/limits.js";
import type { Outgoing } from "../../src/session/outgoing.js";
import { attachFields, KEY, LEASE_MS, octets } from "../session/support.js";
import { FakeClock } from "../support/fake-clock.js";
import { FakeLink } from "../support/fake-link.js";

/** A server's driver with a client attached over one link, and an application that does as the test says. */
class Setup implements Application {
  readonly clock = new FakeClock();
  readonly link = new FakeLink();
  readonly driver: Driver;
  readonly received: number[] = [];
  readonly states: string[] = [];
  readonly bugs: unknown[] = [];
  readonly ends: DuowireError[] = [];
  onReceive: (messages: Uint8Array) => void = () => {};
  waitingUrgent: Uint8Array | undefined;
  isBusy = false;
  private outgoing: Outgoing | undefined;
  private wake: () => void = () => {};
  private readonly number: number;

  constructor() {
    this.driver = new Driver({
      side: "server",
      clock: this.clock,
      limits: defaultLimits,
      queueBytesMax: 2_000_000,
      leaseMs: LEASE_MS,
      freshMs: 15_000,
      closeMs: 1_000,
      application: (outgoing, wake) => {
        this.outgoing = outgoing;
        this.wake = wake;
        return this;
      },
      events: { state: (state) => this.states.push(state), bug: (error) => this.bugs.push(error) },
    });
    this.number = this.driver.adopt(this.link);
    this.link.listen({
      opened: () => {},
      receive: (frames) => this.driver.receive(this.number, frames),
      closed: () => this.driver.linkClosed(this.number),
    });
    this.driver.receiveAttach(this.number, { type: "attach", key: KEY, ...attachFields(1) }, { admission: "1.token" });
    this.link.takeFrames();
  }

  /** A batch is acknowledged at once: from now on the path counts as a fast one. */
  measureFastPath(): void {
    this.send(10_000);
    this.clock.endTurn();
    this.link.receive({ type: "ack", sequence: 1 });
    this.clock.endTurn();
    this.link.takeFrames();
  }

  send(length: number): void {
    this.outgoing?.begin().octets(octets(length));
    this.outgoing?.commit(true);
    this.wake();
  }

  receive(messages: Uint8Array): void {
    this.received.push(messages.length);
    this.onReceive(messages);
  }

  receiveAhead(): void {}
  setLimits(): void {}
  ahead(): undefined {}

  urgent(bytesMax: number): Uint8Array | undefined {
    const urgent = this.waitingUrgent;
    if (urgent === undefined || urgent.length > bytesMax) return undefined;
    this.waitingUrgent = undefined;
    return urgent;
  }

  end(reason: DuowireError): void {
    this.ends.push(reason);
  }
}

const batch = (sequence: number, length = 3): Frame => ({
  type: "batch",
  sequence,
  clockMs: 0,
  messages: octets(length),
});

describe("Driver writes", () => {
  test("once per turn, whatever was queued in it", () => {
    const setup = new Setup();
    for (let i = 0; i < 50; i++) setup.send(20);
    expect(setup.link.writes.length).toBe(0);
    setup.clock.endTurn();
    expect(setup.link.writes.length).toBe(1);
    expect(setup.link.takeFrames()).toMatchObject([{ type: "batch", messages: octets(1_000) }]);
  });

  test("answers to what came in the turn in which it came", () => {
    const setup = new Setup();
    setup.onReceive = () => setup.send(5);
    setup.link.receive(batch(1), batch(2));
    setup.clock.endTurn();
    expect(setup.link.writes.length).toBe(1);
    expect(setup.link.takeFrames().map(({ type }) => type)).toEqual(["batch", "ack"]);
  });

  test("long frames alone, without a copy of them", () => {
    const setup = new Setup();
    setup.measureFastPath();
    setup.send(100);
    setup.send(200_000);
    setup.clock.endTurn();
    const lengths = setup.link.writes.map(({ length }) => length);
    expect(lengths.filter((length) => length > 60_000).length).toBe(3);
    expect(setup.link.takeFrames().length).toBe(lengths.length);
  });

  test("urgent messages before others, although the window is full", () => {
    const setup = new Setup();
    setup.measureFastPath();
    for (let i = 0; i < 20; i++) setup.send(60_000);
    setup.clock.endTurn();
    const kept = setup.driver.session.figures.unackedBytes;
    expect(kept).toBeGreaterThan(defaultLimits.windowBytes - 66_000);
    setup.link.takeFrames();
    setup.waitingUrgent = octets(1_000);
    setup.send(60_000);
    setup.clock.endTurn();
    expect(setup.link.takeFrames()).toMatchObject([{ type: "batch", messages: octets(1_000) }]);
    // The reserve has an end, too.
    setup.waitingUrgent = octets(80_000);
    setup.send(1);
    setup.clock.endTurn();
    expect(setup.waitingUrgent).toBeDefined();
  });
});

describe("Driver guards its entry", () => {
  test.each([
    ["malformed octets", () => new MalformedOctets("nonsense"), "protocol_error", 0],
    ["a violation", () => protocolError("nonsense"), "protocol_error", 0],
    ["a bug", () => new TypeError("undefined is not a function"), "internal_error", 1],
  ])("%s of the application end the session, and nothing behind is delivered", (_name, make, code, bugs) => {
    const setup = new Setup();
    setup.onReceive = () => {
      throw make();
    };
    setup.link.receive(batch(1), batch(2));
    expect(setup.received).toEqual([3]);
    expect(setup.ends.map((reason) => reason.code)).toEqual([code]);
    expect(setup.bugs.length).toBe(bugs);
    expect(setup.link.closeReason).toBeDefined();
    expect(setup.link.takeFrames()).toMatchObject([{ type: "close", code }]);
  });

  test("malformed octets on the attached link end the session, after what came before them", () => {
    const setup = new Setup();
    setup.link.receiveOctets(Buffer.from("10000005010061626330000000", "hex"));
    expect(setup.received).toEqual([3]);
    expect(setup.ends[0]).toMatchObject({ code: "protocol_error", side: "remote" });
  });

  test("malformed octets on another link end that link only", () => {
    const setup = new Setup();
    const other = new FakeLink();
    setup.driver.receive(setup.driver.adopt(other), octets(3));
    expect(other.closeReason).toBeDefined();
    expect(setup.states).toEqual(["open"]);
  });

  test("a bug of ours that shows on another link ends the session, and is told", () => {
    const setup = new Setup();
    const companion = new FakeLink();
    const number = setup.driver.adopt(companion);
    const attach = { type: "attach", key: KEY, ...attachFields(1, { companion: 1 }) } as const;
    expect(setup.driver.receiveAttach(number, attach, { admission: "1.token" })).toBe("companion");
    setup.driver.session.receive = () => {
      throw new TypeError("our mistake");
    };
    setup.driver.receive(number, encodeFrame({ type: "ack", sequence: 0 }));
    expect([setup.bugs.length, setup.ends.map(({ code }) => code)]).toEqual([1, ["internal_error"]]);
  });

  test("copies are left out for a companion that takes nothing", () => {
    const setup = new Setup();
    const companion = new FakeLink();
    const number = setup.driver.adopt(companion);
    const attach = { type: "attach", key: KEY, ...attachFields(1, { companion: 1 }) } as const;
    setup.driver.receiveAttach(number, attach, { admission: "1.token" });
    companion.takeFrames();
    for (const [queuedBytes, copies] of [
      [16_384, 1],
      [16_385, 0],
    ] as const) {
      companion.queuedBytes = queuedBytes;
      setup.send(10);
      setup.clock.endTurn();
      expect([setup.link.takeFrames().length, companion.takeFrames().length]).toEqual([1, copies]);
    }
    expect(companion.closeReason).toBeUndefined();
  });

  test("what was delivered before CLOSE in the same write is delivered", () => {
    const setup = new Setup();
    setup.link.receive(batch(1), { type: "close", code: "closed", message: "bye", last: 1 });
    expect(setup.received).toEqual([3]);
    expect(setup.ends).toMatchObject([{ code: "closed", side: "remote", message: "bye" }]);
    expect(setup.link.takeFrames()).toMatchObject([{ type: "closed" }]);
  });
});

describe("Driver comes to an end", () => {
  test("with no timer, no link and one end, when it is closed from inside of a delivery", () => {
    const setup = new Setup();
    setup.onReceive = () => setup.driver.fail(new DuowireError("closed"));
    setup.link.receive(batch(1));
    setup.clock.pass(1_000_000);
    expect(setup.ends.length).toBe(1);
    expect(setup.link.closeReason).toBe("closed");
    expect(setup.clock.waiting).toBe(0);
  });

  test("within closeMs when nobody confirms", () => {
    const setup = new Setup();
    setup.send(5);
    setup.driver.close(new DuowireError("closed"));
    expect(setup.link.takeFrames().map(({ type }) => type)).toEqual(["batch", "close"]);
    setup.clock.pass(999);
    expect(setup.states.at(-1)).toBe("closing");
    setup.clock.pass(1);
    expect(setup.states.at(-1)).toBe("closed");
    expect(setup.clock.waiting).toBe(0);
  });

  test("by the lease when its link is gone", () => {
    const setup = new Setup();
    setup.link.die();
    expect(setup.states).toEqual(["open", "interrupted"]);
    setup.clock.pass(LEASE_MS + 10_000);
    expect(setup.ends[0]?.code).toBe("lease_expired");
    expect(setup.clock.waiting).toBe(0);
  });
});

describe("Driver ends a link", () => {
  /** A link whose far end reads nothing. */
  function unread() {
    const setup = new Setup();
    setup.measureFastPath();
    const { link } = setup;
    link.send = (octets) => {
      link.queuedBytes += octets.length;
    };
    return setup;
  }

  test("whose far end asks for PONGs and reads none, before they fill the memory; the session goes on", () => {
    const setup = unread();
    const ping: Frame = { type: "ping", octets: octets(4_096) };
    for (let n = 0; n < 10_000 && setup.link.closeReason === undefined; n += 1) {
      setup.link.receive(ping, ping);
      setup.clock.pass(0);
    }
    expect(setup.link.closeReason).toContain("does not read");
    expect(setup.link.queuedBytes).toBeLessThan(4_000_000);
    expect(setup.states.at(-1)).toBe("interrupted");
    const next = new FakeLink();
    const attach = { type: "attach", key: KEY, ...attachFields(2, { received: 1 }) } as const;
    setup.driver.receiveAttach(setup.driver.adopt(next), attach, { admission: "2.token" });
    expect([setup.states.at(-1), next.takeFrames()[0]?.type]).toEqual(["open", "welcome"]);
  });

  test("not for two windows of batches, half of them acknowledged, and as many acknowledgements as it asks for", () => {
    const setup = unread();
    let sequence = 0;
    for (let acked = 0; acked <= 1; acked += 1) {
      for (let n = 0; n < 15; n += 1) setup.send(66_000);
      for (let n = 0; n < 1_000; n += 1) {
        sequence += 1;
        setup.link.receive(batch(sequence));
      }
      setup.clock.pass(0);
      // The sixteenth: one has measured the path.
      if (acked === 0) setup.link.receive({ type: "ack", sequence: 16 });
    }
    setup.clock.pass(0);
    expect(setup.link.queuedBytes).toBeGreaterThan(1_900_000);
    expect(setup.link.closeReason).toBeUndefined();
  });
});

test("Driver gives a link that takes over to the next conversation when another client comes", () => {
  const setup = new Setup();
  const link = new FakeLink();
  const fields = attachFields(1, { incarnation: octets(16) });
  const attach = { type: "attach", key: KEY, ...fields } as const;
  expect(setup.driver.receiveAttach(setup.driver.adopt(link), attach, { admission: "1.token" })).toBe("supersede");
  setup.driver.fail(new DuowireError("superseded"));
  expect(link.closeReason).toBeUndefined();
});
