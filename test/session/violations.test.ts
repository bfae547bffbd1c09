import { describe, expect, test } from "vitest";
import { DuowireError } from "../../src/base/errors.js";
import type { Frame } from "../../src/frame/frame.js";
import { attachFields, octets, openClient, openServer, SessionEnd, welcomeFrame } from "./support.js";

const batch = (sequence: number, messages = octets(3)): Frame => ({ type: "batch", sequence, clockMs: 0, messages });
const fragment = (sequence: number, message: number, left: number, length = 10): Frame => ({
  type: "fragment",
  sequence,
  clockMs: 0,
  message,
  left,
  octets: octets(length),
});

/** Every violation that the core names, and by what the far side commits it. */
const violations: [string, RegExp, () => SessionEnd, Frame[]][] = [
  ["a gap", /batch 3 came after batch 1/, openServer, [batch(1), batch(3)]],
  ["a batch that begins late", /batch 2 came after batch 0/, openServer, [batch(2)]],
  [
    "an acknowledgement of what was never sent",
    /batch 1 is acknowledged and 0 is the last/,
    openServer,
    [{ type: "ack", sequence: 1 }],
  ],
  ["a fragment that says less than the first", /lacks 20 octets/, openServer, [fragment(1, 1, 20), fragment(2, 1, 5)]],
  ["a fragment that says more than the first", /lacks 20 octets/, openServer, [fragment(1, 1, 20), fragment(2, 1, 11)]],
  ["a fragmented message out of turn", /fragmented message 2 follows 0/, openServer, [fragment(1, 2, 20)]],
  [
    "a fragment of a message that is whole",
    /fragmented message 1 follows 1/,
    openServer,
    [fragment(1, 1, 0), fragment(2, 1, 0)],
  ],
  ["a message above the limit", /above 4194304/, openServer, [fragment(1, 1, 4_194_295)]],
  [
    "nine messages in pieces",
    /more messages in fragments/,
    openServer,
    [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => fragment(n, n, 1)),
  ],
  [
    "more octets in pieces than allowed",
    /more messages in fragments/,
    openServer,
    [1, 2, 3].map((n) => fragment(n, n, 3_000_000)),
  ],
  [
    "a close that overtakes data",
    /close overtook data/,
    openServer,
    [{ type: "close", code: "closed", message: "", last: 1 }],
  ],
  ["a confirmation that nobody asked for", /close_confirmed in state open/, openServer, [{ type: "closed" }]],
  ["a second attach", /attach inside a session/, openServer, [{ type: "attach", key: octets(32), ...attachFields(2) }]],
  ["a refusal of a client", /refused inside a session/, openServer, [{ type: "refused", code: "closed", message: "" }]],
  ["a welcome of a client", /a client said welcome/, openServer, [welcomeFrame(1)]],
  ["a second welcome", /welcome came twice/, openClient, [welcomeFrame(1)]],
  [
    "a refusal after the welcome",
    /refused inside a session/,
    openClient,
    [{ type: "refused", code: "closed", message: "" }],
  ],
];

describe("Session ends with protocol_error of the remote side for", () => {
  test.each(violations)("%s", (_name, message, make, frames) => {
    const end = make();
    end.receive(1, ...frames);
    expect(end.session.reason).toMatchObject({
      code: "protocol_error",
      side: "remote",
      message: expect.stringMatching(message),
    });
    expect(end.session.state).toBe("closed");
    // The far side is told before the link is dropped.
    const outputs = end.take();
    expect(outputs.at(-1)).toMatchObject({ type: "state", state: "closed" });
    const [told, dropped] = [
      outputs.findLastIndex(({ type }) => type === "transmit"),
      outputs.findIndex(({ type }) => type === "drop"),
    ];
    expect(told).toBeGreaterThanOrEqual(0);
    expect(dropped).toBeGreaterThan(told);
  });

  test.each([batch(1), { type: "ack", sequence: 0 }, { type: "closed" }] as Frame[])(
    "$type before the welcome",
    (frame) => {
      const client = new SessionEnd("client");
      client.attach(1);
      client.receive(1, frame);
      expect(client.session.reason?.message).toMatch(`${frame.type} before welcome`);
    },
  );

  test.each([
    ["another attach", { attach: 2 }, "protocol_error"],
    ["another version", { version: 2 }, "version_unsupported"],
    ["more than was sent", { received: 1 }, "protocol_error"],
  ])("a welcome to %s", (_name, wrong, code) => {
    const client = new SessionEnd("client");
    client.attach(1);
    client.receive(1, { ...welcomeFrame(1), ...wrong });
    expect(client.session.reason?.code).toBe(code);
  });
});

describe("Session at a limit, not above it", () => {
  test("takes a message of exactly messageBytesMax", () => {
    const server = openServer();
    server.receive(1, fragment(1, 1, 4_194_294));
    expect(server.session.state).toBe("open");
  });

  test("takes eight messages in pieces", () => {
    const server = openServer();
    server.receive(1, ...[1, 2, 3, 4, 5, 6, 7, 8].map((n) => fragment(n, n, 1)));
    expect(server.session.state).toBe("open");
  });
});

describe("Session.receiveAttach refuses the link, and the owner's goes on, for", () => {
  test.each([
    ["an older number", { attach: 1 }, "attach_stale"],
    ["the same number", { attach: 5 }, "attach_stale"],
    ["more received than was sent", { attach: 6, received: 1 }, "protocol_error"],
  ])("%s", (_name, fields, code) => {
    const server = new SessionEnd("server");
    server.receiveAttach(1, attachFields(5));
    server.take();
    server.receiveAttach(2, attachFields(fields.attach, fields));
    const frames = server.takeFrames();
    expect(frames).toMatchObject([{ type: "refused", code }]);
    expect(server.session.attachedLink).toBe(1);
    expect(server.session.state).toBe("open");
  });

  test("less received than was acknowledged", () => {
    const server = openServer();
    server.send(octets(5));
    server.session.flush(server.now);
    server.receive(1, { type: "ack", sequence: 1 });
    server.receiveAttach(2, attachFields(2, { received: 0 }));
    expect(server.takeFrames().at(-1)).toMatchObject({ type: "refused", code: "protocol_error" });
    expect(server.session.attachedLink).toBe(1);
  });

  test("a frame of the loser changes nothing", () => {
    const server = openServer();
    server.receiveAttach(2, attachFields(2));
    server.take();
    server.receive(1, batch(1), { type: "ack", sequence: 9 }, { type: "close", code: "closed", message: "", last: 0 });
    expect(server.take()).toEqual([]);
    expect(server.session.state).toBe("open");
  });

  test("another incarnation leaves this conversation as it is", () => {
    const server = openServer();
    expect(server.receiveAttach(2, attachFields(1, { incarnation: octets(16) }))).toBe("supersede");
    expect(server.session.attachedLink).toBe(1);
  });
});

test("Session keeps the first reason when it fails while it closes", () => {
  const server = openServer();
  server.session.close(new DuowireError("server_closed"), 0);
  server.receive(1, batch(9));
  expect(server.session.reason?.code).toBe("server_closed");
});
