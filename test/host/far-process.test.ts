import { expect, onTestFinished, test, vi } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import { Flows } from "../../src/host/flow.js";
import { Service } from "../../src/index.js";
import { VirtualClock } from "../../src/testing/virtual-clock.js";
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
