import { describe, expect, test } from "vitest";
import { GONE_MS, REPEAT_MS } from "../../src/client/attempts.js";
import type { WayMemory } from "../../src/client/second-communication-options.js";
import { encodeFrame } from "../../src/frame/frame.js";
import { octets, welcomeFrame } from "../session/support.js";
import { FakeClock } from "../support/fake-clock.js";
import { ClientSetup } from "./support.js";

const types = (frames: { type: string }[]) => frames.map(({ type }) => type);
const pong = { type: "pong", octets: new Uint8Array(0) } as const;

describe("SecondCommunication with a healthy path", () => {
  test("tries nothing else", () => {
    const setup = new ClientSetup();
    setup.attach();
    setup.clock.pass(10_000);
    expect(setup.opens.length).toBe(1);
  });

  test("keeps one timer of its session, and none after the end", () => {
    const setup = new ClientSetup();
    const link = setup.attach();
    link.receive({ type: "close", code: "closed", message: "bye", last: 0 });
    setup.clock.pass(100_000);
    expect(setup.reason?.code).toBe("closed");
    expect(setup.clock.waiting).toBe(0);
  });
});

describe("SecondCommunication beside an attach that is not answered", () => {
  /** A session without upgrades with plain HTTP open beside its first access, whose answer has come and not ended. */
  function beside() {
    const setup = new ClientSetup({ askKind: "http-exchange" });
    setup.clock.endTurn();
    setup.clock.pass(99);
    setup.welcome(setup.last(setup.accesses), { id: "WAO.1", key: octets(32), links: [] });
    setup.last(setup.opens).die("answered", "403");
    setup.clock.pass(1);
    const ask = setup.last(setup.asks);
    ask.open();
    return { setup, ask };
  }

  /** A far session, whose plain HTTP has attached while the access's answer had not ended; now it has. */
  function asking(): ClientSetup {
    const setup = new ClientSetup({ askKind: "http-exchange" });
    setup.clock.endTurn();
    setup.clock.pass(100);
    setup.welcome(setup.last(setup.accesses), { id: "WAO.1", key: octets(32), links: [] });
    setup.last(setup.asks).open();
    setup.last(setup.accesses).die("answered", "the answer ended");
    expect(setup.attachOf(setup.last(setup.asks))?.type).toBe("attach");
    return setup;
  }

  /** The newest attempt opens, and its echo comes; whether it attached then. */
  function echoes(setup: ClientSetup): boolean {
    const link = setup.alive.filter((one) => one.writes.length === 0).at(-1);
    link?.open();
    link?.receive(pong);
    return types(link?.takeFrames() ?? []).includes("attach");
  }

  test("takes another path whose echo came while the answer did not, and the next only with more reason", () => {
    const setup = asking();
    setup.clock.pass(2 * REPEAT_MS);
    expect(echoes(setup)).toBe(true);
    setup.clock.pass(REPEAT_MS + 50);
    expect(echoes(setup)).toBe(false);
  });

  test("waits for the end of the access's answer, which brings the first results", () => {
    const { setup, ask } = beside();
    // A question would only take the connection of the attach.
    expect(types(ask.takeFrames())).toEqual([]);
    setup.last(setup.accesses).die("answered", "the answer ended");
    expect(setup.attachOf(ask)?.type).toBe("attach");
  });

  test("is asked about after all when the access's answer does not end", () => {
    const { setup, ask } = beside();
    setup.clock.pass(REPEAT_MS);
    expect(types(ask.takeFrames())).toEqual(["ping"]);
    ask.receive(pong);
    expect(setup.attachOf(ask)?.type).toBe("attach");
  });

  test("does not wait for the end of the access's answer on a long way, and hears what that still brings", () => {
    const setup = new ClientSetup({ askKind: "http-exchange" });
    setup.farMs = 200;
    setup.clock.endTurn();
    setup.clock.pass(200);
    const access = setup.last(setup.accesses);
    setup.welcome(access, { id: "WAO.1", key: octets(32), links: [] });
    const ask = setup.last(setup.asks);
    ask.open();
    expect(setup.attachOf(ask)).toMatchObject({ type: "attach", attach: 2 });
    access.receive({ type: "batch", sequence: 1, clockMs: 0, messages: octets(1) });
    expect([setup.received, access.closeReason]).toEqual([1, undefined]);
    ask.receive(welcomeFrame(2));
    expect(access.closeReason).toBeDefined();
  });

  test("leaves it alone as long as the answer may come", () => {
    const setup = asking();
    setup.clock.pass(REPEAT_MS - 1);
    expect(echoes(setup)).toBe(false);
  });
});

describe("SecondCommunication where there is no upgrade", () => {
  test("looks for none, once it is known", () => {
    const setup = new ClientSetup({ askKind: "http-exchange", openKind: "http-exchange" });
    setup.attach();
    const before = setup.opens.length + setup.asks.length;
    setup.clock.pass(10_000);
    expect(setup.opens.length + setup.asks.length).toBe(before);
  });
});

describe("SecondCommunication on a way where upgrades fail", () => {
  /** A session whose upgrade was refused, and that plain HTTP carries. */
  function onHttp(memory: WayMemory, clock = new FakeClock()): ClientSetup {
    const setup = new ClientSetup({ askKind: "http-exchange", memory, clock });
    setup.identify();
    setup.last(setup.opens).die("answered", "403");
    setup.clock.pass(1);
    setup.last(setup.asks).open();
    setup.welcome(setup.last(setup.asks));
    return setup;
  }

  /** The next look upward meets the same. */
  function looksInVain(setup: ClientSetup): void {
    setup.clock.pass(2_000);
    setup.last(setup.opens).die("lost", "nothing came");
  }

  test("remembers it for the next sessions, which begin with plain HTTP, and look for an upgrade later", () => {
    const [memory, clock] = [{ upgradesFailUntil: 0 }, new FakeClock()];
    looksInVain(onHttp(memory, clock));
    const next = new ClientSetup({ askKind: "http-exchange", memory, clock });
    next.identify();
    expect([next.asks.length, next.opens.length]).toEqual([1, 0]);
    next.last(next.asks).open();
    next.welcome(next.last(next.asks));
    next.clock.pass(2_000);
    expect(next.opens.length).toBe(1);
    // Now it gets through.
    const upgrade = next.last(next.opens);
    upgrade.open();
    expect(types(upgrade.takeFrames())).toEqual(["ping"]);
    upgrade.receive(pong);
    next.welcome(upgrade);
    expect(memory.upgradesFailUntil).toBe(0);
  });

  test("remembers it for ten minutes, and until the network may be another one", () => {
    const memory = { upgradesFailUntil: 0 };
    const setup = onHttp(memory);
    looksInVain(setup);
    expect(memory.upgradesFailUntil).toBe(setup.clock.now + 600_000);
    setup.communication.wake();
    expect(memory.upgradesFailUntil).toBe(0);
  });

  test("does not blame the way for what failed while nothing else got through either", () => {
    const memory = { upgradesFailUntil: 0 };
    onHttp(memory);
    expect(memory.upgradesFailUntil).toBe(0);
    const far = new ClientSetup({ askKind: "http-exchange", memory });
    far.clock.endTurn();
    far.clock.pass(300);
    far.welcome(far.last(far.accesses), { id: "WAO.1", key: octets(32), links: [] });
    far.last(far.asks).open();
    far.welcome(far.last(far.asks));
    expect(memory.upgradesFailUntil).toBe(0);
  });
});

describe("SecondCommunication without a path", () => {
  test("opens another one at once, and attaches as soon as it is open", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    expect(setup.opens.length).toBe(2);
    setup.last(setup.opens).open();
    expect(setup.attachOf(setup.last(setup.opens))?.type).toBe("attach");
  });

  test("adds a second attempt after REPEAT_MS, and renews the younger one, until the older has had its time", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    const oldest = setup.last(setup.opens);
    setup.clock.pass(REPEAT_MS);
    const [second] = setup.alive.slice(-1);
    expect(second).not.toBe(oldest);
    setup.clock.pass(REPEAT_MS - 1);
    expect([oldest.closeReason, second?.closeReason]).toEqual([undefined, undefined]);
    setup.clock.pass(20 * REPEAT_MS);
    expect(oldest.closeReason).toBeDefined();
    expect(setup.opens.length + setup.asks.length).toBeGreaterThan(15);
    expect(setup.alive.filter(({ kind }) => kind === "websocket").length).toBeLessThanOrEqual(2);
  });

  test.each(["opens", "asks"] as const)("waits as long as a refusal of an attach asks it to: %s", (kind) => {
    const setup = new ClientSetup({ askKind: kind === "asks" ? "http-exchange" : "access" });
    setup.attach().die();
    if (kind === "asks") {
      setup.last(setup.opens).die("answered", "503");
      setup.clock.pass(1);
    }
    setup.last(setup[kind]).open();
    const refused = setup.last(setup[kind]);
    refused.receive({ type: "refused", code: "server_busy", message: "wait", retryAfterMs: 5_000 });
    refused.die("answered", "refused");
    const before = setup.opens.length + setup.asks.length;
    setup.clock.pass(4_999);
    expect(setup.opens.length + setup.asks.length).toBe(before);
    setup.clock.pass(2_501);
    expect(setup.opens.length + setup.asks.length).toBeGreaterThan(before);
  });

  // A reset that nobody was told of met the older one, and the machine is too slow to open one before it is renewed.
  test.each([600, 1_000, 2_000])(
    "finds a path where each attempt takes %d ms, and the first has died in silence",
    (ms) => {
      const setup = new ClientSetup({ askKind: "http-exchange" });
      setup.attach().die();
      const silent = setup.last(setup.opens);
      const madeAt = new Map<unknown, number>();
      while (setup.state !== "open" && setup.clock.now < 20_000) {
        setup.clock.pass(50);
        for (const link of setup.alive) {
          madeAt.set(link, madeAt.get(link) ?? setup.clock.now);
          if (link === silent || setup.clock.now - (madeAt.get(link) ?? 0) < ms) continue;
          link.open();
          if (setup.state !== "open") setup.welcome(link);
        }
      }
      expect(setup.clock.now).toBeLessThan(3 * ms + 500);
    },
  );

  test("asks over plain HTTP when an upgrade fails before it opened, and believes the answer", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    setup.last(setup.opens).die("answered", "404");
    setup.clock.pass(1);
    expect(setup.attachOf(setup.last(setup.asks))?.type).toBe("attach");
    setup.last(setup.asks).receive({ type: "refused", code: "session_ended", message: "over" });
    expect(setup.reason).toMatchObject({ code: "session_ended", side: "remote" });
    setup.clock.endTurn();
    expect(setup.clock.waiting).toBe(0);
  });

  test("asks once at a time, however often upgrades fail meanwhile", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    setup.last(setup.opens).die("answered", "404");
    setup.clock.pass(1);
    const question = setup.last(setup.asks);
    for (let i = 0; i < 3; i++) {
      setup.clock.pass(REPEAT_MS);
      const upgrade = setup.last(setup.opens);
      if (upgrade.closeReason === undefined) upgrade.die("answered", "404");
    }
    expect(question.closeReason).toBeUndefined();
    setup.welcome(question);
    expect(setup.state).toBe("open");
  });

  test("gives the server up after GONE_MS in which nobody listened", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    for (let i = 0; i < 100 && setup.reason === undefined; i++) {
      setup.alive.at(-1)?.die("refused", "ECONNREFUSED");
      setup.clock.pass(100);
    }
    expect(setup.reason?.code).toBe("unreachable");
    expect(setup.clock.now).toBeLessThan(GONE_MS + 1_500);
    expect(setup.clock.waiting).toBe(0);
  });

  test("does not give up when one attempt of several was refused", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    for (let i = 0; i < 20; i++) {
      setup.alive.at(-1)?.die(i % 2 === 0 ? "refused" : "lost");
      setup.clock.pass(400);
    }
    expect(setup.reason).toBeUndefined();
  });

  test.each(["superseded", "session_unknown", "version_unsupported"])(
    "ends when an attach is refused by %s",
    (code) => {
      const setup = new ClientSetup();
      setup.attach().die();
      setup.last(setup.opens).open();
      setup.last(setup.opens).receive({ type: "refused", code, message: "no" });
      expect(setup.reason?.code).toBe(code);
    },
  );

  test.each(["attach_stale", "too_many_requests", "going_away"])(
    "tries again when an attach is refused by %s",
    (code) => {
      const setup = new ClientSetup();
      setup.attach().die();
      setup.last(setup.opens).open();
      setup.last(setup.opens).receive({ type: "refused", code, message: "wait" });
      setup.clock.pass(1_000);
      expect(setup.reason).toBeUndefined();
      expect(setup.opens.length + setup.asks.length).toBeGreaterThan(2);
    },
  );
});

describe("SecondCommunication whose attempts something else answers", () => {
  const codes = ["redirected", "not_duowire", "bad_certificate"] as const;

  test.each(codes)("goes on, backing off, where the session was attached before: %s", (code) => {
    const setup = new ClientSetup({ askKind: "http-exchange" });
    setup.attach().die();
    const stranger = () => {
      for (const link of setup.alive) {
        if (link.kind === "websocket") link.die("answered", "Unexpected server response: 302");
        else link.open();
      }
      for (const link of setup.alive) link.receive({ type: "refused", code, message: "Welcome to the hotel" });
    };
    for (let second = 0; second < 30; second += 1) {
      stranger();
      setup.clock.pass(1_000);
    }
    expect(setup.reason).toBeUndefined();
    expect(setup.states.at(-1)).toBe("interrupted");
    const tried = setup.opens.length + setup.asks.length;
    expect(tried).toBeGreaterThan(8);
    expect(tried).toBeLessThan(60);
    setup.clock.pass(5_000);
    const back = setup.last(setup.opens);
    back.open();
    setup.welcome(back);
    expect(setup.states.at(-1)).toBe("open");
  });

  test.each(codes)("ends where its address was never reached, since that is wrong: %s", (code) => {
    const setup = new ClientSetup({ askKind: "http-exchange" });
    setup.identify();
    setup.last(setup.opens).die("answered", "Unexpected server response: 404");
    setup.clock.pass(0);
    setup.last(setup.asks).open();
    setup.last(setup.asks).receive({ type: "refused", code, message: "404, from something that is no duowire server" });
    expect(setup.reason?.code).toBe(code);
  });

  test("ends by a code of its server that it does not know", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    setup.last(setup.opens).open();
    setup.last(setup.opens).receive({ type: "refused", code: "of_tomorrow", message: "no" });
    expect(setup.reason?.code).toBe("not_duowire");
  });
});

describe("SecondCommunication with a silent path", () => {
  /** A session whose path has not acknowledged something for so long that it is suspect. */
  function suspect(): { setup: ClientSetup; silent: ReturnType<ClientSetup["attach"]> } {
    const setup = new ClientSetup();
    const silent = setup.attach();
    setup.send(5);
    setup.clock.pass(1_000);
    expect(setup.opens.length).toBe(2);
    return { setup, silent };
  }

  test("probes another one before it takes over", () => {
    const { setup, silent } = suspect();
    const other = setup.last(setup.opens);
    other.open();
    expect(types(other.takeFrames())).toEqual(["ping"]);
    expect(silent.closeReason).toBeUndefined();
    other.receive(pong);
    const [attach, ...frames] = other.takeFrames();
    expect(types(frames)).toEqual(["batch"]);
    expect(silent.closeReason).toBeUndefined();
    other.receive(welcomeFrame((attach as { attach: number }).attach));
    expect(silent.closeReason).toBeDefined();
  });

  test("stays when the silent one answers first", () => {
    const { setup, silent } = suspect();
    const other = setup.last(setup.opens);
    other.open();
    silent.receive({ type: "ack", sequence: 1 });
    other.receive(pong);
    expect(other.closeReason).toBeDefined();
    expect(silent.closeReason).toBeUndefined();
  });

  test("lets an attach that is under way be answered before another path takes over", () => {
    const { setup } = suspect();
    const first = setup.last(setup.opens);
    first.open();
    setup.clock.pass(REPEAT_MS);
    const second = setup.last(setup.opens);
    second.open();
    first.receive(pong);
    second.receive(pong);
    expect(types(second.takeFrames())).not.toContain("attach");
    // Only when that one is silent, too.
    setup.clock.pass(3_000);
    expect(setup.attachOf(second)?.type).toBe("attach");
  });

  test("believes a refusal that comes instead of the echo", () => {
    const { setup } = suspect();
    setup.last(setup.opens).open();
    setup.last(setup.opens).receive({ type: "refused", code: "session_unknown", message: "no" });
    expect(setup.reason?.code).toBe("session_unknown");
  });

  test("drops a path that sends nonsense before the attach", () => {
    const { setup } = suspect();
    const other = setup.last(setup.opens);
    other.open();
    other.receiveOctets(encodeFrame(pong).subarray(0, 3));
    expect(other.closeReason).toMatch(/malformed/);
    expect(setup.reason).toBeUndefined();
  });
});

describe("SecondCommunication.wake", () => {
  test("looks at once whether the path is alive", () => {
    const setup = new ClientSetup();
    const link = setup.attach();
    setup.communication.wake();
    setup.clock.endTurn();
    expect(types(link.takeFrames())).toContain("ping");
    setup.clock.pass(1_000);
    expect(setup.opens.length).toBe(2);
  });

  test("does not wait for the next attempt", () => {
    const setup = new ClientSetup();
    setup.attach().die();
    const before = setup.opens.length + setup.asks.length;
    setup.communication.wake();
    expect(setup.opens.length + setup.asks.length).toBe(before + 1);
  });
});
