import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { childProcess, serve, workerThread } from "../../src/server/index.js";
import type Diary from "./services/diary.js";

const module = new URL("./services/diary.ts", import.meta.url);

test.each([
  ["workerThread", workerThread(module)],
  ["childProcess", childProcess(module)],
] as const)("%s runs a service that calls and is called, over a WebSocket at last", async (name, service) => {
  const server = await serve<Diary>({ address: "http://127.0.0.1:0/WAO", service });
  onTestFinished(() => server.close());
  const expose = { confirm: (question: string) => question === "yes?", note: () => {} };
  const session = connect<Diary>(server.address.href, { expose });
  expect(await session.remote.echo("hi")).toBe("hi");
  const { pid } = await session.remote.where();
  expect(pid === process.pid).toBe(name === "workerThread");
  expect(await session.remote.ask("yes?")).toBe(true);
  await expect.poll(() => session.link?.kind, { timeout: 10_000 }).toBe("websocket");
  expect(await session.remote.echo(new Uint8Array(300_000))).toHaveLength(300_000);
  const [seen] = [...server.sessions];
  expect(seen?.linkKind).toBe("websocket");
  expect(await seen?.client.confirm("yes?")).toBe(true);
  await session.close();
});
