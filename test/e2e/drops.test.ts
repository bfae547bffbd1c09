import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { serve } from "../../src/server/index.js";
import { type FaultyProxy, startProxy } from "../support/faulty-proxy.js";
import { Ledger } from "../support/ledger.js";
import { LedgerEnd, type Load, type Tally } from "../support/ledger-end.js";

const DROP_EACH_MS = 100;
const load: Load = { calls: 1_000, atOnce: 4, everyMs: 8, payloadBytes: 0 };
/** The tests with long values are about loss, not about how much a busy machine lets wait. */
const queueBytesMax = 67_108_864;

/** A server, and a proxy in front of it whose address clients use. */
async function startLedger() {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Ledger, queueBytesMax });
  onTestFinished(() => server.close());
  const proxy = await startProxy(server.address.port);
  return { server, proxy, href: `http://127.0.0.1:${proxy.port}/WAO` };
}

function open(href: string) {
  const end = new LedgerEnd();
  const session = connect<Ledger>(href, { expose: end.expose, queueBytesMax });
  onTestFinished(() => session.close());
  return { end, session };
}

/** None lost, doubled or out of order, and no caller saw an error. */
function expectPerfect({ received, answers, errors }: Tally, calls: number): void {
  const numbers = Array.from({ length: calls }, (_, index) => index + 1);
  expect(errors).toEqual([]);
  expect(received).toEqual(numbers);
  expect(answers).toEqual(numbers);
}

async function whileDropping<T>(proxy: FaultyProxy, run: () => Promise<T>): Promise<T> {
  proxy.destroyEach(DROP_EACH_MS);
  try {
    return await run();
  } finally {
    proxy.destroyEach(undefined);
  }
}

test("1,000 numbered calls each way survive a connection destroyed every 100 ms", async () => {
  const { proxy, server, href } = await startLedger();
  const { end, session } = open(href);
  const { client, service } = await whileDropping(proxy, () => end.run(session, load));
  expectPerfect(client, load.calls);
  expectPerfect(service, load.calls);
  expect(proxy.destroyed).toBeGreaterThan(15);
  expect(server.sessions.size).toBe(1);
});

test("callbacks that were lent before a drop are called after it, in order", async () => {
  const { proxy, href } = await startLedger();
  const { end, session } = open(href);
  await end.lend(session);
  const service = await whileDropping(proxy, () => session.remote.runCallback({ ...load, calls: 500 }));
  expectPerfect({ ...service, received: end.calledBack }, 500);
  expect(proxy.destroyed).toBeGreaterThan(8);
});

test("values of 100 KB survive drops", async () => {
  const { proxy, href } = await startLedger();
  const { end, session } = open(href);
  const big: Load = { calls: 200, atOnce: 1, everyMs: 10, payloadBytes: 100_000 };
  const { client, service } = await whileDropping(proxy, () => end.run(session, big));
  expectPerfect(client, big.calls);
  expectPerfect(service, big.calls);
  expect(proxy.destroyed).toBeGreaterThan(8);
});

test("three clients at once lose nothing of theirs, and get nothing of each other's", async () => {
  const { proxy, server, href } = await startLedger();
  const clients = [open(href), open(href), open(href)];
  const tallies = await whileDropping(proxy, () => {
    return Promise.all(clients.map(({ end, session }) => end.run(session, load)));
  });
  for (const { client, service } of tallies) {
    expectPerfect(client, load.calls);
    expectPerfect(service, load.calls);
  }
  expect(server.sessions.size).toBe(3);
});

test("the first access itself survives drops, and is one access", async () => {
  const { proxy, server, href } = await startLedger();
  const { end, session } = await whileDropping(proxy, async () => {
    proxy.delayMs = 30;
    const opened = open(href);
    await opened.session.opened;
    return opened;
  });
  proxy.delayMs = 0;
  const few: Load = { ...load, calls: 20 };
  const { client, service } = await end.run(session, few);
  expectPerfect(client, few.calls);
  expectPerfect(service, few.calls);
  expect(server.sessions.size).toBe(1);
});

test("a full window behind an upgrade that fails does not end the session", async () => {
  const { proxy, href } = await startLedger();
  const { end, session } = open(href);
  await expect.poll(() => session.link?.kind).toBe("websocket");
  proxy.mode = "stall";
  const calls = end.run(session, { calls: 30, atOnce: 30, everyMs: 0, payloadBytes: 100_000 });
  await new Promise((resolve) => setTimeout(resolve, 50));
  // The window's octets are on their way, and then only plain requests get through for a while.
  proxy.forbids = (said) => said.includes("Upgrade: websocket");
  proxy.destroyAll();
  proxy.mode = "pass";
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  proxy.forbids = () => false;
  const { client, service } = await calls;
  expectPerfect(client, 30);
  expectPerfect(service, 30);
});

test.for([
  { everyMs: 100, delayMs: 10 },
  { everyMs: 40, delayMs: 0 },
])("calls get on although connections last $everyMs ms and octets take $delayMs ms", async ({ everyMs, delayMs }) => {
  const { proxy, href } = await startLedger();
  const { end, session } = open(href);
  proxy.delayMs = delayMs;
  const some: Load = { ...load, calls: 300 };
  proxy.destroyEach(everyMs);
  const { client, service } = await end.run(session, some);
  proxy.destroyEach(undefined);
  expectPerfect(client, some.calls);
  expectPerfect(service, some.calls);
});

test("without WebSockets, numbered calls survive drops over plain requests", async () => {
  const { proxy, server, href } = await startLedger();
  const { end, session } = open(href);
  proxy.forbids = (said) => said.includes("Upgrade: websocket");
  const { client, service } = await whileDropping(proxy, () => end.run(session, { ...load, calls: 500 }));
  expectPerfect(client, 500);
  expectPerfect(service, 500);
  const big: Load = { calls: 40, atOnce: 2, everyMs: 20, payloadBytes: 100_000 };
  const other = open(href);
  const tally = await whileDropping(proxy, () => other.end.run(other.session, big));
  expectPerfect(tally.client, big.calls);
  expectPerfect(tally.service, big.calls);
  expect(server.sessions.size).toBe(2);
});
