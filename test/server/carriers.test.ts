import { expect, onTestFinished, test, vi } from "vitest";
import type { CarrierReport } from "../../src/access/carrier-report.js";
import type { ProcessHost } from "../../src/access/communication-process.js";
import { type ServerEvents, serve } from "../../src/server/index.js";

const crash: CarrierReport = {
  kind: "process",
  number: 4_711,
  cause: "exit",
  reason: "it exited by itself with code 3",
  sessions: 1,
  error: undefined,
  livedMs: 5,
};

/** A host that only says how its carriers end. */
async function serveCarriers() {
  let tell: (report: CarrierReport) => void = () => undefined;
  let closed = 0;
  const host: ProcessHost = {
    generate: () => Promise.reject(new Error("nothing is generated here")),
    open: (ended) => {
      tell = ended;
      return async () => {
        closed += 1;
      };
    },
  };
  const server = await serve({ address: "http://127.0.0.1:0/WAO", services: { desk: host } });
  onTestFinished(() => server.close());
  return { server, tell: (report: CarrierReport) => tell(report), closed: () => closed };
}

test("Server tells how a carrier ended, and closes its hosts", async () => {
  const { server, tell, closed } = await serveCarriers();
  const heard: ServerEvents["carrier_ended"][] = [];
  server.addEventListener("carrier_ended", ({ detail }) => heard.push(detail));
  tell(crash);
  tell({ ...crash, cause: "stopped" });
  expect(heard).toEqual([
    { ...crash, service: "desk" },
    { ...crash, service: "desk", cause: "stopped" },
  ]);
  expect(closed()).toBe(0);
  await server.close();
  expect(closed()).toBe(1);
});

test("Server warns of a crashed carrier when nobody listens, once per kind, and not of one that was stopped", async () => {
  const warn = vi.spyOn(process, "emitWarning").mockReturnValue();
  onTestFinished(() => warn.mockRestore());
  const { tell } = await serveCarriers();
  tell({ ...crash, cause: "stopped" });
  tell(crash);
  tell(crash);
  expect(warn.mock.calls).toEqual([
    [
      "a process of desk (4711, 1 sessions) has ended, and nothing listens to the server's carrier_ended: " +
        "it exited by itself with code 3",
      { type: "DuowireCarrierEnded" },
    ],
  ]);
});
