import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { describe, expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { systemClock } from "../../src/base/clock.js";
import { decodeFrames, encodeFrame } from "../../src/frame/frame.js";
import type { Link, LinkEvents } from "../../src/frame/link.js";
import { connectionsTo } from "../../src/link/connections-node.js";
import { type ExchangeMode, openHttpExchangeLink, polling, streaming } from "../../src/link/http-exchange.js";
import { AcceptedExchangeLink } from "../../src/link/http-exchange-server.js";
import { openHttpPostLink } from "../../src/link/http-post.js";
import { alwaysGranted, type ClaimParking } from "../../src/link/parking.js";
import { REQUESTS_AT_ONCE_MAX } from "../../src/link/post.js";
import { openWebSocketLink } from "../../src/link/websocket.js";
import { acceptWebSocket } from "../../src/link/websocket-server.js";
import { AccessLink } from "../../src/server/access-link.js";
import type { Exchange } from "../../src/server/exchange.js";
import { readFirstFrame } from "../../src/server/request-reading.js";
import { MemoryLink } from "../../src/testing/memory-link.js";
import { FakeClock } from "../support/fake-clock.js";
import { startProxy, unusedPort } from "../support/faulty-proxy.js";
import { WildProxy } from "../support/wild-proxy.js";
import { type ExchangeFaults, ExchangeServer, noFaults } from "./exchange-server.js";
import { type LinkKindUnderTest, linkContract, numbered, Recorder, upTo } from "./link.js";

async function listen(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

const webSocket: LinkKindUnderTest = {
  name: "WebSocket opened by Node, accepted by a server",
  farLearns: true,
  async make(nearEvents, farEvents) {
    const httpServer = createServer();
    const server = new WebSocketServer({ server: httpServer, perMessageDeflate: false });
    const far = new Promise<Link>((resolve) => {
      server.on("connection", (socket) => {
        const link = acceptWebSocket(socket);
        link.listen(farEvents);
        resolve(link);
      });
    });
    const proxy = await startProxy(await listen(httpServer));
    const near = openWebSocketLink(`ws://127.0.0.1:${proxy.port}/WAO.1`, "token");
    near.listen(nearEvents);
    return { near, far, cut: () => proxy.destroyAll() };
  },
};

/** What AccessLink needs of a server. */
const core = { settings: { clock: systemClock, firstAnswerHoldMs: 2_000 } };

const post: LinkKindUnderTest = {
  name: "one POST, and the exchange of an access",
  oneWrite: true,
  farLearns: true,
  async make(nearEvents, farEvents) {
    let accept: (link: Link) => void;
    const far = new Promise<Link>((resolve) => {
      accept = resolve;
    });
    const httpServer = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      const exchange = { core, request, response, corsOrigin: undefined, spokeFrames: true } as unknown as Exchange;
      const link = new AccessLink(exchange, { status: 201, headers: {} }, new Uint8Array(Buffer.concat(pieces)));
      link.listen(farEvents);
      accept(link);
    });
    const proxy = await startProxy(await listen(httpServer));
    const near = openHttpPostLink(`http://127.0.0.1:${proxy.port}/WAO`);
    near.listen(nearEvents);
    return { near, far, cut: () => proxy.destroyAll() };
  },
};

const memory: LinkKindUnderTest = {
  name: "a pair in memory",
  farLearns: true,
  make(nearEvents, farEvents) {
    const [near, far] = MemoryLink.pair("memory", systemClock, { delayMs: 0, isSilent: false });
    far.listen(farEvents);
    near.listen(nearEvents);
    near.open();
    const cut = () => {
      near.die("cut", "lost");
      far.die("cut", "lost");
    };
    return { near, far: Promise.resolve(far), cut };
  },
};

const identity = () => ({ link: crypto.getRandomValues(new Uint8Array(16)), key: new Uint8Array(32).fill(1) });

async function openExchange(
  mode: ExchangeMode,
  faults: ExchangeFaults,
  near: LinkEvents,
  far: LinkEvents,
  claim = alwaysGranted,
) {
  const server = new ExchangeServer(far, faults);
  const href = await server.listen();
  onTestFinished(() => server.cut());
  const link = openHttpExchangeLink(href, identity(), mode, claim);
  link.listen(near);
  return { near: link, far: server.far, server, cut: () => server.cut() };
}

function exchange(name: string, mode: ExchangeMode, faults: ExchangeFaults, claim?: ClaimParking): LinkKindUnderTest {
  return {
    name: `http-exchange, ${name}`,
    // A server learns only from requests that do not come any more.
    farLearns: false,
    make: (near, far) => openExchange(mode, faults, near, far, claim),
  };
}

/** Requests on connections of their own, which overtake each other, come twice, and whose answers break off. */
function wild(mode: ExchangeMode): LinkKindUnderTest {
  return {
    name: `http-exchange through a proxy that reorders, copies and breaks, holdMs ${mode.holdMs}`,
    farLearns: false,
    async make(nearEvents, farEvents) {
      const server = new ExchangeServer(farEvents, noFaults);
      const { port } = new URL(await server.listen());
      const proxy = await WildProxy.start(Number(port));
      const cut = () => {
        proxy.close();
        server.cut();
      };
      onTestFinished(cut);
      const near = openHttpExchangeLink(`http://127.0.0.1:${proxy.port}/WAO.1`, identity(), mode);
      near.listen(nearEvents);
      return { near, far: server.far, cut };
    },
  };
}

/** Other tabs keep answers waiting. */
const neverGranted: ClaimParking = () => ({ isGranted: false, release() {} });

/** Other tabs come and go. */
const nowAndThen: ClaimParking = (changed) => {
  const timer = setInterval(() => {
    claim.isGranted = !claim.isGranted;
    changed();
  }, 30);
  const claim = { isGranted: false, release: () => clearInterval(timer) };
  return claim;
};

/** Seldom enough that no request meets three of them in a row: after three tries a link is dead, as it should be. */
const faults: ExchangeFaults = { lateEach: 3, twiceEach: 11, lostEach: 7 };

linkContract(webSocket);
linkContract(post);
linkContract(memory);
linkContract(exchange("streaming", streaming, noFaults));
linkContract(exchange("polling", polling, noFaults));
linkContract(exchange("without a parked answer", streaming, noFaults, neverGranted));
linkContract(exchange("with a place that comes and goes", streaming, noFaults, nowAndThen));
linkContract(
  exchange("a place that comes and goes, requests late and twice, answers lost", polling, faults, nowAndThen),
);
linkContract(wild(streaming));
linkContract(wild(polling));
linkContract(exchange("streaming, requests late and twice, answers lost", streaming, faults));
linkContract(exchange("polling, requests late and twice, answers lost", polling, faults));

describe("http-exchange", () => {
  test.for([
    ["streaming", streaming],
    ["polling", polling],
  ] as const)("an idle link that is %s has one request parked, not a stream of them", async ([, mode]) => {
    const [near, far] = [new Recorder(), new Recorder()];
    const pair = await openExchange(mode, noFaults, near, far);
    await expect.poll(() => near.opens).toBe(1);
    pair.near.send(numbered(1));
    (await pair.far).send(numbered(1));
    await expect.poll(() => near.received).toEqual([1]);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(pair.server.requests).toBeLessThanOrEqual(3);
    pair.near.close("the test is over");
  });

  test("of a request that comes early and twice, the older copy's answer ends: whoever waits for it asks again", () => {
    const accepted = new AcceptedExchangeLink(systemClock, identity().link, () => {});
    accepted.listen(new Recorder());
    const head = (number: number) =>
      ({ type: "exchange", ...identity(), number, confirmed: 0, parkMs: 0, holdMs: 0 }) as const;
    const said: string[] = [];
    const answer = (name: string) => ({ queuedBytes: 0, write: () => {}, end: () => said.push(name) });
    expect(accepted.request(head(2), new Uint8Array(0), answer("older"))).toBe(true);
    expect(accepted.request(head(2), new Uint8Array(0), answer("newer"))).toBe(true);
    expect(said).toEqual(["older"]);
    expect(accepted.request(head(3), new Uint8Array(0), answer("third"))).toBe(true);
    expect(accepted.request(head(3), new Uint8Array(0), answer("third again"))).toBe(true);
    expect(accepted.request(head(4), new Uint8Array(0), answer("fourth"))).toBe(true);
    expect(accepted.request(head(5), new Uint8Array(0), answer("fifth"))).toBe(false);
    expect(accepted.request(head(1), new Uint8Array(0), answer("first"))).toBe(true);
    accepted.close("the test is over");
  });
});

test("http-exchange keeps no more answers than a client has under way: one that confirms none is refused", () => {
  const accepted = new AcceptedExchangeLink(new FakeClock(), identity().link, () => {});
  accepted.listen(new Recorder());
  const answer = { queuedBytes: 0, write: () => {}, end: () => {} };
  const request = (number: number, confirmed: number) => {
    const head = { type: "exchange", ...identity(), number, confirmed, parkMs: 0, holdMs: 0 } as const;
    return accepted.request(head, new Uint8Array(0), answer);
  };
  const taken = [1, 2, 3, 4, 5, 6].map((number) => request(number, 0));
  expect(taken).toEqual([true, true, true, true, true, false]);
  expect([request(6, 1), request(7, 1), request(7, 6)]).toEqual([true, false, true]);
});

/** What becomes of the first try of each request: its answer is lost in silence, its connection is reset, or nothing. */
type Fate = "silence" | "reset" | "good";

/** A link whose first requests meet these fates; the server's end is told of everything. */
async function fatefulExchange(fates: readonly Fate[]) {
  const [near, far] = [new Recorder(), new Recorder()];
  const accepted = new AcceptedExchangeLink(systemClock, identity().link, () => {});
  accepted.listen(far);
  const tries = new Map<number, number>();
  const httpServer = createServer(async (request, response) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece);
    const body = new Uint8Array(Buffer.concat(pieces));
    const { first: head, rest } = readFirstFrame(Buffer.from(body));
    if (head?.type !== "exchange") return;
    const count = (tries.get(head.number) ?? 0) + 1;
    tries.set(head.number, count);
    const fate = count === 1 ? (fates[head.number - 1] ?? "good") : "good";
    const isHeard = fate === "good";
    // The server's end of a connection that broke is told, the client's is not.
    const answer = {
      queuedBytes: 0,
      write: (octets: Uint8Array) => void (isHeard && response.write(octets)),
      end: () => void (isHeard && response.end()),
    };
    response.writeHead(200, { "content-type": "application/octet-stream" });
    accepted.request(head, rest, answer);
    if (fate === "reset") request.socket.resetAndDestroy();
    if (fate !== "good") accepted.aborted(answer);
  });
  const link = openHttpExchangeLink(`http://127.0.0.1:${await listen(httpServer)}/WAO.1`, identity(), streaming);
  link.listen(near);
  onTestFinished(() => link.close("the test is over"));
  return { near, far, link, accepted, tries };
}

describe("http-exchange whose answers are lost", () => {
  test("asks again for an answer that a later one has overtaken", async () => {
    const { near, far, link, accepted, tries } = await fatefulExchange(["silence"]);
    link.send(numbered(1));
    await expect.poll(() => far.received).toEqual([1]);
    accepted.send(numbered(1));
    link.send(numbered(2));
    await expect.poll(() => far.received).toEqual([1, 2]);
    accepted.send(numbered(2));
    await expect.poll(() => near.received, { timeout: 800 }).toEqual([1, 2]);
    expect(tries.get(1)).toBe(2);
    expect(near.ends).toEqual([]);
  });

  test("asks again for all answers when the connection of one has broken", async () => {
    const { near, far, link, accepted, tries } = await fatefulExchange(["silence", "reset"]);
    link.send(numbered(1));
    await expect.poll(() => far.received).toEqual([1]);
    accepted.send(numbered(1));
    link.send(numbered(2));
    await expect.poll(() => near.received, { timeout: 800 }).toEqual([1]);
    expect([tries.get(1), tries.get(2)]).toEqual([2, 2]);
    expect(near.ends).toEqual([]);
  });
});

describe("http-exchange on a long way", () => {
  test("has up to four requests under way, at a distance from each other", async () => {
    const arrivedAt: number[] = [];
    const answers: { end(): void }[] = [];
    const httpServer = createServer((request, response) => {
      arrivedAt.push(performance.now());
      answers.push(response);
      request.resume();
    });
    const href = `http://127.0.0.1:${await listen(httpServer)}/WAO.1`;
    const connections = connectionsTo(new URL(href));
    // As a handshake of more than 100 ms would have it; none of loopback takes that long.
    Object.defineProperty(connections, "farMs", { get: () => 300, set: () => {} });
    const link = openHttpExchangeLink(href, identity(), streaming);
    link.listen(new Recorder());
    const talk = setInterval(() => link.send(numbered(1)), 10);
    onTestFinished(() => {
      clearInterval(talk);
      link.close("the test is over");
    });
    await expect.poll(() => arrivedAt.length, { timeout: 5_000 }).toBe(REQUESTS_AT_ONCE_MAX);
    const [, second = 0, third = 0, fourth = 0] = arrivedAt;
    expect(Math.min(third - second, fourth - third)).toBeGreaterThan(50);
    expect(link.queuedBytes).toBeGreaterThan(0);
  });

  test("has two where only the server is slow to answer", async () => {
    let arrived = 0;
    const httpServer = createServer((request) => {
      arrived += 1;
      request.resume();
    });
    const link = openHttpExchangeLink(`http://127.0.0.1:${await listen(httpServer)}/WAO.1`, identity(), streaming);
    link.listen(new Recorder());
    await expect.poll(() => link.send(numbered(1)) ?? arrived, { timeout: 5_000 }).toBe(2);
    for (const _ of upTo(20)) {
      link.send(numbered(1));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    link.close("the test is over");
    expect(arrived).toBe(2);
  });

  test.each([
    [15, [1, 2]],
    [0, [1, 2, 3, 4]],
  ])("gathers what the server says, but for the first words, with a paceMs of %i", (paceMs, atOnce) => {
    const clock = new FakeClock();
    const accepted = new AcceptedExchangeLink(clock, identity().link, () => {});
    accepted.listen(new Recorder());
    const written: number[] = [];
    const answer = { queuedBytes: 0, write: (octets: Uint8Array) => void written.push(octets.length), end: () => {} };
    const head = { type: "exchange", ...identity(), number: 1, confirmed: 0, parkMs: 20_000, holdMs: 20_000 } as const;
    accepted.request({ ...head, paceMs }, new Uint8Array(0), answer);
    written.length = 0;
    accepted.send(new Uint8Array(1));
    accepted.send(new Uint8Array(2));
    expect(written).toEqual([1, 2]);
    clock.pass(5);
    accepted.send(new Uint8Array(3));
    clock.pass(5);
    accepted.send(new Uint8Array(4));
    expect(written).toEqual(atOnce);
    clock.pass(5);
    expect(written).toEqual([1, 2, 3, 4]);
    clock.pass(100);
    accepted.send(new Uint8Array(5));
    expect(written).toEqual([1, 2, 3, 4, 5]);
    clock.pass(1);
    accepted.send(new Uint8Array(6));
    accepted.close("what waits still leaves");
    expect(written.slice(0, 6)).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe("a link that cannot be opened", () => {
  const ways = {
    WebSocket: (port: number) => openWebSocketLink(`ws://127.0.0.1:${port}/WAO.1`, "token"),
    POST: (port: number) => openHttpPostLink(`http://127.0.0.1:${port}/WAO.1`),
    "http-exchange": (port: number) => openHttpExchangeLink(`http://127.0.0.1:${port}/WAO.1`, identity(), streaming),
  };

  async function endOf(link: Link): Promise<Recorder> {
    const recorder = new Recorder();
    link.listen(recorder);
    link.send(numbered(1));
    queueMicrotask(() => link.send(numbered(2)));
    await expect.poll(() => recorder.ends.length, { timeout: 5_000 }).toBe(1);
    expect(recorder.breaches).toEqual([]);
    return recorder;
  }

  test.for(Object.entries(ways))("%s to a port where nobody listens is refused", async ([, open]) => {
    const { ends } = await endOf(open(await unusedPort()));
    expect(ends[0]?.end).toBe("refused");
    expect(ends[0]?.reason).toContain("ECONNREFUSED");
  });

  test.for(Object.entries(ways))("%s that is reset is lost", async ([, open]) => {
    const proxy = await startProxy(0);
    proxy.mode = "reset";
    expect((await endOf(open(proxy.port))).ends[0]?.end).toBe("lost");
  });

  test.for(Object.entries(ways))("%s that is closed before anything came is told of once", async ([, open]) => {
    const proxy = await startProxy(0);
    proxy.mode = "swallow";
    const recorder = new Recorder();
    const link = open(proxy.port);
    link.listen(recorder);
    link.close("not needed any more");
    link.close("not needed any more");
    await expect.poll(() => recorder.ends.length).toBe(1);
    expect([recorder.breaches, recorder.received]).toEqual([[], []]);
  });

  test("a POST drops what no server takes in one body, and keeps a beginning", async () => {
    let body = new Uint8Array(0);
    const httpServer = createServer(async (request, response) => {
      const pieces: Buffer[] = [];
      for await (const piece of request) pieces.push(piece);
      body = new Uint8Array(Buffer.concat(pieces));
      response.writeHead(200, { "content-type": "application/octet-stream" }).end(encodeFrame({ type: "closed" }));
    });
    const link = openHttpPostLink(`http://127.0.0.1:${await listen(httpServer)}/WAO.1`);
    const recorder = new Recorder();
    link.listen(recorder);
    for (const n of upTo(300)) link.send(numbered(n));
    await expect.poll(() => recorder.ends.length).toBe(1);
    const numbers: number[] = [];
    decodeFrames(body, (frame) => frame.type === "batch" && numbers.push(frame.sequence));
    expect(numbers.length).toBeGreaterThan(100);
    expect(numbers).toEqual(upTo(numbers.length));
    expect(body.length).toBeLessThan(262_144);
  });
});
