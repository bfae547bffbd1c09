import { expect, onTestFinished, test, vi } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { defaultLimits, WINDOW_RESERVE_BYTES, WRITE_BYTES_MAX } from "../../src/frame/limits.js";
import { Flows } from "../../src/host/flow.js";
import { Service } from "../../src/index.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
import { FakeLink } from "../support/fake-link.js";
import { farProcess, LocalCarrier } from "./local-carrier.js";

let live = 0;

class Desk extends Service<never> {
  override async opened() {
    live += 1;
  }

  override async [Symbol.asyncDispose]() {
    live -= 1;
  }
}

class Refusing extends Service<never> {
  override async opened() {
    throw new Error("no");
  }
}

/** A carrier, the sessions that it is given, and how many flows its two ends know. */
function makeCarrier(service: typeof Desk | typeof Refusing) {
  const opened = vi.spyOn(Flows.prototype, "open");
  onTestFinished(() => opened.mockRestore());
  live = 0;
  const clock = new VirtualClock();
  const carrier = new LocalCarrier(service, clock);
  const flows = () => [...new Set(opened.mock.contexts as Flows[])].map(({ size }) => size);
  const released = vi.fn();
  return { clock, carrier, flows, released, open: () => farProcess(carrier, clock, released) };
}

test("FarProcess leaves no flow behind at either end once it has ended", async () => {
  const { clock, flows, released, open } = makeCarrier(Desk);
  const sessions = Array.from({ length: 3 }, open);
  await Promise.all(sessions.map((session) => session.start()));
  expect([flows(), live]).toEqual([[3, 3], 3]);
  for (const session of sessions) session.end(new DuowireError("closed"));
  await clock.settle();
  expect([flows(), live, released.mock.calls.length]).toEqual([[0, 0], 0, 3]);
});

test("FarProcess leaves no flow behind at either end when its access was refused", async () => {
  const { clock, flows, released, open } = makeCarrier(Refusing);
  const sessions = Array.from({ length: 3 }, open);
  const starts = await Promise.allSettled(sessions.map((session) => session.start()));
  expect(starts.map(({ status }) => status)).toEqual(["rejected", "rejected", "rejected"]);
  await clock.settle();
  expect([flows(), released.mock.calls.length]).toEqual([[0, 0], 3]);
});

test("FarProcess leaves neither a flow nor a service behind when its carrier made it too late", async () => {
  const { clock, carrier, flows, released, open } = makeCarrier(Desk);
  carrier.hang();
  const start = open().start();
  const refused = expect(start).rejects.toMatchObject({ code: "service_failed" });
  await clock.advance(12_000);
  await refused;
  expect(released).toHaveBeenCalledTimes(1);
  carrier.goOn();
  await clock.settle();
  expect([flows(), live]).toEqual([[0, 0], 0]);
});

/** A session whose carrier hangs, and the octets that wait for it. */
async function hanging() {
  const made = makeCarrier(Desk);
  const { carrier, clock, open } = made;
  const session = open();
  await session.start();
  await clock.settle();
  carrier.hang();
  const waitingBytes = () =>
    carrier.unread.reduce((sum, message) => sum + (message.type === "octets" ? message.octets.length : 0), 0);
  return { ...made, session, waitingBytes };
}

test("FarProcess lets what waits for a hanging carrier grow to a limit, however many links bring it", async () => {
  const { session, carrier, clock, flows, waitingBytes } = await hanging();
  const links = Array.from({ length: 200 }, () => {
    const link = new FakeLink("http-exchange");
    session.accept(link);
    link.receiveOctets(new Uint8Array(250_000));
    if (link.closeReason !== undefined) link.die();
    return link;
  });
  const bytesMax = defaultLimits.windowBytes + WINDOW_RESERVE_BYTES + 2 * WRITE_BYTES_MAX;
  expect(waitingBytes()).toBeGreaterThan(1_000_000);
  expect(waitingBytes()).toBeLessThanOrEqual(bytesMax);
  // Neither do links without octets come in any number.
  expect(carrier.unread.filter(({ type }) => type === "link").length).toBeLessThanOrEqual(32);
  carrier.goOn();
  await clock.settle();
  for (const link of links) if (!link.isDead) link.die();
  await clock.settle();
  expect(flows()).toEqual([1, 1]);
  const next = new FakeLink("http-exchange");
  session.accept(next);
  next.receive({ type: "ping", octets: new Uint8Array(8) });
  await clock.settle();
  expect(next.takeFrames().map(({ type }) => type)).toEqual(["pong"]);
});

test("FarProcess refuses requests beyond what may wait for its carrier, until that has answered", async () => {
  const { session, carrier, clock, flows, waitingBytes } = await hanging();
  const ask = (bytes: number, headers = {}) =>
    session.fetch(new Request("http://127.0.0.1/a", { method: "POST", body: new Uint8Array(bytes), headers }));
  const outcomes = Promise.allSettled(Array.from({ length: 100 }, () => ask(400_000)));
  await clock.settle();
  expect(waitingBytes()).toBeGreaterThan(4_000_000);
  expect(waitingBytes()).toBeLessThan(12_000_000);
  await expect(ask(400_000)).rejects.toMatchObject({ code: "server_busy", retryAfterMs: 1_000 });
  carrier.goOn();
  const codes = (await outcomes).map((one) => (one.status === "fulfilled" ? one.value.status : one.reason.code));
  expect(new Set(codes)).toEqual(new Set([404, "server_busy"]));
  await clock.settle();
  expect([(await ask(400_000)).status, flows()]).toEqual([404, [1, 1]]);
  // Small ones are as many as there is room for.
  const small = Array.from({ length: 500 }, () => ask(100, { "content-length": "100" }));
  expect(new Set((await Promise.all(small)).map(({ status }) => status))).toEqual(new Set([404]));
});
