/**
 * Many clients at one moment, at a server that is busy: Node takes one connection in each turn of its loop, and a turn
 * takes as long as it takes. What a client has given up is taken, too, and in vain.
 */
import { expect, onTestFinished, test } from "vitest";
import { accessTurns, UNHEARD_FIRST } from "../../src/client/access-turns.js";
import { octets } from "../session/support.js";
import { FakeClock } from "../support/fake-clock.js";
import type { FakeLink } from "../support/fake-link.js";
import { type ClientSetting, ClientSetup } from "./support.js";

/** Connections that the kernel keeps until they are taken: what Node asks for. */
const BACKLOG_MAX = 511;

/** The connections of some clients, in the order made, and how one of them after the other is answered. */
class BusyServer {
  readonly clock = new FakeClock();
  private readonly clients: ClientSetup[];
  private readonly seen = new Map<ClientSetup, number>();
  private readonly backlog: { readonly client: ClientSetup; readonly link: FakeLink }[] = [];
  welcomed = 0;

  constructor(clients: number, setting: ClientSetting = {}) {
    this.clients = Array.from({ length: clients }, () => new ClientSetup({ ...setting, clock: this.clock }));
  }

  get connections(): number {
    return this.clients.reduce((sum, { accesses }) => sum + accesses.length, 0);
  }

  /** The time until everybody was welcomed, or `mostMs`. */
  takeAll(turnMs: number, mostMs: number): number {
    while (this.welcomed < this.clients.length && this.clock.now < mostMs) {
      this.clock.pass(turnMs);
      this.gather();
      this.takeOne();
    }
    return this.clock.now;
  }

  private gather(): void {
    for (const client of this.clients) {
      const made = client.accesses.slice(this.seen.get(client));
      this.seen.set(client, client.accesses.length);
      for (const link of made) if (this.backlog.length < BACKLOG_MAX) this.backlog.push({ client, link });
    }
  }

  private takeOne(): void {
    const { client, link } = this.backlog.shift() ?? {};
    if (client === undefined || link === undefined || link.closeReason !== undefined) return;
    client.welcome(link, { id: "WAO.1", key: octets(32), links: [] });
    this.welcomed += 1;
  }
}

test.each([
  [200, 5],
  [200, 20],
  [200, 30],
])(
  "FirstCommunication of each of %d gets in as fast as their server takes connections, one in %d ms",
  (clients, turnMs) => {
    const server = new BusyServer(clients);
    expect(server.takeAll(turnMs, 15_000)).toBe(clients * turnMs);
  },
);

test("FirstCommunication of each of 200 in one program gets in, however slow the server: they take turns", () => {
  const server = new BusyServer(200, { enter: accessTurns("http://slow:1"), connectTimeoutMs: 300_000 });
  // Five connections a second, as of a server that shares its processor with the clients and all their processes.
  expect(server.takeAll(200, 300_000)).toBeLessThan(100_000);
  expect([server.welcomed, server.connections < 500]).toEqual([200, true]);
});

test("accessTurns lets in UNHEARD_FIRST at once and the others in their order, for each server apart", () => {
  const { begun, leave, heard } = crowd("http://one:1", UNHEARD_FIRST + 4);
  expect(begun.length).toBe(UNHEARD_FIRST);
  expect(crowd("http://two:1", 1).begun).toEqual([0]);
  // One that gives up before its turn makes no room; leaving twice makes room once, as this server is slow.
  leave[UNHEARD_FIRST]?.();
  heard(0, 200);
  heard(1, 1_000);
  const next = [UNHEARD_FIRST + 1, UNHEARD_FIRST + 2];
  expect(begun.slice(UNHEARD_FIRST)).toEqual(next);
  leave[1]?.();
  expect(begun.slice(UNHEARD_FIRST)).toEqual(next);
  for (const one of leave) one();
  expect(crowd("http://one:1", 1).begun).toEqual([0]);
});

test("accessTurns lets in twice as many in each round trip where a server keeps up, however far it is", () => {
  const { begun, heard } = crowd("http://far:1", 200);
  const rounds: number[] = [];
  for (let round = 0; begun.length < 200; round++) {
    const before = rounds.at(-1) ?? 0;
    const inside = begun.slice(before);
    rounds.push(begun.length);
    for (const number of inside) heard(number, 600 * (round + 1));
  }
  expect(rounds).toEqual([6, 18, 42, 90, 186]);
});

/** Accesses that come at one moment; `heard` moves the time on, and has one of them be answered. */
function crowd(origin: string, count: number) {
  let now = 0;
  const begun: number[] = [];
  const enter = accessTurns(origin);
  const leave = Array.from({ length: count }, (_, number) =>
    enter(
      () => begun.push(number),
      () => now,
    ),
  );
  const heard = (number: number, at: number) => {
    now = at;
    leave[number]?.();
  };
  onTestFinished(() => {
    for (const one of leave) one();
  });
  return { begun, leave, heard };
}
