/** A client of bare sockets, which sends what it likes in the pieces that it likes. */
import { randomBytes, randomInt } from "node:crypto";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { decodeBase64url } from "../../src/access/base64url.js";
import { decodeFrames, encodeFrame, type Frame } from "../../src/frame/frame.js";
import { defaultLimits, WIRE_VERSION } from "../../src/frame/limits.js";
import { ADMISSION_PREFIX, SUBPROTOCOL } from "../../src/link/websocket.js";

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const BINARY = 0x82;

/** One session, from its access on. */
export class RawSession {
  private readonly incarnation = randomBytes(16);
  private attach = 0;
  private admission: string;

  private constructor(
    readonly id: string,
    private readonly port: number,
    private readonly key: Uint8Array,
    admission: string,
  ) {
    this.admission = admission;
  }

  /** Accesses the server at `port`. */
  static async access(port: number): Promise<RawSession> {
    const answer = await fetch(`http://127.0.0.1:${port}/WAO`, { method: "POST", body: "{}" });
    const { id, key, admission } = (await answer.json()) as Record<"id" | "key" | "admission", string>;
    return new RawSession(id, port, decodeBase64url(key, 32) as Uint8Array, admission);
  }

  /** An upgrade's request, and behind it an ATTACH and a PING of these octets as WebSocket messages. */
  write(ping: Uint8Array): Buffer {
    this.attach += 1;
    const { id, key, incarnation, attach, admission } = this;
    const head = [
      `GET /${id} HTTP/1.1`,
      "Host: 127.0.0.1",
      "Connection: Upgrade",
      "Upgrade: websocket",
      "Sec-WebSocket-Version: 13",
      `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}`,
      `Sec-WebSocket-Protocol: ${SUBPROTOCOL}, ${ADMISSION_PREFIX}${admission}`,
      "\r\n",
    ];
    const fields = { version: WIRE_VERSION, incarnation, attach, received: 0, clockMs: 0, limits: defaultLimits, key };
    return Buffer.concat([
      Buffer.from(head.join("\r\n")),
      masked(encodeFrame({ type: "attach", ...fields })),
      masked(encodeFrame({ type: "ping", octets: ping })),
    ]);
  }

  /** Opens a socket and sends `octets` in so many pieces, cut anywhere, some in a turn of their own. */
  async send(octets: Uint8Array, pieces: number): Promise<Socket> {
    const socket = connect({ port: this.port, host: "127.0.0.1", noDelay: true });
    socket.on("error", () => undefined);
    await once(socket, "connect");
    const cuts = Array.from({ length: pieces - 1 }, () => randomInt(1, octets.length)).sort((a, b) => a - b);
    let from = 0;
    for (const to of [...cuts, octets.length]) {
      if (to === from) continue;
      socket.write(octets.subarray(from, to));
      from = to;
      if (randomInt(2) === 0) await new Promise((turn) => setImmediate(turn));
    }
    return socket;
  }

  /** Upgrades once; settles when both the WELCOME and the answer to the ping are here, rejects when the socket closes. */
  async upgrade(pieces: number): Promise<void> {
    const ping = randomBytes(randomInt(1, 2_000));
    const socket = await this.send(this.write(ping), pieces);
    const attach = this.attach;
    try {
      const seen = await framesOf(socket, (frames) => frames.length === 2);
      const [welcome, pong] = seen;
      if (welcome?.type !== "welcome" || welcome.attach !== attach) throw new Error(`${welcome?.type} is no welcome`);
      if (pong?.type !== "pong" || !ping.equals(pong.octets)) throw new Error(`${pong?.type} is not the answer`);
      this.admission = welcome.admission;
    } finally {
      socket.destroy();
    }
  }
}

/** The frames of the server until there are enough. */
function framesOf(socket: Socket, isEnough: (frames: readonly Frame[]) => boolean): Promise<Frame[]> {
  let octets = Buffer.alloc(0);
  return new Promise((resolve, reject) => {
    socket.once("close", () => reject(new Error(`closed after ${octets.length} octets: ${octets.toString("latin1")}`)));
    socket.on("data", (data) => {
      octets = Buffer.concat([octets, data]);
      const frames = readFrames(octets);
      if (isEnough(frames)) resolve(frames);
    });
  });
}

function readFrames(octets: Buffer): Frame[] {
  const frames: Frame[] = [];
  const end = octets.indexOf(END_OF_HEAD);
  if (end < 0) return frames;
  for (let at = end + END_OF_HEAD.length; at + 2 <= octets.length; ) {
    const short = (octets[at + 1] as number) & 0x7f;
    const isLong = short === 126;
    if (isLong && at + 4 > octets.length) break;
    const [length, head] = isLong ? [octets.readUInt16BE(at + 2), 4] : [short, 2];
    if (at + head + length > octets.length) break;
    decodeFrames(octets.subarray(at + head, at + head + length), (frame) => frames.push(structuredClone(frame)));
    at += head + length;
  }
  return frames;
}

/** A binary message as a client must send it. */
function masked(payload: Uint8Array): Buffer {
  const mask = randomBytes(4);
  const head = Buffer.alloc(payload.length < 126 ? 2 : 4);
  head[0] = BINARY;
  if (head.length === 2) head[1] = 0x80 | payload.length;
  else {
    head[1] = 0x80 | 126;
    head.writeUInt16BE(payload.length, 2);
  }
  const body = Buffer.from(payload.map((octet, index) => octet ^ (mask[index & 3] as number)));
  return Buffer.concat([head, mask, body]);
}
