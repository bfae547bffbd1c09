import { once } from "node:events";
import { connect } from "node:net";
import { expect, test } from "vitest";
import { WebSocket } from "ws";
import { decodeFrames, encodeFrame, type Frame } from "../../src/frame/frame.js";
import { ManualClock } from "./manual-clock.js";
import { access, attachFrame, head, sendRaw, startServer } from "./support.js";

const upgradeHeaders = {
  Connection: "Upgrade",
  Upgrade: "websocket",
  "Sec-WebSocket-Version": "13",
  "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
};

function upgrade(path: string, protocols: string | undefined, more: Record<string, string> = {}): string {
  const named: Record<string, string> = protocols === undefined ? {} : { "Sec-WebSocket-Protocol": protocols };
  return head(`GET ${path} HTTP/1.1`, { ...upgradeHeaders, ...named, ...more });
}

function pathOf(address: string): string {
  return new URL(address).pathname;
}

test("an upgrade with the admission token reaches the process, which wants the key", async () => {
  const { url, host } = await startServer();
  const { address, admission, keyOctets } = await access(url);
  const protocols = ["duowire.1", `duowire.admission.${admission}`];
  const socket = new WebSocket(address.replace("http", "ws"), protocols, { perMessageDeflate: true });
  await once(socket, "open");
  expect([socket.protocol, socket.extensions]).toEqual(["duowire.1", ""]);
  expect(host.processes[0]?.state).toBe("waiting");
  socket.send(attachFrame(keyOctets));
  const [data] = await once(socket, "message");
  const frames: Frame[] = [];
  decodeFrames(new Uint8Array(data), (frame) => frames.push(frame));
  expect(frames[0]).toMatchObject({ type: "welcome", attach: 2 });
  expect(host.processes[0]?.state).toBe("open");
  socket.send(encodeFrame({ type: "ack", sequence: 1 }));
  await expect.poll(() => host.processes[0]?.received.length).toBe(1);
  socket.close();
  await once(socket, "close");
});

test("an upgrade that is not admitted is answered like one at an unknown address", async () => {
  const { url, port } = await startServer();
  const mine = await access(url);
  const other = await access(url);
  const path = pathOf(mine.address);
  const unknown = `/WAO.n1.${"A".repeat(22)}`;
  const list = (token: string) => `duowire.1, duowire.admission.${token}`;
  const [number = "", mac = ""] = mine.admission.split(".");
  const wrong = [
    undefined,
    "",
    "duowire.1",
    `duowire.admission.${mine.admission}`,
    `duowire.2, duowire.admission.${mine.admission}`,
    list(""),
    list("."),
    list(other.admission),
    list(`1.${mac}`),
    list(`00${number}.${mac}`),
    list(`${mine.admission}A`),
    list(mine.admission.slice(0, -1)),
    list(`9007199254740993.${mac}`),
    `${list(mine.admission)}, duowire.admission.${mine.admission}`,
    list(mine.key),
  ];
  const seen = new Set<string>();
  for (const protocols of wrong) {
    for (const at of [path, unknown]) seen.add(await sendRaw(port, upgrade(at, protocols)));
  }
  for (const at of [`${path}?x`, `${path}/`, `${path}/door`, `${path}/page`, "/x", "/WAO%31", `/x/../${path}`]) {
    seen.add(await sendRaw(port, upgrade(at, list(mine.admission))));
  }
  expect([...seen]).toHaveLength(1);
  expect([...seen][0]).toMatch(/^HTTP\/1.1 404 Not Found\r\n.*"session_unknown"/s);
});

test("an upgrade at the fixed address is refused in clear words", async () => {
  const { port } = await startServer();
  const answer = await sendRaw(port, upgrade("/WAO", "duowire.1"));
  expect(answer).toMatch(/404 Not Found.*the fixed address takes a POST first/s);
});

test("an upgrade of a foreign origin or host is refused before anything else", async () => {
  const { url, port } = await startServer();
  const { address, admission } = await access(url);
  const protocols = `duowire.1, duowire.admission.${admission}`;
  const foreign = await sendRaw(port, upgrade(pathOf(address), protocols, { Origin: "https://evil.example" }));
  expect(foreign).toMatch(/403 Forbidden.*origin_refused.*evil\.example/s);
  const rebound = await sendRaw(port, upgrade(pathOf(address), protocols, { Host: "evil.example" }));
  expect(rebound).toMatch(/403 Forbidden.*host_refused/s);
});

test("an admitted upgrade with a wrong handshake is a bad request", async () => {
  const { url, port } = await startServer();
  const { address, admission } = await access(url);
  const protocols = `duowire.1, duowire.admission.${admission}`;
  for (const more of [{ "Sec-WebSocket-Version": "12" }, { "Sec-WebSocket-Key": "short" }, { Upgrade: "h2c" }]) {
    const answer = await sendRaw(port, upgrade(pathOf(address), protocols, more as Record<string, string>));
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n.*"bad_request"/s);
  }
});

test("an upgrade to another node says so", async () => {
  const { port } = await startServer();
  expect(await sendRaw(port, upgrade(`/WAO.n2.${"A".repeat(22)}`, "duowire.1"))).toContain("421 Misdirected Request");
});

test("an upgrade that comes before the process is ready waits for it", async () => {
  const { url, host, server, port } = await startServer({ ids: "sequential" });
  let proceed = () => {};
  host.before = () => new Promise<void>((resolve) => (proceed = resolve));
  const accessing = access(url);
  await expect.poll(() => server.sessions.size).toBe(1);
  const early = sendRaw(port, upgrade("/WAO1", "duowire.1, duowire.admission.0.AAAAAAAAAAAAAAAAAAAAAA"));
  await sendRaw(port, head("GET /WAO HTTP/1.1"));
  proceed();
  expect((await early).slice(0, 12)).toBe("HTTP/1.1 404");
  await accessing;
});

test("a refused client that does not close is closed in time", async () => {
  const clock = new ManualClock();
  const { port } = await startServer({ clock });
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.on("error", () => undefined);
  socket.write(upgrade("/WAO", "duowire.1"));
  await once(socket, "data");
  expect(clock.waiting).toBe(1);
  clock.advance(1_000);
  await expect.poll(() => clock.waiting).toBe(0);
  socket.destroy();
});

test("octets that are no WebSocket frames close that socket only", async () => {
  const { url, port } = await startServer();
  const { address, admission } = await access(url);
  const request = upgrade(pathOf(address), `duowire.1, duowire.admission.${admission}`);
  const answer = await sendRaw(port, Buffer.concat([Buffer.from(request), Buffer.from([0xff, 0xff, 0xff, 0xff])]));
  expect(answer).toContain("101 Switching Protocols");
  const tooLong = Buffer.from([0x82, 0xff, 0, 0, 0, 0, 0x10, 0, 0, 0, 1, 2, 3, 4]);
  expect(await sendRaw(port, Buffer.concat([Buffer.from(request), tooLong]))).toContain("101 Switching Protocols");
  expect((await access(url)).answer.status).toBe(201);
});
