/**
 * What a session is made with and what it wants done: the vocabulary between the core and its driver.
 */
import type { DuowireError } from "../base/errors.js";
import type { AccessFrame, AttachFrame, GoAwayFrame, RefusedFrame, WelcomeFrame } from "../frame/control.js";
import type { AnnouncedLimits } from "../frame/limits.js";
import type { SessionState } from "./states.js";

/** The number that the driver gives a link; never used twice in one session. */
export type LinkNumber = number;

/** What a session wants done. */
export type SessionOutput =
  /** Send these frames on this link, as one write if they are short. A copy need not be: another link has it too. */
  | {
      readonly type: "transmit";
      readonly link: LinkNumber;
      readonly frames: readonly Uint8Array[];
      readonly isCopy?: true;
    }
  /** Whole messages came, once and in order. Valid until the next input. */
  | { readonly type: "deliver"; readonly messages: Uint8Array }
  /** Messages that take effect before the replay that follows them. */
  | { readonly type: "ahead"; readonly messages: Uint8Array }
  /** The far side's limits, before anything of it is delivered. */
  | { readonly type: "limits"; readonly limits: AnnouncedLimits }
  /** Client: an attach was answered. */
  | { readonly type: "welcomed"; readonly welcome: WelcomeFrame; readonly link: LinkNumber }
  /** Client: an attach was refused; whether to try again is the owner's matter. */
  | { readonly type: "refused"; readonly refusal: RefusedFrame; readonly link: LinkNumber }
  /** Client: the server will end the session soon. */
  | { readonly type: "goaway"; readonly goAway: GoAwayFrame }
  /** This link is of no more use: close it. */
  | { readonly type: "drop"; readonly link: LinkNumber; readonly reason: string }
  /** The state has changed; `reason` says why a session is closed. */
  | { readonly type: "state"; readonly state: SessionState; readonly reason?: DuowireError }
  /** Nothing has been acknowledged for too long: open a second path beside this one (D12); or something has again. */
  | { readonly type: "suspect"; readonly isSuspect: boolean };

/** What a session is made with. */
export interface SessionOptions {
  readonly side: "client" | "server";
  /** What this side announces of how much it takes. */
  readonly limits: AnnouncedLimits;
  /** Octets of messages that may wait before they are handed to a link. */
  readonly queueBytesMax: number;
  /** How long a session lives without a frame from the far side; a client's is the server's, told in WELCOME (D13). */
  readonly leaseMs: number;
  /** How long a session waits for its first attach. */
  readonly freshMs: number;
  /** How long {@link Session.close} waits for CLOSED. */
  readonly closeMs: number;
}

/** What a server puts into WELCOME beside what the core knows. */
export type WelcomeExtras = Pick<WelcomeFrame, "admission"> &
  Partial<Pick<WelcomeFrame, "id" | "key" | "links" | "heldMs">>;

/** How a client's attach proves itself: by the key, or as a first access. Merged into the frame as it is. */
export type AttachProof =
  | Pick<AttachFrame, "type" | "key" | "companion">
  | Pick<AccessFrame, "type" | "nonce" | "service" | "triedMsAgo" | "roundTripMs">;
