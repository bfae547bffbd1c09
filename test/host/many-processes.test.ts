/** Many sessions, each in an operating-system process of its own: all are served, and the death of some is only theirs. */
import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { expect, onTestFinished, test } from "vitest";
import { type ClientSession, connect } from "../../src/client/index.js";
import type * as built from "../../src/server/index.js";

/** By hand: `SESSIONS=200 npx vitest run test/host/many-processes.test.ts`. */
const SESSIONS = Number(process.env.SESSIONS ?? 40);
/** Of which so many processes are killed while all are called. */
const KILLED = Math.ceil(SESSIONS / 10);
const CALLS = 100;

const builtServer = new URL("../../dist/server/index.js", import.meta.url);

interface Numbers {
  pid(): number;
  next(n: number): number;
  push(count: number): void;
}

interface Visitor {
  readonly session: ClientSession<Numbers>;
  readonly pid: number;
  /** What the process called back, in order. */
  readonly taken: number[];
}

async function visit(href: string): Promise<Visitor> {
  const taken: number[] = [];
  const expose = { take: (n: number) => taken.push(n) };
  const session = connect<Numbers>(href, { expose: expose as never, connectTimeoutMs: 300_000 });
  onTestFinished(() => session.close());
  const pid = await session.remote.pid();
  return { session, pid, taken };
}

async function talk({ session, taken }: Visitor): Promise<void> {
  const pushed = session.remote.push(CALLS);
  for (let n = 1; n <= CALLS; n++) {
    expect(await session.remote.next(n)).toBe(n);
    // Long enough for the killing to fall into the middle.
    if (n % 10 === 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await pushed;
  expect(taken).toEqual(Array.from({ length: CALLS }, (_, index) => index + 1));
}

test(`${SESSIONS} sessions in processes of their own; ${KILLED} are killed, the others lose no call`, {
  timeout: 600_000,
}, async (context) => {
  if (!existsSync(builtServer)) context.skip("not built: npm run build");
  const { childProcess, serve } = (await import(builtServer.href)) as typeof built;
  const service = childProcess(new URL("./modules/numbers.mjs", import.meta.url), {
    execArgv: [],
    waitingMax: Math.ceil(SESSIONS / 4),
  });
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service });
  onTestFinished(() => server.close());
  const reasons: string[] = [];
  server.addEventListener("session_ended", ({ detail }) => reasons.push(detail.reason.code));
  server.addEventListener("carrier_ended", () => undefined);
  // All at the same moment: most are refused for a while, and come again.
  const visitors = await Promise.all(Array.from({ length: SESSIONS }, () => visit(server.address.href)));
  expect(new Set(visitors.map(({ pid }) => pid)).size).toBe(SESSIONS);
  expect(server.sessions.size).toBe(SESSIONS);
  const doomed = new Set<Visitor>();
  while (doomed.size < KILLED) doomed.add(visitors[randomInt(SESSIONS)] as Visitor);
  const talks = visitors.map((visitor) => talk(visitor).then(undefined, (error: unknown) => error));
  for (const { pid } of doomed) process.kill(pid, "SIGKILL");
  const outcomes = await Promise.all(talks);
  for (const [index, visitor] of visitors.entries()) {
    if (doomed.has(visitor)) expect(await visitor.session.closed).toMatchObject({ code: "process_crashed" });
    else expect(outcomes[index]).toBeUndefined();
  }
  expect(reasons).toEqual(Array.from({ length: KILLED }, () => "process_crashed"));
  expect(server.sessions.size).toBe(SESSIONS - KILLED);
});
