import { describe, expect, test } from "vitest";
import type { Frame } from "../../src/frame/frame.js";
import { decodeFrames } from "../../src/frame/frame.js";
import {
  attachFields,
  INCARNATION,
  KEY,
  octets,
  openClient,
  openServer,
  type SessionEnd,
  welcomeFrame,
} from "./support.js";

const batch = (sequence: number): Frame => ({ type: "batch", sequence, clockMs: 0, messages: octets(sequence) });
const companion = { companion: 1 } as const;

/** A client on link 1, with link 2 as its companion. */
function accompanied(): SessionEnd {
  const client = openClient();
  client.session.accompany(2, { type: "attach", key: KEY, ...companion }, INCARNATION, client.now);
  return client;
}

/** What was sent on each link since this was last asked: the types of the frames. */
function sent(end: SessionEnd): Record<number, string[]> {
  const types: Record<number, string[]> = {};
  for (const output of end.take()) {
    if (output.type !== "transmit") continue;
    types[output.link] ??= [];
    for (const write of output.frames) decodeFrames(write, ({ type }) => types[output.link]?.push(type));
  }
  return types;
}

/** Queues a message of so many octets, and ends the turn. */
function say(end: SessionEnd, length: number): void {
  end.send(octets(length));
  end.session.flush(end.now);
}

describe("a server's Session", () => {
  test("lets a companion in, and says what is short on both links", () => {
    const server = openServer();
    expect(server.receiveAttach(2, attachFields(1, companion))).toBe("companion");
    expect(sent(server)).toEqual({ 2: ["welcome"] });
    expect(server.session.attachedLink).toBe(1);
    say(server, 10);
    expect(sent(server)).toEqual({ 1: ["batch"], 2: ["batch"] });
    say(server, 5_000);
    expect(sent(server)).toEqual({ 1: ["batch"] });
    // Of what is long the acknowledgement is copied: so the client knows that the companion works.
    server.send(octets(5_000));
    server.receive(1, batch(1));
    expect(sent(server)).toEqual({ 1: ["batch", "ack"], 2: ["ack"] });
  });

  test("takes a batch from whichever link brings it first", () => {
    const server = openServer();
    server.receiveAttach(2, attachFields(1, companion));
    server.receive(2, batch(1));
    server.receive(1, batch(1), batch(2));
    server.receive(2, batch(2), batch(3));
    expect(server.takeDelivered().map(({ length }) => length)).toEqual([1, 2, 3]);
  });

  test.each([
    ["an older attach", attachFields(1)],
    ["a newer attach than it has seen", attachFields(3)],
    ["another client", attachFields(2, { incarnation: octets(16, 9) })],
  ])("refuses the companion of %s, and notices nothing else", (_name, fields) => {
    const server = openServer();
    server.receiveAttach(3, attachFields(2));
    server.take();
    expect(server.receiveAttach(4, { ...fields, ...companion })).toBe("stale");
    expect(server.take()).toMatchObject([
      { type: "transmit", link: 4 },
      { type: "drop", link: 4 },
    ]);
    expect([server.session.attachedLink, server.session.state]).toEqual([3, "open"]);
  });

  test("lets no companion in twice", () => {
    const server = openServer();
    server.receiveAttach(2, attachFields(1, { companion: 2 }));
    server.take();
    expect(server.receiveAttach(3, attachFields(1, { companion: 2 }))).toBe("stale");
    expect(server.receiveAttach(4, attachFields(1, { companion: 1 }))).toBe("stale");
    expect(server.take().flatMap((output) => (output.type === "drop" ? [output.link] : []))).toEqual([3, 4]);
    expect(server.receiveAttach(5, attachFields(1, { companion: 3 }))).toBe("companion");
    expect(server.take()).toContainEqual(expect.objectContaining({ type: "drop", link: 2 }));
  });

  test("refuses the companion of a link that has died", () => {
    const server = openServer();
    server.session.linkClosed(1);
    expect(server.receiveAttach(2, attachFields(1, companion))).toBe("stale");
    expect(server.session.state).toBe("interrupted");
  });

  test("drops the companion with the link that it accompanied, when another one takes over", () => {
    const server = openServer();
    server.receiveAttach(2, attachFields(1, companion));
    server.take();
    server.receiveAttach(3, attachFields(2));
    const dropped = server.take().flatMap((output) => (output.type === "drop" ? [output.link] : []));
    expect(dropped.sort()).toEqual([1, 2]);
    server.receive(2, batch(1));
    expect(server.takeDelivered()).toEqual([]);
  });
});

describe("a client's Session", () => {
  test("says nothing twice until its companion was let in", () => {
    const client = accompanied();
    expect(sent(client)).toEqual({ 2: ["attach"] });
    say(client, 10);
    expect(sent(client)).toEqual({ 1: ["batch"] });
    client.receive(2, welcomeFrame(1));
    say(client, 10);
    expect(sent(client)).toEqual({ 1: ["batch"], 2: ["batch"] });
  });

  test("goes on as before where the server takes no companion", () => {
    const client = accompanied();
    client.take();
    client.receive(2, { type: "refused", code: "attach_stale", message: "" });
    expect(client.take()).toMatchObject([{ type: "drop", link: 2 }]);
    expect([client.session.state, client.session.attachedLink]).toEqual(["open", 1]);
    say(client, 10);
    expect(sent(client)).toEqual({ 1: ["batch"] });
  });

  test("leaves out what would be a gap over the companion: the other link brings it", () => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1), batch(2));
    expect(client.takeDelivered()).toEqual([]);
    client.receive(1, batch(1), batch(2));
    expect(client.takeDelivered().map(({ length }) => length)).toEqual([1, 2]);
    expect(client.session.state).toBe("open");
  });

  test("takes an acknowledgement that is behind another one for old news", () => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1));
    for (let i = 0; i < 3; i++) say(client, 5);
    client.receive(2, { type: "ack", sequence: 2 });
    client.receive(1, { type: "ack", sequence: 1 }, { type: "ack", sequence: 3 });
    expect([client.session.state, client.session.figures.unackedBytes]).toEqual(["open", 0]);
  });

  test.each([
    ["talks", true],
    ["is silent", false],
  ])("suspects a path that has died in silence, whatever its companion brings, while it %s", (_name, talks) => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1));
    client.take();
    const suspicions: number[] = [];
    for (let i = 1; i <= 100; i++) {
      if (talks) say(client, 10);
      client.pass(100);
      // All that is short goes on, both ways; one long turn of the server's was lost.
      client.receive(2, { type: "ack", sequence: talks ? i : 0 }, i < 3 ? batch(i) : batch(i + 1));
      for (const output of client.take())
        if (output.type === "suspect" && output.isSuspect) suspicions.push(client.now);
    }
    expect(suspicions.length).toBe(1);
    expect(suspicions[0]).toBeLessThanOrEqual(3_000);
  });

  test("suspects a path that swallows its attach, although an acknowledgement came beside it", () => {
    const client = openClient();
    say(client, 10);
    client.attach(2);
    client.take();
    client.receive(1, { type: "ack", sequence: 1 });
    client.pass(3_000);
    expect(client.take()).toContainEqual({ type: "suspect", isSuspect: true });
  });

  test("asks for no sign of life because its companion was a little earlier after a silence", () => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1));
    client.receive(1, batch(1));
    client.pass(990);
    client.take();
    client.pass(1);
    client.receive(2, batch(2));
    client.pass(900);
    client.receive(1, batch(2));
    expect(client.takeFrames().filter(({ type }) => type === "ping")).toEqual([]);
  });

  test("suspects nothing while the path works, although the companion is always first", () => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1));
    for (let i = 1; i <= 100; i++) {
      say(client, 10);
      client.pass(90);
      client.receive(2, { type: "ack", sequence: i }, batch(i));
      client.pass(10);
      client.receive(1, { type: "ack", sequence: i }, batch(i));
    }
    expect(client.take().filter(({ type }) => type === "suspect")).toEqual([]);
    expect(client.session.isHealthy).toBe(true);
  });

  test("hears over the companion nothing but what is numbered", () => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1));
    client.take();
    client.receive(2, { type: "close", code: "closed", message: "", last: 0 }, { type: "ping", octets: octets(1) });
    expect([client.session.state, client.takeFrames()]).toEqual(["open", []]);
  });

  test("loses nothing with its companion, and hears it still when it has lost the other link", () => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1));
    client.session.linkClosed(2);
    expect(client.session.state).toBe("open");
    client.session.accompany(3, { type: "attach", key: KEY, ...companion }, INCARNATION, client.now);
    client.receive(3, welcomeFrame(1));
    client.session.linkClosed(1);
    expect(client.session.state).toBe("interrupted");
    client.receive(3, batch(1));
    expect(client.takeDelivered().length).toBe(1);
    client.attach(4);
    client.receive(4, welcomeFrame(2));
    expect(client.take()).toContainEqual(expect.objectContaining({ type: "drop", link: 3 }));
  });

  test("drops every link when it ends", () => {
    const client = accompanied();
    client.receive(2, welcomeFrame(1));
    client.take();
    client.receive(1, { type: "close", code: "closed", message: "", last: 0 });
    const dropped = client.take().flatMap((output) => (output.type === "drop" ? [output.link] : []));
    expect(dropped.sort()).toEqual([1, 2]);
  });
});
