import { expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/client/index.js";
import { DuowireError, Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { testPair, VirtualClock } from "../../src/testing/index.js";

interface Asked {
  ask(): Promise<string>;
}

/** What the test lets go. */
let finish: () => void = () => undefined;

class Worker extends Service<Asked> {
  work(): Promise<string> {
    return new Promise((resolve) => {
      finish = () => resolve("done");
    });
  }

  echo(text: string): string {
    return text;
  }

  consult(): void {
    void this.client.ask();
  }
}

async function start() {
  const server = await serve<Worker>({ address: "http://127.0.0.1:0/WAO", service: Worker });
  onTestFinished(() => server.close());
  const open = (expose: Asked = { ask: async () => "yes" }) => {
    const session = connect<Worker>(server.address.href, { expose });
    onTestFinished(() => session.close());
    const warnings: { code: string; endsInMs: number }[] = [];
    session.addEventListener("server_closing", ({ detail: { reason, endsInMs } }) =>
      warnings.push({ code: reason.code, endsInMs }),
    );
    return { session, warnings };
  };
  return { server, open };
}

test("close with drainMs ends idle sessions at once, warns the others and lets their calls finish", async () => {
  const { server, open } = await start();
  const [idle, busy] = [open(), open()];
  expect(await idle.session.remote.echo("hello")).toBe("hello");
  const result = busy.session.remote.work();
  await expect.poll(() => [...server.sessions].map(({ figures }) => figures?.callsRunning)).toEqual([0, 1]);
  const begin = performance.now();
  const closing = server.close({ drainMs: 10_000 });
  expect((await idle.session.closed).code).toBe("server_closed");
  expect(idle.warnings).toEqual([]);
  await expect.poll(() => busy.warnings.length).toBe(1);
  expect(busy.warnings[0]?.code).toBe("server_closed");
  expect(busy.warnings[0]?.endsInMs).toBeGreaterThan(5_000);
  // Whoever comes now is sent away, and told when to come back.
  const refused = await fetch(server.address.href, { method: "POST" });
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "5"]);
  expect(await refused.json()).toMatchObject({ code: "going_away", retryAfterMs: 5_000 });
  // What is under way may need more calls.
  expect(await busy.session.remote.echo("still there")).toBe("still there");
  finish();
  expect(await result).toBe("done");
  expect((await busy.session.closed).code).toBe("server_closed");
  await closing;
  expect(performance.now() - begin).toBeLessThan(9_000);
});

test("close with drainMs waits for calls to the client, too", async () => {
  const { server, open } = await start();
  let answer = (_: string) => {};
  const { session, warnings } = open({ ask: () => new Promise((resolve) => (answer = resolve)) });
  await session.remote.consult();
  await expect.poll(() => [...server.sessions][0]?.figures?.callsOpen).toBe(1);
  void server.close({ drainMs: 10_000 });
  await expect.poll(() => warnings.length).toBe(1);
  expect(session.state).toBe("open");
  answer("yes");
  expect((await session.closed).code).toBe("server_closed");
});

test("close with drainMs ends calls that take too long, and says that they may have run", async () => {
  const { server, open } = await start();
  const { session } = open();
  const result = session.remote.work();
  await expect.poll(() => [...server.sessions][0]?.figures?.callsRunning).toBe(1);
  await server.close({ drainMs: 50 });
  await expect(result).rejects.toMatchObject({ code: "outcome_unknown" });
});

test("close without drainMs warns nobody", async () => {
  const { server, open } = await start();
  const { session, warnings } = open();
  const result = session.remote.work();
  await expect.poll(() => [...server.sessions][0]?.figures?.callsRunning).toBe(1);
  await server.close();
  await expect(result).rejects.toMatchObject({ code: "outcome_unknown" });
  expect((await session.closed).code).toBe("server_closed");
  expect(warnings).toEqual([]);
});

test("a client that was away is warned behind its next welcome, and gets its result before the end", async () => {
  const clock = new VirtualClock();
  await using pair = testPair(Worker, { clock });
  const warnings: number[] = [];
  pair.session.addEventListener("server_closing", ({ detail }) => warnings.push(detail.endsInMs));
  const result = pair.session.remote.work();
  await clock.advance(1_000);
  pair.network.drop();
  pair.network.refuse();
  pair.process?.drain?.(new DuowireError("server_closed"), 60_000);
  await clock.advance(2_000);
  expect(warnings).toEqual([]);
  pair.network.heal();
  await clock.advance(10_000);
  expect(warnings.length).toBe(1);
  expect(warnings[0]).toBeLessThanOrEqual(58_000);
  expect(pair.session.state).toBe("open");
  finish();
  await clock.advance(1_000);
  expect(await result).toBe("done");
  expect((await pair.session.closed).code).toBe("server_closed");
});

test("a result that its client has not got yet is still under way", async () => {
  const clock = new VirtualClock();
  await using pair = testPair(Worker, { clock });
  const result = pair.session.remote.work();
  await clock.advance(1_000);
  pair.network.drop();
  pair.network.refuse();
  finish();
  await clock.advance(10);
  pair.process?.drain?.(new DuowireError("server_closed"), 60_000);
  await clock.advance(2_000);
  pair.network.heal();
  await clock.advance(10_000);
  expect(await result).toBe("done");
  expect((await pair.session.closed).code).toBe("server_closed");
});
