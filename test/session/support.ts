/** One session at one end, driven by hand: what it wants sent is kept, what comes is put in as frames. */
import type { AttachFields, AttachFrame, WelcomeFrame } from "../../src/frame/control.js";
import { decodeFrames, type Frame } from "../../src/frame/frame.js";
import { type AnnouncedLimits, defaultLimits } from "../../src/frame/limits.js";
import type { SessionOptions, SessionOutput } from "../../src/session/outputs.js";
import { Session } from "../../src/session/session.js";

/** 32 octets that no server gave out. */
export const KEY = new Uint8Array(32).fill(7);
/** The incarnation of the only client. */
export const INCARNATION = new Uint8Array(16).fill(1);
/** How long the sessions of these tests live without a sign of life. */
export const LEASE_MS = 60_000;

/** A message of `length` octets. */
export function octets(length: number, fill = 0x61): Uint8Array {
  return new Uint8Array(length).fill(fill);
}

/** What an attach may state besides. */
type MoreOfAttach = Partial<AttachFields> & Pick<AttachFrame, "companion">;

/** What a client states with its attach. */
export function attachFields(attach: number, more: MoreOfAttach = {}): AttachFields & MoreOfAttach {
  const fields = { version: 1, incarnation: INCARNATION, attach, received: 0, clockMs: 0, limits: defaultLimits };
  return { ...fields, ...more };
}

/** What a server answers to attach number `attach`. */
export function welcomeFrame(attach: number, more: Partial<WelcomeFrame> = {}): WelcomeFrame {
  const fields = { type: "welcome", version: 1, attach, received: 0, clockMs: 0, limits: defaultLimits } as const;
  return { ...fields, leaseMs: LEASE_MS, admission: "0.token", ...more };
}

/** A session whose time is a number. */
export class SessionEnd {
  readonly session: Session;
  now = 0;
  /** Everything that the session wanted since {@link take}. */
  private outputs: SessionOutput[] = [];

  constructor(
    readonly side: "client" | "server",
    options: Partial<SessionOptions> = {},
  ) {
    const limits: AnnouncedLimits = defaultLimits;
    const times = { leaseMs: LEASE_MS, freshMs: 15_000, closeMs: 1_000 };
    this.session = new Session({ side, limits, queueBytesMax: 1_000_000, ...times, ...options }, 0);
  }

  /** Queues a message. */
  send(message: Uint8Array): void {
    this.session.outgoing.begin().octets(message);
    this.session.outgoing.commit(true);
  }

  /** Client: attaches over `link` and ends the turn. */
  attach(link: number): void {
    this.session.attach(link, { type: "attach", key: KEY }, INCARNATION, undefined, this.now);
    this.session.flush(this.now);
  }

  /** Server: an attach comes over `link`. */
  receiveAttach(link: number, fields: AttachFields): string {
    const attach = { type: "attach", key: KEY, ...fields } as const;
    const verdict = this.session.receiveAttach(link, attach, { admission: "1.token" }, undefined, this.now);
    this.session.flush(this.now);
    return verdict;
  }

  /** Frames come over `link`, and the turn ends. */
  receive(link: number, ...frames: Frame[]): void {
    for (const frame of frames) this.session.receive(link, frame, this.now);
    this.session.flush(this.now);
  }

  /** Time passes, and whatever was due is done. */
  pass(ms: number): void {
    const until = this.now + ms;
    for (let at = this.session.nextTimeout(); at <= until; at = this.session.nextTimeout()) {
      this.now = Math.max(this.now, at);
      this.session.handleTimeout(this.now);
      this.session.flush(this.now);
    }
    this.now = until;
  }

  /** What the session wanted since the last time this was asked. */
  take(): SessionOutput[] {
    for (let output = this.session.poll(); output !== undefined; output = this.session.poll())
      this.outputs.push(output);
    return this.outputs.splice(0);
  }

  /** The frames that it wanted sent since then, in order. */
  takeFrames(): Frame[] {
    const frames: Frame[] = [];
    for (const output of this.take()) {
      if (output.type !== "transmit") continue;
      for (const write of output.frames) decodeFrames(write, (frame) => frames.push(frame));
    }
    return frames;
  }

  /** The messages that it delivered since then. */
  takeDelivered(): Uint8Array[] {
    return this.take().flatMap((output) => (output.type === "deliver" ? [output.messages.slice()] : []));
  }
}

/** A client whose attach over link 1 was welcomed. */
export function openClient(options: Partial<SessionOptions> = {}): SessionEnd {
  const client = new SessionEnd("client", options);
  client.attach(1);
  client.receive(1, welcomeFrame(1));
  client.take();
  return client;
}

/** A server to which a client has attached over link 1. */
export function openServer(options: Partial<SessionOptions> = {}): SessionEnd {
  const server = new SessionEnd("server", options);
  server.receiveAttach(1, attachFields(1));
  server.take();
  return server;
}
