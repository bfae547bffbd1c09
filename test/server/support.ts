import { once } from "node:events";
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";
import { onTestFinished } from "vitest";
import type { WebSocket } from "ws";
import { encodeBase64url } from "../../src/access/base64url.js";
import type { DuowireError } from "../../src/base/errors.js";
import type { AccessFrame, AttachFrame } from "../../src/frame/control.js";
import { decodeFrames, encodeFrame, type Frame } from "../../src/frame/frame.js";
import { defaultLimits, WIRE_VERSION } from "../../src/frame/limits.js";
import type { Link } from "../../src/frame/link.js";
import type { ServerParts } from "../../src/server/core.js";
import { serveWith } from "../../src/server/serve.js";
import type { ServerOptions } from "../../src/server/settings.js";
import { FakeHost } from "./fake-host.js";

/** What stands in for the layers beside the server. */
export const fakeParts: ServerParts = {
  inline: () => {
    throw new Error("these tests have hosts of their own");
  },
  acceptWebSocket: (socket) => linkOver(socket as WebSocket),
  links: ["websocket"],
};

/** A server on a free port of loopback, with a fake host, closed at the end of the test. */
export async function startServer(options: Partial<ServerOptions> = {}) {
  const host = new FakeHost();
  const service = options.services === undefined ? { service: host } : {};
  const server = await serveWith(fakeParts, { address: "http://127.0.0.1:0/WAO", ...service, ...options });
  onTestFinished(() => server.close());
  const refusals: DuowireError[] = [];
  const errors: unknown[] = [];
  server.addEventListener("refused", (event) => refusals.push(event.detail.error));
  server.addEventListener("error", (event) => errors.push(event.detail.error));
  const { port } = server.address;
  return { server, host, port, url: server.address.href, refusals, errors };
}

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  readonly json: Record<string, unknown>;
  readonly frames: Frame[];
}

/** One request by node:http, which sends any header and follows nothing. */
export async function send(
  method: string,
  url: string,
  { headers = {}, body }: { headers?: Record<string, string>; body?: string | Uint8Array | undefined } = {},
): Promise<Answer> {
  // node:http gives no length by itself to the body of a DELETE.
  const length: Record<string, string> =
    body === undefined ? {} : { "content-length": String(Buffer.byteLength(Buffer.from(body))) };
  const sent = request(url, { method, headers: { ...length, ...headers }, agent: false, path: pathOf(url) });
  sent.end(body);
  const [answer] = await once(sent, "response");
  const pieces: Buffer[] = [];
  for await (const piece of answer) pieces.push(piece);
  return readAnswer(answer.statusCode, answer.headers, Buffer.concat(pieces));
}

/** The target exactly as the test wrote it. */
function pathOf(url: string): string {
  return /^[a-z]+:\/\/[^/]+(.*)$/.exec(url)?.[1] || "/";
}

function readAnswer(status: number, headers: IncomingHttpHeaders, body: Buffer): Answer {
  return {
    status,
    headers,
    body,
    get json() {
      return JSON.parse(body.toString());
    },
    get frames() {
      const frames: Frame[] = [];
      decodeFrames(new Uint8Array(body), (frame) => frames.push(frame));
      return frames;
    },
  };
}

/** Sends octets as they are and returns all that comes back until the server closes. */
export async function sendRaw(port: number, text: string | Uint8Array): Promise<string> {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  let answer = "";
  socket.on("data", (data) => {
    answer += data.toString("latin1");
  });
  socket.write(text);
  await once(socket, "close");
  return answer;
}

/** A head with Host and Connection: close, for {@link sendRaw}. */
export function head(line: string, headers: Record<string, string> = {}): string {
  const all = { Host: "127.0.0.1", Connection: "close", ...headers };
  return `${line}\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\n`;
}

const attachFields = {
  version: WIRE_VERSION,
  incarnation: new Uint8Array(16).fill(7),
  attach: 1,
  received: 0,
  clockMs: 0,
  limits: defaultLimits,
};

export function accessFrame(fields: Partial<AccessFrame> = {}): Uint8Array {
  const nonce = crypto.getRandomValues(new Uint8Array(16));
  return encodeFrame({ ...attachFields, type: "access", nonce, triedMsAgo: 0, ...fields });
}

export function attachFrame(key: Uint8Array, fields: Partial<AttachFrame> = {}): Uint8Array {
  return encodeFrame({ ...attachFields, type: "attach", attach: 2, key, ...fields });
}

/** A JSON access: its identification, key and address. */
export async function access(url: string, body?: string) {
  const answer = await send("POST", url, { body });
  const { id, key, admission } = answer.json as { id: string; key: string; admission: string };
  return { answer, id, key, admission, keyOctets: Buffer.from(key ?? "", "base64url"), address: new URL(id, url).href };
}

/** The Authorization header with a key. */
export function bearer(key: string | Uint8Array): Record<string, string> {
  return { authorization: `Bearer ${typeof key === "string" ? key : encodeBase64url(key)}` };
}

/** What everybody can see of an answer: all of it but the date. */
export function visible({ status, headers, body }: Answer): string {
  const { date: _, ...others } = headers;
  return JSON.stringify([status, others, body.toString("latin1")]);
}

function linkOver(socket: WebSocket): Link {
  return {
    kind: "websocket",
    queuedBytes: 0,
    listen(events) {
      socket.on("error", () => undefined);
      socket.on("message", (data: Buffer) => events.receive(new Uint8Array(data)));
      socket.on("close", () => events.closed("the socket closed", "lost"));
    },
    send: (octets) => socket.send(octets),
    close: () => socket.close(),
  };
}
