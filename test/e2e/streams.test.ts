/** Streams and channels over real connections that a proxy destroys: octet for octet, and other libraries unharmed. */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { createBirpc } from "birpc";
import { expose, wrap } from "comlink";
import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/client/index.js";
import { type Channel, Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { startProxy } from "../support/faulty-proxy.js";

const DROP_EACH_MS = 100;

/** Octets that no mistake leaves as they are: each depends on where it stands. */
function patterned(offset: number, length: number): Uint8Array {
  const octets = new Uint8Array(length);
  for (let n = 0; n < length; n++) octets[n] = ((offset + n) * 2_654_435_761) >>> 24;
  return octets;
}

/** `bytes` in chunks of uneven sizes, some longer than a batch, a little each millisecond. */
async function* paced(bytes: number): AsyncGenerator<Uint8Array> {
  for (let offset = 0, n = 1; offset < bytes; n++) {
    const length = Math.min((n * 7_919) % 150_000, bytes - offset);
    yield patterned(offset, length);
    offset += length;
    await sleep(4);
  }
}

async function hashOf(stream: AsyncIterable<Uint8Array>): Promise<string> {
  const hash = createHash("sha256");
  for await (const part of stream) hash.update(part);
  return hash.digest("hex");
}

function expected(bytes: number): string {
  return createHash("sha256").update(patterned(0, bytes)).digest("hex");
}

/** What other libraries run at the server's end of their channels. */
const calculator = {
  add: (a: number, b: number) => a + b,
  fail: () => {
    throw new Error("cannot");
  },
};

class Store extends Service<{ hash(stream: AsyncIterable<Uint8Array>): Promise<string> }> {
  constructor() {
    super();
    expose(calculator, this.session.channel("comlink") as never);
    birpcOver(this.session.channel("birpc"), calculator);
  }

  download(bytes: number) {
    return paced(bytes);
  }
  async upload(stream: ReadableStream<Uint8Array>) {
    return hashOf(stream as unknown as AsyncIterable<Uint8Array>);
  }
  askBack(bytes: number) {
    return this.client.hash(paced(bytes));
  }
  echoes(name: string) {
    const channel = this.session.channel(name);
    channel.onmessage = ({ data }) => channel.postMessage(data);
  }
}

/** birpc over a channel: octets and objects as they are, nothing is serialised twice. */
function birpcOver<Remote extends object, Local extends object>(channel: Channel, functions: Local) {
  return createBirpc<Remote, Local>(functions, {
    post: (data) => channel.postMessage(data),
    on: (listen) => {
      channel.onmessage = ({ data }) => listen(data);
    },
  });
}

async function setUp(forbids: (said: string) => boolean = () => false) {
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Store });
  onTestFinished(() => server.close());
  const proxy = await startProxy(server.address.port);
  proxy.forbids = forbids;
  const session = connect<Store>(`http://127.0.0.1:${proxy.port}/WAO`, { expose: { hash: hashOf } });
  onTestFinished(() => session.close());
  await session.opened;
  proxy.destroyEach(DROP_EACH_MS);
  onTestFinished(() => proxy.destroyEach(undefined));
  return { session, proxy };
}

test("streams both ways are the same octets while connections are destroyed every 100 ms", async () => {
  const { session, proxy } = await setUp();
  const bytes = 12_000_000;
  const hashes = await Promise.all([
    hashOf(session.remote.download(bytes)),
    session.remote.upload(streamOf(bytes)),
    session.remote.askBack(bytes),
  ]);
  expect(hashes).toEqual([expected(bytes), expected(bytes), expected(bytes)]);
  expect(proxy.destroyed).toBeGreaterThan(3);
});

test("without WebSockets, streams both ways are the same octets over plain requests that break", async () => {
  const { session, proxy } = await setUp((said) => said.includes("Upgrade: websocket"));
  const bytes = 6_000_000;
  const hashes = await Promise.all([hashOf(session.remote.download(bytes)), session.remote.upload(streamOf(bytes))]);
  expect(hashes).toEqual([expected(bytes), expected(bytes)]);
  expect(session.link?.kind ?? "http-exchange").toBe("http-exchange");
  expect(proxy.destroyed).toBeGreaterThan(1);
});

function streamOf(bytes: number): ReadableStream<Uint8Array> {
  return new ReadableStream({ pull: puller(bytes) });
}

/** As {@link paced}, for a ReadableStream. */
function puller(bytes: number) {
  const items = paced(bytes);
  return async (controller: ReadableStreamDefaultController<Uint8Array>) => {
    const { done, value } = await items.next();
    if (done) controller.close();
    else controller.enqueue(value);
  };
}

test("a channel's messages arrive once and in order while connections are destroyed", async () => {
  const { session, proxy } = await setUp();
  const channel = session.channel("echo");
  const heard: number[] = [];
  const all = new Promise<void>((resolve) => {
    channel.onmessage = ({ data }) => {
      heard.push(data.n);
      if (data.n === 999) resolve();
    };
  });
  void session.remote.echoes("echo");
  for (let n = 0; n < 1_000; n++) {
    await channel.ready;
    channel.postMessage({ n, octets: new Uint8Array(n * 20) });
    if (n % 4 === 0) await sleep(3);
  }
  await all;
  expect(heard).toEqual([...Array(1_000).keys()]);
  expect(proxy.destroyed).toBeGreaterThan(3);
});

test("birpc and comlink run over a session whose connections are destroyed, and lose no call", async () => {
  const { session, proxy } = await setUp();
  const birpc = birpcOver<typeof calculator, object>(session.channel("birpc"), {});
  const comlink = wrap<typeof calculator>(session.channel("comlink") as never);
  const answers: number[][] = [];
  for (let n = 0; n < 250; n++) {
    answers.push(await Promise.all([birpc.add(n, 1), comlink.add(n, 2)]));
    await sleep(2);
  }
  expect(answers).toEqual(Array.from({ length: 250 }, (_, n) => [n + 1, n + 2]));
  await expect(comlink.fail()).rejects.toThrow("cannot");
  await expect(birpc.fail()).rejects.toThrow("cannot");
  expect(proxy.destroyed).toBeGreaterThan(2);
});

test("a message that a service's listener does not take is a service_error, and ends nobody", async () => {
  class Trusting extends Service {
    constructor() {
      super();
      const channel = this.session.channel("x");
      channel.onmessage = ({ data }) => channel.postMessage(data.length);
      channel.addEventListener("close", () => Promise.reject(new RangeError("closed")) as never);
    }
  }
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Trusting });
  onTestFinished(() => server.close());
  const told: unknown[] = [];
  server.addEventListener("service_error", ({ detail }) => told.push([detail.method, (detail.error as Error).name]));
  const session = connect<Trusting>(server.address.href);
  onTestFinished(() => session.close());
  const channel = session.channel("x");
  const answered = new Promise((resolve) => {
    channel.onmessage = ({ data }) => resolve(data);
  });
  channel.postMessage(null);
  channel.postMessage("four");
  expect(await answered).toBe(4);
  expect(told).toEqual([["channel.message", "TypeError"]]);
  await session.close();
  await vi.waitFor(() => expect(told[1]).toEqual(["channel.close", "RangeError"]));
});
