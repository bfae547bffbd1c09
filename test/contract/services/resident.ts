/** A service that does a little of everything: the contract of hosts runs it in each of them, from this very file. */
import { appendFileSync } from "node:fs";
import { Service, Target } from "../../../src/index.js";
import { DuowireError, files } from "../../../src/server/index.js";

/** What its clients expose. */
export interface ResidentClient {
  confirm(question: string): boolean | Promise<boolean>;
  take(n: number): number;
  apply(change: (n: number) => number | Promise<number>, n: number): number | Promise<number>;
  fail(): never;
  mirror(value: unknown): unknown;
  missing?(): void;
}

class Drawer extends Target {
  open() {
    return "full";
  }
}

/** The most of a body that {@link Resident.fetch} sends by itself. */
const ENDLESS_CHUNK = new Uint8Array(65_536).fill(7);

export default class Resident extends Service<ResidentClient> {
  #log: string | undefined;
  #last = 0;
  #watchers: ((n: number) => void)[] = [];

  override async opened() {
    if (this.session.principal === "slow") await new Promise((resolve) => setTimeout(resolve, 1_000));
    if (this.session.principal === "unwanted") throw new Error("secret: the list of the unwanted");
  }

  override interrupted() {
    this.#note("interrupted");
  }

  override resumed() {
    this.#note("resumed");
  }

  override async [Symbol.asyncDispose]() {
    this.#note(`disposed ${this.session.state} ${this.session.signal.reason.code}`);
  }

  override async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    const name = pathname.slice(pathname.lastIndexOf("/"));
    if (name === "/resident.ts") return files(new URL("./", import.meta.url), { under: this.session })(request);
    if (name === "/swallow") return this.#swallow(request);
    if (name === "/upper") return new Response((await request.text()).toUpperCase(), { status: 201 });
    if (name === "/pipe")
      return new Response(request.body, { headers: { "x-asked": request.headers.get("x-asked") ?? "" } });
    if (name === "/throw") throw new Error("no such page, and no mercy");
    if (name === "/error") return Response.error();
    if (name === "/nothing") return undefined as never;
    if (name === "/spent") return this.#spent();
    if (name === "/empty")
      return new Response(null, {
        status: 204,
        headers: [
          ["set-cookie", "a=1"],
          ["set-cookie", "b=2"],
        ],
      });
    if (name === "/endless") return new Response(this.#endless(request, Number(searchParams.get("mib") ?? "1e9")));
    return new Response(`<p>${request.method} ${this.session.id}</p>`, { headers: { "content-type": "text/html" } });
  }

  echo(value: unknown): unknown {
    return value;
  }

  who() {
    const { id, principal, address } = this.session;
    return { id, principal, href: address.href, pid: process.pid };
  }

  logTo(path: string) {
    this.#log = path;
  }

  ask(question: string) {
    return this.client.confirm(question);
  }

  askWithin(question: string, timeoutMs: number) {
    return this.session.with({ timeoutMs }).client.confirm(question);
  }

  lend(count: number) {
    return Array.from({ length: count }, (_, n) => () => n);
  }

  /** Calls of the client that must come in order, each once. */
  next(n: number): number {
    if (n !== this.#last + 1) throw new Error(`${n} came after ${this.#last}`);
    this.#last = n;
    return n;
  }

  async push(count: number): Promise<number[]> {
    const calls = Array.from({ length: count }, (_, index) => this.client.take(index + 1));
    return Promise.all(calls);
  }

  watch(onNumber: (n: number) => void): () => void {
    this.#watchers.push(onNumber);
    return () => {
      this.#watchers = [];
    };
  }

  tell(n: number): number {
    for (const watcher of this.#watchers) watcher(n);
    return this.#watchers.length;
  }

  drawer() {
    return new Drawer();
  }

  fail(): never {
    throw new Error("the drawer is stuck");
  }

  refuse(): never {
    throw new DuowireError("invalid_argument", "not like that");
  }

  careless() {
    this.client.fail();
  }

  leave(message: string) {
    void this.session.close(message);
  }

  enter(room: string, info: unknown) {
    this.session.group(room).join({ info });
  }

  async inRoom(room: string) {
    return (await this.session.group(room).members()).map(({ info }) => info);
  }

  async askOthers(room: string, question: string) {
    const outcomes = await this.session.group<ResidentClient>(room).others.confirm(question);
    return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : String(outcome.reason)));
  }

  watchRoom(room: string, onChange: (change: string) => void) {
    return this.session.group(room).watch(({ change, info }) => onChange(`${change} ${info}`));
  }

  /** Never settles by itself. */
  wait(): Promise<never> {
    return new Promise(() => {});
  }

  exit(code: number) {
    process.exit(code);
  }

  crash() {
    setImmediate(() => {
      throw new Error("nobody catches this");
    });
  }

  #note(line: string): void {
    if (this.#log !== undefined) appendFileSync(this.#log, `${line}\n`);
  }

  /** An answer that somebody has read already. */
  async #spent(): Promise<Response> {
    const answer = new Response("read once");
    await answer.text();
    return answer;
  }

  async #swallow({ body }: Request): Promise<Response> {
    try {
      for await (const _ of body ?? []) this.#note("swallows");
    } catch {
      this.#note("broken off");
    }
    return new Response();
  }

  #endless({ signal }: Request, mibMax: number): ReadableStream<Uint8Array> {
    let sent = 0;
    const ended = (how: string) => this.#note(`${how} after ${Math.ceil(sent / 1_048_576)} MiB`);
    signal.addEventListener("abort", () => ended("aborted"));
    return new ReadableStream<Uint8Array>({
      pull(controller) {
        controller.enqueue(ENDLESS_CHUNK);
        sent += ENDLESS_CHUNK.length;
        if (sent >= mibMax * 1_048_576) controller.close();
      },
      cancel: () => ended("cancelled"),
    });
  }
}
