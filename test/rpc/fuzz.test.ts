/** A peer in front of hostile messages: it answers, or the session ends; nothing else is thrown, kept or changed. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { DuowireError, protocolError } from "../../src/base/errors.js";
import { MalformedOctets } from "../../src/base/octets.js";
import { callSignal } from "../../src/rpc/incoming-call.js";
import { Target } from "../../src/rpc/service.js";
import { fuzzInTurns, fuzzSeeds, worstOf } from "../support/failures.js";
import { hostileMessages } from "./hostile-messages.js";
import { Side, turn, VirtualClock } from "./support.js";
import { randomOf } from "./value-fuzz.js";

const SLOW_MS = 250;
const prototypes = [
  Object.prototype,
  Array.prototype,
  Function.prototype,
  Error.prototype,
  Map.prototype,
  Promise.prototype,
];
const shapes = () => prototypes.map((prototype) => Reflect.ownKeys(prototype).length).join();
const untouched = shapes();

class Lent extends Target {
  hi(): string {
    return "hi";
  }
}
const root = {
  echo: (...values: unknown[]) => values[0],
  later: async (...values: unknown[]) => {
    const signal = callSignal();
    await turn();
    return signal.aborted ? "aborted" : values;
  },
  lend: () => [new Lent(), () => 1],
  call: (callback: unknown) => typeof callback === "function" && callback(1),
  count: async function* count(): AsyncGenerator<number> {
    for (let i = 0; i < 3; i++) yield i;
  },
  read: async (items: AsyncIterable<unknown>) => {
    let count = 0;
    for await (const _ of items) count++;
    return count;
  },
  fail: (value: unknown) => {
    throw value;
  },
};

// Most of what is thrown here is looked at by nobody, and a stack costs more than all the rest.
const { stackTraceLimit } = Error;
beforeAll(() => {
  Error.stackTraceLimit = 0;
});
afterAll(() => {
  Error.stackTraceLimit = stackTraceLimit;
});

/** What came of a seed. */
interface Outcome {
  readonly answers: number;
  readonly isEnded: boolean;
}

async function fuzz(seed: number, note: (ms: number, seed: number) => void): Promise<Outcome> {
  const random = randomOf(seed);
  const clock = new VirtualClock();
  const side = new Side(clock, root);
  side.peer.setLimits(side.limits);
  const remote = side.peer.remote as Record<string, (...args: unknown[]) => Promise<unknown>>;
  // Something to answer, to release and to end.
  remote.a?.(() => 1, new Lent());
  remote.b?.().catch(() => {});
  let answers = 0;
  let reason: DuowireError | undefined;
  for (let writes = 1 + random(2); writes > 0 && !reason; writes--) {
    const octets = hostileMessages(random);
    const before = performance.now();
    try {
      side.peer.receive(octets, random(2_000));
    } catch (error) {
      if (!(error instanceof MalformedOctets || error instanceof DuowireError)) throw error;
      reason = error instanceof DuowireError ? error : protocolError(error.message);
    }
    note(performance.now() - before, seed);
    for (let turns = 0; turns < 3; turns++) await turn();
    side.peer.urgent(16_384);
    while (side.sink.messages.length > 0) answers += side.sink.hand().length > 0 ? 1 : 0;
  }
  clock.advance(random(2) * 5_000);
  side.peer.end(reason ?? protocolError("the seed is done"));
  if (side.told.bugs.length > 0) throw side.told.bugs[0];
  if (shapes() !== untouched) throw new Error("a prototype was changed");
  const { openCount, waitingCount, runningCount } = side.peer.figures;
  if (openCount + waitingCount + runningCount > 0) throw new Error("calls outlive their session");
  return { answers, isEnded: reason !== undefined };
}

/** How long a seed takes by itself: the machine, which did other things as well, is no finding. */
async function again(seed: number): Promise<number> {
  let quickest = Number.POSITIVE_INFINITY;
  for (let tries = 0; tries < 3 && quickest >= SLOW_MS; tries++) {
    const worst = worstOf("a seed");
    await fuzz(seed, worst.note);
    quickest = Math.min(quickest, worst.longest.at(-1)?.ms ?? 0);
  }
  return quickest;
}

test("RpcPeer survives every seed", { timeout: 60_000 + fuzzSeeds }, async () => {
  const worst = worstOf("a write that a peer takes");
  const seen = { answers: 0, ended: 0, alive: 0 };
  const count = await fuzzInTurns("test/rpc/fuzz.test.ts", async (seed) => {
    const { answers, isEnded } = await fuzz(seed, worst.note);
    seen.answers += answers;
    seen[isEnded ? "ended" : "alive"]++;
  });
  worst.tell(count);
  if (count < 1_000) return;
  // Neither all refused at the door nor all harmless.
  expect(seen.answers).toBeGreaterThan(count);
  expect(seen.ended).toBeGreaterThan(count / 20);
  expect(seen.alive).toBeGreaterThan(count / 20);
  for (const { seed } of worst.longest) expect(await again(seed), `seed ${seed}`).toBeLessThan(SLOW_MS);
});
