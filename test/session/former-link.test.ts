import { expect, test } from "vitest";
import type { Frame } from "../../src/frame/frame.js";
import { octets, openClient, welcomeFrame } from "./support.js";

const batch = (sequence: number): Frame => ({ type: "batch", sequence, clockMs: 0, messages: octets(sequence) });

/** A client that has changed from link 1 to link 2, and is not answered yet. */
function changing() {
  const client = openClient();
  client.receive(1, batch(1));
  client.attach(2);
  client.take();
  return client;
}

test("Session hears what is on its way over the former link until the next one is answered", () => {
  const client = changing();
  client.receive(1, batch(2));
  client.receive(1, batch(3));
  expect(client.takeDelivered().map(({ length }) => length)).toEqual([2, 3]);
  client.receive(2, welcomeFrame(2), batch(2), batch(3), batch(4));
  const outputs = client.take();
  expect(outputs.filter(({ type }) => type === "deliver").length).toBe(1);
  expect(outputs).toContainEqual(expect.objectContaining({ type: "drop", link: 1 }));
  client.receive(1, batch(5));
  expect(client.takeDelivered()).toEqual([]);
});

test("Session hears nothing but what is numbered over the former link", () => {
  const client = changing();
  client.receive(1, { type: "close", code: "closed", message: "", last: 1 }, { type: "ping", octets: octets(2) });
  expect(client.session.state).toBe("open");
  expect(client.takeFrames()).toEqual([]);
});

test("Session hears the former link still when the one that was to follow it has died, until another one is answered", () => {
  const client = changing();
  client.session.linkClosed(2);
  expect(client.session.state).toBe("interrupted");
  client.receive(1, batch(2));
  expect(client.takeDelivered().length).toBe(1);
  client.attach(3);
  client.receive(3, welcomeFrame(3), batch(2), batch(3));
  expect(client.takeDelivered().length).toBe(1);
  client.receive(1, batch(4));
  expect(client.takeDelivered()).toEqual([]);
});
