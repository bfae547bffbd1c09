/** The octets of the frames that begin, go on and end a session. */
import type { DuowireError } from "../base/errors.js";
import { encodeFrame, type Frame } from "../frame/frame.js";
import { type AnnouncedLimits, WIRE_VERSION } from "../frame/limits.js";
import type { AttachProof, WelcomeExtras } from "./outputs.js";

/** What may come over a link before the attach on it has been answered. */
export const EXPECTED_BEFORE_WELCOME: ReadonlySet<Frame["type"]> = new Set([
  "welcome",
  "refused",
  "ping",
  "pong",
  "close",
]);

/** What a side states of itself in ATTACH, ACCESS and WELCOME. */
export interface Standing {
  readonly received: number;
  readonly clockMs: number;
  readonly limits: AnnouncedLimits;
  readonly ahead?: Uint8Array;
}

/** An attach with the number `attach`, as the proof says: ACCESS or ATTACH. */
export function attachFrame(
  proof: AttachProof,
  incarnation: Uint8Array,
  attach: number,
  standing: Standing,
): Uint8Array {
  return encodeFrame({ version: WIRE_VERSION, incarnation, attach, ...standing, ...proof });
}

/** The answer to the attach with the number `attach`. */
export function welcomeFrame(attach: number, leaseMs: number, standing: Standing, extras: WelcomeExtras): Uint8Array {
  return encodeFrame({ type: "welcome", version: WIRE_VERSION, attach, leaseMs, ...standing, ...extras });
}

/** The end, for `reason`, after the batch `last`. */
export function closeFrame({ code, message }: DuowireError, last: number): Uint8Array {
  return encodeFrame({ type: "close", code, message, last });
}
