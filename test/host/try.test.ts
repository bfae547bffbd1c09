import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { childProcess, serve, workerThread } from "../../src/server/index.js";
import type Diary from "./services/diary.js";

const module = new URL("./services/diary.ts", import.meta.url);
test.each([
  ["thread", workerThread(module)],
  ["process", childProcess(module)],
] as const)("%s", async (_n, service) => {
  const server = await serve<Diary>({ address: "http://127.0.0.1:0/WAO", service });
  onTestFinished(() => server.close());
  server.addEventListener("service_error", (e) => console.log("SERR", e.detail.error));
  server.addEventListener("error", (e) => console.log("ERR", e.detail.error));
  const t = performance.now();
  const session = connect<Diary>(server.address.href, { expose: { confirm: (q: string) => q === "yes?", note() {} } });
  expect(await session.remote.echo("hi")).toBe("hi");
  console.log("first", performance.now() - t);
  console.log(await session.remote.where(), process.pid);
  expect(await session.remote.ask("yes?")).toBe(true);
  await expect.poll(() => session.link?.kind, { timeout: 10_000 }).toBe("websocket");
  expect(await session.remote.echo(new Uint8Array(300_000))).toHaveLength(300_000);
  const [s] = [...server.sessions];
  expect(s?.linkKind).toBe("websocket");
  expect(await s?.client.confirm("yes?")).toBe(true);
  await session.close();
  console.log("total", performance.now() - t);
});
