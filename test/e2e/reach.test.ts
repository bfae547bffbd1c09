import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { type ProxyHabits, startHttpProxy } from "../support/http-proxy.js";
import { WildProxy } from "../support/wild-proxy.js";

interface CounterClient {
  seen(number: number): number;
}

class Counter extends Service<CounterClient> {
  private last = 0;

  next(number: number): number {
    if (number !== this.last + 1) throw new Error(`${number} after ${this.last}`);
    this.last = number;
    return number;
  }

  async push(count: number): Promise<number> {
    for (let number = 1; number <= count; number++) await this.client.seen(number);
    return count;
  }

  echo(octets: Uint8Array): Uint8Array {
    return octets;
  }
}

const habits: ProxyHabits[] = [
  { upgrades: "refused", answers: "streamed" },
  { upgrades: "refused", answers: "buffered" },
  { upgrades: "swallowed", answers: "streamed" },
  { upgrades: "swallowed", answers: "buffered" },
];

const FIRST_CALL_MS = 2_000;
const CALLS = 200;

test.each(habits)("a session reaches through a proxy: upgrades $upgrades, answers $answers", async (habit) => {
  await using server = await serve({ address: "http://127.0.0.1:0/WAO", service: Counter });
  await using proxy = await startHttpProxy(Number(server.address.port), habit);
  const seen: number[] = [];
  const expose = { seen: (number: number) => seen.push(number) };
  await using session = connect<Counter>(`http://127.0.0.1:${proxy.port}/WAO`, { expose });
  const states: string[] = [];
  session.addEventListener("state", ({ detail }) => states.push(detail.state));
  const begun = performance.now();
  expect(await session.remote.next(1)).toBe(1);
  expect(performance.now() - begun).toBeLessThan(FIRST_CALL_MS);
  // Out of the first answer's time: from here on the session needs a link.
  await new Promise((waited) => setTimeout(waited, 300));
  const again = performance.now();
  expect(await session.remote.next(2)).toBe(2);
  expect(performance.now() - again).toBeLessThan(FIRST_CALL_MS);
  expect(await session.remote.push(20)).toBe(20);
  expect(seen).toEqual(Array.from({ length: 20 }, (_, index) => index + 1));
  const large = new Uint8Array(300_000).map((_, index) => index);
  expect(await session.remote.echo(large)).toEqual(large);
  expect(session.link?.kind).toBe("http-exchange");
  // That upgrades are refused is nothing that a page should show.
  if (habit.upgrades === "refused" && habit.answers === "streamed") expect(states).toEqual(["open"]);
});

test.each(habits)(
  "nothing is lost or doubled while connections break: $upgrades, $answers",
  async (habit) => {
    await using server = await serve({ address: "http://127.0.0.1:0/WAO", service: Counter });
    await using proxy = await startHttpProxy(Number(server.address.port), habit);
    const seen: number[] = [];
    const expose = { seen: (number: number) => seen.push(number) };
    await using session = connect<Counter>(`http://127.0.0.1:${proxy.port}/WAO`, { expose });
    const cutting = setInterval(() => proxy.cut(), 150);
    try {
      const pushed = session.remote.push(CALLS / 4);
      const calls = Array.from({ length: CALLS }, (_, index) => session.remote.next(index + 1));
      expect(await Promise.all(calls)).toEqual(Array.from({ length: CALLS }, (_, index) => index + 1));
      expect(await pushed).toBe(CALLS / 4);
      expect(seen).toEqual(Array.from({ length: CALLS / 4 }, (_, index) => index + 1));
    } finally {
      clearInterval(cutting);
    }
  },
  40_000,
);

test("each access is one, and nothing is lost or doubled, where requests come late, twice or lose their answers", async () => {
  await using server = await serve({ address: "http://127.0.0.1:0/WAO", service: Counter });
  const proxy = await WildProxy.start(Number(server.address.port));
  onTestFinished(() => proxy.close());
  const sessions = Array.from({ length: 10 }, () => {
    const seen: number[] = [];
    const expose = { seen: (number: number) => seen.push(number) };
    return { seen, session: connect<Counter>(`http://127.0.0.1:${proxy.port}/WAO`, { expose }) };
  });
  await Promise.all(
    sessions.map(async ({ session, seen }) => {
      const pushed = session.remote.push(20);
      for (let number = 1; number <= 40; number++) expect(await session.remote.next(number)).toBe(number);
      expect([await pushed, seen]).toEqual([20, Array.from({ length: 20 }, (_, index) => index + 1)]);
    }),
  );
  expect(server.sessions.size).toBe(sessions.length);
  for (const count of Object.values(proxy.counts)) expect(count).toBeGreaterThan(20);
  await Promise.all(sessions.map(({ session }) => session.close()));
}, 40_000);
