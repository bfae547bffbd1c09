import { once } from "node:events";
import { Agent, createServer } from "node:http";
import { type AddressInfo, Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { Connections, FAR_MS, SPARES } from "../../src/link/connections-node.js";
import { post } from "../../src/link/post-node.js";
import { FakeClock } from "../support/fake-clock.js";
import { unusedPort } from "../support/faulty-proxy.js";

/** A server that answers with what it was sent, unless that is "silence", and counts. */
async function listen() {
  const counts = { connections: 0, silences: 0 };
  const server = createServer(async (message, response) => {
    if (message.headers["content-length"] === String("silence".length)) {
      counts.silences += 1;
      return;
    }
    for await (const piece of message) response.write(piece);
    response.end();
  });
  server.on("connection", () => {
    counts.connections += 1;
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { port, href: `http://127.0.0.1:${port}/WAO`, counts };
}

/** Connections that are on their way until the test lets them arrive. */
function start() {
  const clock = new FakeClock();
  const made: Socket[] = [];
  const open = (opened: () => void) => {
    const socket = new Socket().once("connect", opened);
    made.push(socket);
    return socket;
  };
  onTestFinished(() => {
    for (const socket of made) socket.destroy();
  });
  return { clock, made, connections: new Connections(new Agent({ keepAlive: true }), open, clock) };
}

/** A connection is made in the time that `pass` takes. */
async function arrive(socket: Socket | undefined, port: number, pass: () => void): Promise<void> {
  const connected = once(socket as Socket, "connect");
  socket?.connect(port, "127.0.0.1");
  await new Promise((resolve) => process.nextTick(resolve));
  pass();
  await connected;
}

const fails = (error: Error) => expect.unreachable(error.message);

test("Connections opens nothing beside a connection that is there soon", async () => {
  const { port } = await listen();
  const { clock, made, connections } = start();
  const ready = new Promise<void>((resolve) => void connections.whenReady(resolve, fails));
  made[0]?.connect(port, "127.0.0.1");
  await ready;
  clock.pass(10 * FAR_MS);
  expect(made.length).toBe(1);
});

test("Connections opens some beside one that takes long; who waits gets the first that is there", async () => {
  const { port } = await listen();
  const { clock, made, connections } = start();
  const ready = new Promise<void>((resolve) => void connections.whenReady(resolve, fails));
  clock.pass(FAR_MS);
  expect(made.length).toBe(1 + SPARES);
  made[2]?.connect(port, "127.0.0.1");
  await ready;
  expect(connections.take()).toBe(made[2]);
});

test("Connections knows how far the server is when it tells who waits", async () => {
  const { port } = await listen();
  const { clock, made, connections } = start();
  let farMs: number | undefined;
  const ready = new Promise<void>((resolve) => {
    const begin = () => {
      farMs = connections.farMs;
      resolve();
    };
    connections.whenReady(begin, fails);
  });
  // The name takes its time, too: that is not how far it is.
  clock.pass(50);
  made[0]?.emit("lookup");
  await arrive(made[0], port, () => clock.pass(3 * FAR_MS));
  await ready;
  expect(farMs).toBe(3 * FAR_MS);
});

test("Connections takes a near server whose first packet was lost for a near one", async () => {
  const { port } = await listen();
  const { clock, made, connections } = start();
  const ready = new Promise<void>((resolve) => void connections.whenReady(resolve, fails));
  clock.pass(FAR_MS);
  await arrive(made[1], port, () => clock.pass(1));
  await ready;
  expect(connections.farMs).toBe(0);
  await arrive(made[0], port, () => clock.pass(9 * FAR_MS));
  expect(connections.farMs).toBe(0);
});

test("Connections tells who waits of a failure when there is nothing else on its way", async () => {
  const port = await unusedPort();
  const { clock, made, connections } = start();
  const failures: Error[] = [];
  const failed = new Promise<void>((resolve) => {
    const fail = (error: Error) => {
      failures.push(error);
      resolve();
    };
    connections.whenReady(() => expect.unreachable("nobody listens"), fail);
  });
  clock.pass(FAR_MS);
  for (const socket of made.slice(0, SPARES)) {
    await new Promise((resolve) => socket.once("close", resolve).connect(port, "127.0.0.1"));
  }
  expect(failures).toEqual([]);
  made[SPARES]?.connect(port, "127.0.0.1");
  await failed;
  expect(failures.length).toBe(1);
});

test("Connections keeps few of those whose attempts were given up", () => {
  const { made, connections } = start();
  for (let n = 0; n < 100; n += 1) connections.whenReady(() => {}, fails)();
  expect(made.filter(({ destroyed }) => !destroyed).length).toBeLessThanOrEqual(SPARES);
});

test("post asks for its body when there is a connection, and uses that again", async () => {
  const { href, counts } = await listen();
  const { signal } = new AbortController();
  for (const text of ["first", "second", "third"]) {
    let said = "too early";
    const answer = post(href, () => Buffer.from(said), signal);
    said = text;
    let heard = "";
    await (await answer).read((piece) => {
      heard += piece;
    });
    expect(heard).toBe(text);
  }
  expect(counts.connections).toBe(1);
});

test("post that is given up without an answer leaves no connection for the next one to trust", async () => {
  const { href, counts } = await listen();
  const { signal } = new AbortController();
  const say = async () => (await post(href, () => Buffer.from("said"), signal)).read(() => {});
  await Promise.all([say(), say()]);
  await new Promise((resolve) => setImmediate(resolve));
  const givenUp = new AbortController();
  const request = post(href, () => Buffer.from("silence"), givenUp.signal);
  await expect.poll(() => counts.silences).toBe(1);
  expect(counts.connections).toBe(2);
  givenUp.abort();
  await expect(request).rejects.toThrow();
  await new Promise((resolve) => setImmediate(resolve));
  await say();
  expect(counts.connections).toBe(3);
});
