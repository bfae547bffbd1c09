/** References, callbacks, pipelining and cancels over a session whose links die. */
import { expect, test } from "vitest";
import { callSignal, type RemoteCall, release, Service, type Stub, Target } from "../../src/index.js";
import { testPair, VirtualClock } from "../../src/testing/index.js";

class File extends Target {
  reads = 0;
  read(): string {
    this.reads++;
    return `read ${this.reads}`;
  }
  async parent(): Promise<File> {
    return this;
  }
}

const ran: string[] = [];
const told: unknown[] = [];

class Desk extends Service {
  private readonly file = new File();
  open(): File {
    return this.file;
  }
  note(what: string): string {
    ran.push(what);
    return what;
  }
  async watch(count: number, onCount: (n: number) => Promise<number>): Promise<number[]> {
    const heard: number[] = [];
    for (let n = 0; n < count; n++) heard.push(await onCount(n));
    return heard;
  }
  async work(signal: AbortSignal): Promise<string> {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    return String((signal.reason as Error).message);
  }
  async deep(): Promise<void> {
    await Promise.resolve();
    const signal = callSignal();
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    told.push((signal.reason as { code: string }).code);
  }
}

async function setUp() {
  const clock = new VirtualClock();
  const pair = testPair(Desk, { clock });
  await clock.advance(100);
  return { clock, pair, remote: pair.session.remote };
}

/** Lets time pass until a call is settled, with a drop now and then. */
async function through<T>({ clock, pair }: Awaited<ReturnType<typeof setUp>>, call: PromiseLike<T>): Promise<T> {
  let isSettled = false;
  call.then(
    () => (isSettled = true),
    () => (isSettled = true),
  );
  for (let n = 0; n < 2_000 && !isSettled; n++) {
    if (n % 40 === 3) pair.network.drop();
    await clock.advance(5);
  }
  if (!isSettled) throw new Error("not settled within 10 s");
  return call;
}

test("references, callbacks and pipelined calls survive drops, each once", async () => {
  const setting = await setUp();
  await using pair = setting.pair;
  const { remote } = setting;
  const file = (await through(setting, remote.open())) as Stub<File>;
  for (let n = 1; n <= 10; n++) {
    expect(await through(setting, remote.open().result.parent().result.read())).toBe(`read ${2 * n - 1}`);
    expect(await through(setting, file.read())).toBe(`read ${2 * n}`);
  }
  expect(
    await through(
      setting,
      remote.watch(20, async (n) => n * 2),
    ),
  ).toEqual(Array.from({ length: 20 }, (_, n) => 2 * n));
  expect(await through(setting, remote.open())).toBe(file);
  release(file);
  expect(pair.session.state).toBe("open");
});

test("a chain of five calls takes one round trip of the network", async () => {
  const { clock, pair, remote } = await setUp();
  await using _ = pair;
  pair.network.delay(100);
  let settled = 0;
  const chain = remote.open().result.parent().result.parent().result.parent().result.read();
  void chain.then(() => settled++);
  await clock.advance(195);
  expect(settled).toBe(0);
  await clock.advance(10);
  expect(settled).toBe(1);
  const steps = (async () => {
    let file = await remote.open();
    for (let n = 0; n < 3; n++) file = await file.parent();
    await file.read();
  })();
  void steps.then(() => settled++);
  await clock.advance(900);
  expect(settled).toBe(1);
  await clock.advance(150);
  expect(settled).toBe(2);
});

test("a signal and a cancel cross a drop", async () => {
  const setting = await setUp();
  await using pair = setting.pair;
  const { remote, clock } = setting;
  const controller = new AbortController();
  const work = remote.work(controller.signal);
  const deep = remote.deep();
  await clock.advance(50);
  pair.network.drop();
  controller.abort(new Error("enough"));
  deep[Symbol.dispose]();
  expect(await through(setting, work)).toBe("enough");
  await clock.advance(500);
  expect(told).toEqual(["cancelled"]);
});

test("a call that is cancelled in the turn of close() does not run, and one that is not, does", async () => {
  for (const drops of [false, true]) {
    ran.length = 0;
    const { clock, pair, remote } = await setUp();
    if (drops) pair.network.drop();
    const calls: RemoteCall<string>[] = [remote.note("a"), remote.note("b"), remote.note("c")];
    calls[1]?.[Symbol.dispose]();
    const outcomes = Promise.allSettled(calls);
    void pair.session.close();
    await clock.advance(2_000);
    expect(ran).toEqual(["a", "c"]);
    for (const one of await outcomes) expect(one.status).toBe("rejected");
    await pair[Symbol.asyncDispose]();
  }
});

test("close() while calls wait for the window settles each with what is known of it", async () => {
  const clock = new VirtualClock();
  const pair = testPair(Desk, { clock });
  const calls = Array.from({ length: 200 }, () => pair.session.remote.deep());
  const chained = calls.map(() => pair.session.remote.open().result.read());
  const outcomes = Promise.allSettled([...calls, ...chained]);
  void pair.session.close();
  await clock.advance(2_000);
  for (const one of await outcomes)
    expect(one).toMatchObject({ status: "rejected", reason: { code: "closed", side: "local" } });
  await pair[Symbol.asyncDispose]();
});
