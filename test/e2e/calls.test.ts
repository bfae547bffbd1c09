import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocket, WebSocketServer } from "ws";
import { connect } from "../../src/client/index.js";
import { callSignal, DuowireError, RemoteError, release, revoke, Service, type Stub, Target } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { startProxy } from "../support/faulty-proxy.js";

class Counter extends Target {
  #count = 0;

  add(n: number): number {
    this.#count += n;
    return this.#count;
  }
}

interface DeskClient {
  confirm(question: string): Promise<boolean>;
  fail(): void;
}

class Desk extends Service<DeskClient> {
  readonly stopped: string[] = [];
  #callback: Stub<(n: number) => number> | undefined;

  async place(total: number): Promise<string> {
    return (await this.client.confirm(`${total}?`)) ? "placed" : "cancelled";
  }

  octets(octets: Uint8Array): Uint8Array {
    return octets;
  }

  echo(value: unknown): unknown {
    return value;
  }

  keep(callback: (n: number) => number): void {
    this.#callback = callback as unknown as Stub<typeof callback>;
  }

  callBack(n: number) {
    return this.#callback?.(n);
  }

  drop(): void {
    if (this.#callback) release(this.#callback);
  }

  counter(): Counter {
    return new Counter();
  }

  fail(): never {
    throw Object.assign(new TypeError("no such account"), { code: "E_ACCOUNT" });
  }

  refuse(): never {
    throw new DuowireError("invalid_argument", "total is negative", { data: { field: "total" } });
  }

  async clientFails(): Promise<string> {
    return this.client.fail().then(
      () => "nothing",
      (error: RemoteError) => `${error.name}: ${error.message}`,
    );
  }

  waitForSignal(): Promise<never> {
    const signal = callSignal();
    return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  }

  // biome-ignore lint/correctness/noUnusedPrivateClassMembers: it is there to be not callable.
  #hidden(): string {
    return "hidden";
  }

  _internal(): string {
    return "internal";
  }
}

const expose = {
  confirm: async (question: string) => question === "7?",
  fail: () => {
    throw new RangeError("the client has no paper");
  },
};

function errorAt(errors: readonly { error: unknown }[], index: number): Error {
  return errors[index]?.error as Error;
}

async function start() {
  const errors: { method: string; error: unknown }[] = [];
  const server = await serve<Desk>({
    address: "http://127.0.0.1:0/WAO",
    service: Desk,
    onError: (error, { method }) => errors.push({ method, error }),
  });
  onTestFinished(() => server.close());
  const session = connect<Desk>(server.address.href, { expose });
  onTestFinished(() => session.close());
  return { server, session, errors, remote: session.remote };
}

test("calls go both ways at once, inside each other", async () => {
  const { remote } = await start();
  const totals = Array.from({ length: 100 }, (_, n) => n);
  const placed = await Promise.all(totals.map((total) => remote.place(total)));
  expect(placed.filter((one) => one === "placed")).toHaveLength(1);
  expect(placed[7]).toBe("placed");
});

test("bytes travel as bytes, of every length around the limits of a batch", async () => {
  const { remote } = await start();
  for (const length of [0, 1, 65_535, 66_560, 66_561, 1_000_000, 4_000_000]) {
    const octets = new Uint8Array(length).map((_, index) => index * 7);
    const back = await remote.octets(octets);
    expect(back).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(Buffer.from(back), Buffer.from(octets)), String(length)).toBe(0);
  }
});

test("functions and objects are called any time later, and are released", async () => {
  const { remote } = await start();
  const calls: number[] = [];
  await remote.keep((n) => {
    calls.push(n);
    return n * 2;
  });
  expect(await remote.callBack(21)).toBe(42);
  await remote.drop();
  await expect(remote.callBack(1)).rejects.toMatchObject({ code: "reference_released" });
  const counter = await remote.counter();
  expect([await counter.add(2), await counter.add(3)]).toEqual([2, 5]);
  release(counter);
  await expect(counter.add(1)).rejects.toMatchObject({ code: "reference_released", outcome: "not_sent" });
  const revoked = (n: number) => n;
  await remote.keep(revoked);
  revoke(revoked);
  await expect(remote.callBack(1)).rejects.toThrow();
  expect(calls).toEqual([21]);
});

test("errors cross the wire with name, message and code; the stack is seen at home only, with file and line", async () => {
  const { remote, errors, session } = await start();
  const error = await remote.fail().then(
    () => undefined,
    (thrown: unknown) => thrown as RemoteError,
  );
  expect(error).toBeInstanceOf(RemoteError);
  expect(error).toMatchObject({ name: "TypeError", message: "no such account", code: "E_ACCOUNT" });
  expect(error?.stack).not.toContain("calls.test.ts");
  expect(errors).toMatchObject([{ method: "fail" }]);
  expect(errorAt(errors, 0).stack).toMatch(/Desk\.fail.*calls\.test\.ts:\d+:\d+/);
  await expect(remote.refuse()).rejects.toMatchObject({ code: "invalid_argument", data: { field: "total" } });
  const told: string[] = [];
  session.addEventListener("service_error", ({ detail }) => told.push((detail.error as Error).stack ?? ""));
  expect(await remote.clientFails()).toBe("RangeError: the client has no paper");
  expect(told[0]).toMatch(/calls\.test\.ts:\d+:\d+/);
});

test.for(["missing", "#hidden", "hidden", "_internal", "constructor", "opened", "fetch", "toString", "__proto__"])(
  "%s is no method, and says so at once",
  async (name) => {
    const { session } = await start();
    const { remote } = session;
    const untyped = remote as unknown as Record<string, ((...args: unknown[]) => Promise<unknown>) | undefined>;
    const method = Object.hasOwn(Object.prototype, name) ? undefined : untyped[name];
    // A name that no method can have is no property either.
    if (typeof method === "function") {
      await expect(method()).rejects.toMatchObject({ code: "method_unknown", outcome: "answered" });
      await expect(method()).rejects.toThrow(name);
    } else expect(["_internal", "constructor", "opened", "fetch", "toString", "__proto__"]).toContain(name);
    expect(await remote.echo(1)).toBe(1);
  },
);

test("cancel and timeout settle the call at once, and stop the method over there", async () => {
  const { session, remote, errors } = await start();
  await remote.echo(1);
  const abort = new AbortController();
  const cancelled = session.with({ signal: abort.signal }).remote.waitForSignal();
  const late = session.with({ timeoutMs: 50 }).remote.waitForSignal();
  abort.abort();
  await expect(cancelled).rejects.toMatchObject({ code: "cancelled" });
  await expect(late).rejects.toMatchObject({ code: "deadline_exceeded" });
  expect(await remote.echo(2)).toBe(2);
  expect(errors).toEqual([]);
});

/** A server of WebSockets in front of another one that counts the messages each way. */
async function startCounting(port: number) {
  const counts = { up: 0, down: 0 };
  const httpServer = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const piece of request) body.push(piece);
    const href = `http://127.0.0.1:${port}${request.url}`;
    const answer = await fetch(href, { method: request.method ?? "GET", body: Buffer.concat(body) });
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  const near = new WebSocketServer({ server: httpServer, handleProtocols: (names) => [...names][0] ?? false });
  near.on("connection", (client, request) => {
    const names = (request.headers["sec-websocket-protocol"] ?? "").split(",").map((name) => name.trim());
    const far = new WebSocket(`ws://127.0.0.1:${port}${request.url}`, names);
    const waiting: Buffer[] = [];
    client.on("message", (octets: Buffer) => {
      counts.up += 1;
      if (far.readyState === WebSocket.OPEN) far.send(octets);
      else waiting.push(octets);
    });
    far.on("open", () => waiting.splice(0).map((octets) => far.send(octets)));
    far.on("message", (octets: Buffer) => {
      counts.down += 1;
      client.send(octets);
    });
    client.on("close", () => far.close());
    far.on("close", () => client.close());
  });
  httpServer.listen(0, "127.0.0.1");
  await once(httpServer, "listening");
  onTestFinished(() => {
    for (const client of near.clients) client.terminate();
    httpServer.close();
    httpServer.closeAllConnections();
  });
  return { counts, port: (httpServer.address() as AddressInfo).port };
}

test("500 calls of one turn are one message, and their answers are few", async () => {
  const { server } = await start();
  const { counts, port } = await startCounting(server.address.port);
  const session = connect<Desk>(`http://127.0.0.1:${port}/WAO`, { expose });
  onTestFinished(() => session.close());
  await expect.poll(() => session.link?.kind).toBe("websocket");
  await session.remote.echo(0);
  // What is still to be acknowledged leaves first.
  await new Promise((resolve) => setTimeout(resolve, 50));
  Object.assign(counts, { up: 0, down: 0 });
  const answers = await Promise.all(Array.from({ length: 500 }, (_, n) => session.remote.echo(n)));
  expect(answers).toEqual(Array.from({ length: 500 }, (_, n) => n));
  expect(counts.up).toBe(1);
  expect(counts.down).toBe(1);
});

test("calls made before the access is answered travel with it, and come back in its answer", async () => {
  const { server } = await start();
  const proxy = await startProxy(server.address.port);
  const session = connect<Desk>(`http://127.0.0.1:${proxy.port}/WAO`, { expose });
  onTestFinished(() => session.close());
  expect(await Promise.all([session.remote.echo("a"), session.remote.echo("b")])).toEqual(["a", "b"]);
  expect(proxy.accepted).toBeLessThanOrEqual(2);
});
