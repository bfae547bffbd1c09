import { expect, onTestFinished, test, vi } from "vitest";
import { connect } from "../../src/client/index.js";
import { callSignal, type PresenceChange, Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { startProxy } from "../support/faulty-proxy.js";

interface Guest {
  hear(from: string, text: string): string | Promise<string>;
  price(value: number): unknown;
}

class Room extends Service<Guest> {
  enter(room: string, name: string) {
    this.session.group<Guest>(room).join({ info: { name } });
  }
  leave(room: string) {
    this.session.group<Guest>(room).leave();
  }
  async say(room: string, from: string, text: string) {
    const outcomes = await this.session.group<Guest>(room).others.hear(from, text);
    return outcomes.map((outcome) => (outcome.status === "fulfilled" ? outcome.value : String(outcome.reason)));
  }
  async who(room: string) {
    const members = await this.session.group(room).members();
    return members.map(({ info, state }) => ({ ...(info as { name: string }), state }));
  }
  watch(room: string, onChange: (change: PresenceChange) => void) {
    return this.session.group(room).watch(onChange);
  }
  tell(room: string) {
    return this.session.group<Guest>(room).client.hear("house", "dinner");
  }
}

async function start() {
  const server = await serve<Room>({ address: "http://127.0.0.1:0/WAO", service: Room });
  onTestFinished(() => server.close());
  return server;
}

function guest(href: string, expose: Partial<Guest> = {}) {
  const hear = (from: string, text: string) => `${from}: ${text}`;
  const session = connect<Room>(href, { expose: { hear, price: () => undefined, ...expose } });
  onTestFinished(() => session.close());
  return session;
}

test("a group calls all of its members at once, and tells each one's outcome", async () => {
  const server = await start();
  const fails = () => {
    throw new RangeError("no room");
  };
  const guests = [guest(server.address.href), guest(server.address.href), guest(server.address.href, { hear: fails })];
  const room = server.group("kitchen");
  for (const one of guests) {
    await one.opened;
    room.add({ id: one.address.id });
  }
  const outcomes = await room.client.hear("cook", "ready");
  expect(outcomes.map(({ id, status }) => [id, status])).toEqual([
    [guests[0]?.address.id, "fulfilled"],
    [guests[1]?.address.id, "fulfilled"],
    [guests[2]?.address.id, "rejected"],
  ]);
  expect(outcomes[0]).toMatchObject({ value: "cook: ready" });
  expect(outcomes[2]).toMatchObject({ reason: { name: "RangeError", message: "no room" } });
  expect(room.size).toBe(3);
  const others = await room.except({ id: guests[0]?.address.id ?? "" }).hear("cook", "again");
  expect(others.map(({ id }) => id)).toEqual([guests[1]?.address.id, guests[2]?.address.id]);
});

test("a service joins, calls the others, and sees who is there", async () => {
  const server = await start();
  const [ann, bob] = [guest(server.address.href), guest(server.address.href)];
  await ann.remote.enter("hall", "Ann");
  const changes: string[] = [];
  const stop = await ann.remote.watch("hall", ({ change, info }) => {
    changes.push(`${(info as { name: string }).name} ${change}`);
  });
  await bob.remote.enter("hall", "Bob");
  expect(await bob.remote.say("hall", "Bob", "hello")).toEqual(["Bob: hello"]);
  expect(await ann.remote.who("hall")).toEqual([
    { name: "Ann", state: "open" },
    { name: "Bob", state: "open" },
  ]);
  await bob.remote.enter("hall", "Robert");
  await bob.close();
  await vi.waitFor(() => expect(changes).toEqual(["Bob joined", "Robert info", "Robert left"]));
  expect(server.group("hall").size).toBe(1);
  await stop();
  await ann.remote.leave("hall");
  await ann.remote.enter("hall", "Ann");
  expect(changes).toHaveLength(3);
});

test("membership survives a drop, and what was called meanwhile arrives once, in order", async () => {
  const server = await start();
  const proxy = await startProxy(server.address.port);
  const heard: number[] = [];
  const one = guest(`http://127.0.0.1:${proxy.port}/WAO`, { price: (value) => heard.push(value) });
  await one.opened;
  const room = server.group("prices");
  room.add({ id: one.address.id });
  const states: string[] = [];
  room.addEventListener("state", ({ detail }) => states.push(detail.state));
  for (let value = 0; value < 200; value += 1) {
    if (value % 50 === 25) proxy.destroyAll();
    room.client.price(value);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await vi.waitFor(() => expect(heard).toEqual(Array.from({ length: 200 }, (_, value) => value)));
  expect(room.size).toBe(1);
  expect(states).toContain("interrupted");
  expect(states.at(-1)).toBe("open");
});

test("a slow member that declares so misses calls and no other does", async () => {
  const server = await start();
  const heard = { all: [] as number[], latest: [] as number[], oldest: [] as number[] };
  const gates: (() => void)[] = [];
  const held = (list: number[]) => (value: number) => {
    list.push(value);
    return new Promise<void>((resolve) => gates.push(resolve));
  };
  const all = guest(server.address.href, { price: (value) => void heard.all.push(value) });
  const latest = guest(server.address.href, { price: held(heard.latest) });
  const oldest = guest(server.address.href, { price: held(heard.oldest) });
  await Promise.all([all.opened, latest.opened, oldest.opened]);
  const room = server.group("prices");
  room.add({ id: all.address.id });
  room.add({ id: latest.address.id }, { slow: "latest" });
  room.add({ id: oldest.address.id }, { slow: "drop_oldest" });
  const calls = Array.from({ length: 200 }, (_, value) => room.client.price(value));
  await vi.waitFor(() => expect(heard.all).toHaveLength(200));
  expect(heard.latest).toEqual([0]);
  await vi.waitFor(() => expect(heard.oldest).toHaveLength(64));
  const freed = setInterval(() => gates.splice(0).map((open) => open()), 1);
  onTestFinished(() => clearInterval(freed));
  await vi.waitFor(() => expect(heard.latest).toEqual([0, 199]));
  const kept = [...Array(64).keys(), ...Array.from({ length: 64 }, (_, n) => 136 + n)];
  await vi.waitFor(() => expect(heard.oldest).toEqual(kept));
  expect(room.dropped).toBe(198 + 72);
  const outcomes = await calls[100];
  expect(outcomes?.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected"]);
  expect(outcomes?.[1]).toMatchObject({ reason: { code: "queue_full", outcome: "not_sent" } });
});

test("a group's call with a function fails at each member in words, also if nobody waits for it", async () => {
  const server = await start();
  const failed: unknown[] = [];
  server.addEventListener("call_failed", ({ detail: { id, method } }) => failed.push([id, method]));
  const one = guest(server.address.href);
  await one.remote.enter("hall", "Ann");
  const { id } = one.address;
  const refused = {
    code: "invalid_argument",
    outcome: "not_sent",
    message: expect.stringContaining("pass a function"),
  };
  const take = () => (server.group("hall").client as unknown as { take(fn: () => void): unknown }).take(() => {});
  expect(await take()).toMatchObject([{ id, status: "rejected", reason: refused }]);
  expect(failed).toEqual([]);
  take();
  await vi.waitFor(() => expect(failed).toEqual([[id, "take"]]));
});

test("a method may return a group's call, and its client gets the outcomes", async () => {
  const server = await start();
  const one = guest(server.address.href);
  await one.remote.enter("hall", "Ann");
  const { id } = one.address;
  const outcomes = await (one.remote.tell("hall") as unknown as Promise<unknown>);
  expect(outcomes).toEqual([{ id, status: "fulfilled", value: "house: dinner" }]);
  expect(await (one.remote.tell("attic") as unknown as Promise<unknown>)).toEqual([]);
});

test("a group's name has 1 to 256 characters", async () => {
  const server = await start();
  const one = guest(server.address.href);
  await expect(one.remote.enter("", "Ann")).rejects.toThrow("1 to 256 characters");
  expect(() => server.group("x".repeat(257))).toThrow("1 to 256 characters");
});

test("a group that nobody is in, holds or watches is forgotten", async () => {
  const server = await start();
  const one = guest(server.address.href);
  await one.remote.enter("hall", "Ann");
  const held = server.group("hall");
  expect(server.forgetGroup("hall")).toBe(false);
  await one.remote.leave("hall");
  expect(server.group("hall")).toBe(held);
  expect(server.forgetGroup("hall")).toBe(true);
  expect(server.group("hall")).not.toBe(held);
});

test("listeners that fail are told, of a service and of the program, and end nobody", async () => {
  class Nervous extends Room {
    fret(room: string) {
      const group = this.session.group(room);
      group.watch(({ info }) => String((info as { name: string }).name.length));
      group.watch(async ({ info }) => String((info as { name: string }).name.length));
    }
  }
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Nervous });
  onTestFinished(() => server.close());
  const told: string[] = [];
  server.addEventListener("service_error", ({ detail: { id, method, error } }) => {
    told.push(`${id} ${method} ${(error as Error).name}`);
  });
  server.addEventListener("error", ({ detail: { error } }) => told.push(String(error)));
  server.addEventListener("session_ended", () => {
    throw new RangeError("no more");
  });
  const hall = server.group("hall");
  hall.addEventListener("joined", ({ detail: { info } }) => (info as string).trim());
  hall.addEventListener("left", () => Promise.reject(new RangeError("left")) as never);
  const [ann, bob] = [guest(server.address.href), guest(server.address.href)];
  await (ann as unknown as { remote: { fret(room: string): Promise<void> } }).remote.fret("hall");
  await bob.remote.enter("hall", null as never);
  expect(told.splice(0).sort()).toEqual(
    [
      `${ann.address.id} watch TypeError`,
      `${ann.address.id} watch TypeError`,
      `${bob.address.id} group.joined TypeError`,
    ].sort(),
  );
  await ann.close();
  await bob.close();
  await vi.waitFor(() => expect(told).toHaveLength(3));
  expect(told.sort()).toEqual(
    [`${bob.address.id} group.left RangeError`, "RangeError: no more", "RangeError: no more"].sort(),
  );
});

test("a watcher's calls are not made on behalf of whoever changed the group: they outlive a call that was cancelled", async () => {
  class Lounge extends Service<Guest> {
    readonly #lounge = this.session.group<Guest>("lounge");
    watch() {
      this.#lounge.watch(({ change }) => this.client.price(change.length));
    }
    async enterLate() {
      await new Promise<void>((resolve) => callSignal().addEventListener("abort", () => resolve()));
      this.#lounge.join();
    }
  }
  const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Lounge });
  onTestFinished(() => server.close());
  const failed: unknown[] = [];
  server.addEventListener("call_failed", ({ detail: { error } }) => failed.push(error));
  const connected = (price: (length: number) => void) => {
    const session = connect<Lounge>(server.address.href, { expose: { price, hear: () => "" } });
    onTestFinished(() => session.close());
    return session;
  };
  const heard: number[] = [];
  await connected((length) => heard.push(length)).remote.watch();
  const other = connected(() => {});
  const entering = other.remote.enterLate();
  await vi.waitFor(() => expect(server.sessions.get(other.address.id)?.figures?.callsRunning).toBe(1));
  entering[Symbol.dispose]();
  await vi.waitFor(() => expect(heard.length + failed.length).toBe(1));
  expect(failed).toEqual([]);
  expect(heard).toEqual(["joined".length]);
});
