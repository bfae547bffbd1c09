/** A host of threads or processes lives as long as a server uses it, and no longer. */

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { childProcess, serve, workerThread } from "../../src/server/index.js";
import { residentModule } from "../contract/host-cases.js";
import type Resident from "../contract/services/resident.js";

const kinds = [
  ["workerThread", workerThread],
  ["childProcess", childProcess],
] as const;

test.each(kinds)("%s ends what it has started when the server cannot listen", async (_name, host) => {
  const other = createServer().listen(0, "127.0.0.1");
  await once(other, "listening");
  onTestFinished(() => void other.close());
  const { port } = other.address() as AddressInfo;
  const service = host(residentModule, { pool: 1 });
  const ended: unknown[] = [];
  // It counts as a server that uses the host beside the one that fails.
  const close = service.open?.((report) => ended.push(report)) as () => Promise<void>;
  await expect(serve({ address: `http://127.0.0.1:${port}/WAO`, service })).rejects.toMatchObject({
    code: "bad_address",
  });
  await close();
  expect(ended).toMatchObject([{ cause: "stopped" }]);
});

test.each(kinds)("%s makes nothing for an access that comes after the end", async (_name, host) => {
  const service = host(residentModule);
  const close = service.open?.(() => undefined);
  await close?.();
  await expect(service.generate({} as never, {} as never)).rejects.toMatchObject({ code: "going_away" });
});

test.each(kinds)("%s that is used again while it closes has a pool for each", async (_name, host) => {
  const service = host(residentModule, { pool: 1 });
  const ended: string[] = [];
  const closeFirst = service.open?.(() => ended.push("first")) as () => Promise<void>;
  const closing = closeFirst();
  const closeSecond = service.open?.(() => ended.push("second")) as () => Promise<void>;
  await Promise.all([closing, closeSecond()]);
  expect(ended.sort()).toEqual(["first", "second"]);
});

test.each(["SIGTERM", "SIGINT", "SIGHUP"] as const)(
  "a process leaves it to its server to end at %s",
  async (signal) => {
    const server = await serve<Resident>({ address: "http://127.0.0.1:0/WAO", service: childProcess(residentModule) });
    onTestFinished(() => server.close());
    const session = connect<Resident>(server.address.href);
    onTestFinished(() => session.close());
    const { pid } = await session.remote.who();
    process.kill(pid, signal);
    expect(await session.remote.echo("still here")).toBe("still here");
    expect((await session.remote.who()).pid).toBe(pid);
  },
);
