/** The hand-off of upgraded sockets: nothing that a client sends is lost on the way to another process. */
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { childProcess, serve } from "../../src/server/index.js";
import { residentModule } from "../contract/host-cases.js";
import type Resident from "../contract/services/resident.js";
import { RawSession } from "./raw-client.js";

/** By hand: `HAND_OFFS=100000 npx vitest run test/host/socket-hand-off.test.ts`. */
const HAND_OFFS = Number(process.env.HAND_OFFS ?? 10_000);
const SESSIONS = 16;
const PIECES_MAX = 6;
/** So long a socket may live whose process died before it took it (D30). */
const CLOSE_MS = 1_000;

async function start(pool: number) {
  const service = childProcess(residentModule, { pool });
  const server = await serve<Resident>({ address: "http://127.0.0.1:0/WAO", service });
  onTestFinished(() => server.close());
  return server;
}

test(`${HAND_OFFS} upgrades with frames right behind them, cut anywhere, lose nothing`, {
  timeout: 600_000,
}, async () => {
  const server = await start(2);
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => RawSession.access(server.address.port)));
  await Promise.all(
    sessions.map(async (session) => {
      for (let n = 0; n < HAND_OFFS / SESSIONS; n++) await session.upgrade(randomInt(1, PIECES_MAX + 1));
    }),
  );
  expect(server.sessions.size).toBe(SESSIONS);
});

test("a socket on its way to a process that dies is closed within a second", async () => {
  const server = await start(1);
  const resident = connect<Resident>(server.address.href);
  onTestFinished(() => resident.close());
  const { pid } = await resident.remote.who();
  const session = await RawSession.access(server.address.port);
  process.kill(pid, "SIGSTOP");
  const sockets = [];
  for (let n = 0; n < 3; n++) sockets.push(await session.send(session.write(randomBytes(10)), 1));
  // As long as nobody has taken them, they stay open.
  await fetch(server.address.href);
  expect(sockets.map(({ closed }) => closed)).toEqual([false, false, false]);
  const closed = Promise.all(sockets.map((socket) => once(socket, "close")));
  for (const socket of sockets) socket.resume();
  const begun = performance.now();
  process.kill(pid, "SIGKILL");
  await closed;
  expect(performance.now() - begun).toBeLessThan(CLOSE_MS);
});
