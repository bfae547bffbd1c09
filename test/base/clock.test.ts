import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { inputsFirst, systemClock } from "../../src/base/clock.js";
import { FakeClock } from "../support/fake-clock.js";

/** Keeps this process busy. */
function stall(ms: number): void {
  for (const until = performance.now() + ms; performance.now() < until; );
}

test("systemClock: after a pause of this process, what has come meanwhile is told before a timer that is due", async () => {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const accepted = once(server, "connection") as Promise<[Socket]>;
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [far] = await accepted;
  const told: string[] = [];
  near.once("data", () => told.push("octets"));
  await new Promise<void>((done) => {
    systemClock.after(20, () => {
      told.push("timer");
      done();
    });
    far.write("x");
    stall(200);
  });
  expect(told).toEqual(["octets", "timer"]);
  near.destroy();
  far.destroy();
  server.close();
});

test("inputsFirst: a timer can be cancelled until it runs, also while it waits for the end of the turn", () => {
  const fake = new FakeClock();
  const clock = inputsFirst(fake);
  const ran: string[] = [];
  const cancel = clock.after(10, () => ran.push("cancelled"));
  clock.after(10, () => ran.push("kept"));
  fake.after(10, cancel);
  fake.pass(10);
  expect(ran).toEqual(["kept"]);
});
