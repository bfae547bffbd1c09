/**
 * What a server's process and its carriers say to each other, as types: one table for each direction. They travel by
 * structured clone (threads) or by Node's "advanced" serialization (processes); both ends are always the same version
 * of this library, so nothing is checked here and nothing is kept compatible.
 *
 * `id` is always a session's identification. A **flow** is a numbered two-way run of octets with credit, opened by the
 * server's side: a relayed link, one HTTP request and its answer, or calls of the server's program and of the carrier.
 */
import type { Access, AccessProof, ProcessFigures, ProcessState } from "../access/communication-process.js";
import type { CallOutcome, ErrorSide } from "../base/errors.js";
import type { AnnouncedLimits } from "../frame/limits.js";
import type { LinkEnd, LinkKind } from "../frame/link.js";

/** The number of a flow: 1, 2, 3, … per carrier, never used twice. */
export type FlowNumber = number;

/** An error on its way between threads or processes; carried-error.ts makes it and makes an error of it again. */
export interface CarriedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string | undefined;
  /** Of a DuowireError or RemoteError, or what else has a text as its `code`. */
  readonly code?: string | undefined;
  readonly side?: ErrorSide | undefined;
  readonly outcome?: CallOutcome | undefined;
  readonly retryAfterMs?: number | undefined;
  /** A RemoteError: what the client threw. */
  readonly isRemote?: boolean;
  readonly cause?: CarriedError | undefined;
}

/** What a carried process shares with its server: {@link ProcessGrounds} without what cannot travel. */
export interface CarriedGrounds {
  readonly leaseMs: number;
  readonly links: readonly string[];
  readonly limits: AnnouncedLimits;
  readonly queueBytesMax: number;
  readonly errorStacks: boolean;
}

/** The head of an HTTP request: for a service's `fetch`, and for the handshake of an upgrade. */
export interface CarriedRequest {
  readonly method: string;
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
}

/** The head of the answer of a service's `fetch`. */
export interface CarriedResponse {
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Whether octets follow; {@link FlowFinish} does in any case. */
  readonly hasBody: boolean;
}

/** Octets of a flow, in either direction; bounded by the other side's credit. */
export interface FlowOctets {
  readonly type: "octets";
  readonly flow: FlowNumber;
  readonly octets: Uint8Array;
}

/** The receiver of octets has passed on, or used, so many of them. */
export interface FlowTaken {
  readonly type: "taken";
  readonly flow: FlowNumber;
  readonly bytes: number;
}

/** No octets of this flow follow in this direction. When both sides have said so, the flow is over. */
export interface FlowFinish {
  readonly type: "finish";
  readonly flow: FlowNumber;
  /** Why a link ended or is to be ended; `aborted` when the octets before are not all that there should have been. */
  readonly reason: string;
  readonly end: LinkEnd | "whole" | "aborted";
}

/** The receiver wants no more octets of this flow: the other side is to finish. */
export interface FlowStop {
  readonly type: "stop";
  readonly flow: FlowNumber;
  readonly reason: string;
}

/** A message of a flow, in either direction. */
export type FlowMessage = FlowOctets | FlowTaken | FlowFinish | FlowStop;

/** What the server's process says to a carrier. */
export type ToCarrier =
  /** Make a communication process; answered by `generated` or `refused`. */
  | {
      readonly type: "generate";
      readonly id: string;
      readonly access: Access;
      /** The session's own secret: nothing of another session follows from it. */
      readonly secret: Uint8Array;
      readonly grounds: CarriedGrounds;
      /** The flow of the calls between the server's program and the carrier, as messages of spec/rpc.md. */
      readonly talk: FlowNumber;
    }
  /** End the process in good order, with this reason; answered by `ended` once it has. */
  | { readonly type: "end"; readonly id: string; readonly reason: CarriedError }
  /** The server is about to stop: end the process with this reason as soon as nothing is under way. */
  | { readonly type: "drain"; readonly id: string; readonly reason: CarriedError; readonly withinMs: number }
  /** A flow that is a link: the process accepts or refuses it. */
  | {
      readonly type: "link";
      readonly id: string;
      readonly flow: FlowNumber;
      readonly kind: LinkKind;
      readonly proof: AccessProof | undefined;
    }
  /** A flow that is one HTTP request: its body's octets follow if `hasBody`. Answered by `answer`. */
  | {
      readonly type: "request";
      readonly id: string;
      readonly flow: FlowNumber;
      readonly request: CarriedRequest;
      readonly hasBody: boolean;
    }
  /** With the socket of an upgrade, and what the client sent behind its head. Answered by `socket_taken`. */
  | {
      readonly type: "socket";
      readonly id: string;
      readonly number: number;
      readonly request: CarriedRequest;
      readonly head: Uint8Array;
    }
  /** Nothing is carried any more: exit in good order. */
  | { readonly type: "leave" }
  /** Answer `pong` at once: shows that the carrier's event loop turns. */
  | { readonly type: "ping"; readonly number: number }
  | FlowMessage;

/** What a carrier says to the server's process. */
export type FromCarrier =
  /** The module is loaded. */
  | { readonly type: "ready" }
  /** An error was not caught: the process ends of it. Of a thread, Node tells by itself. */
  | { readonly type: "dying"; readonly error: CarriedError }
  /** The module cannot be used: nothing follows but the carrier's end. */
  | { readonly type: "unusable"; readonly error: CarriedError }
  | { readonly type: "generated"; readonly id: string }
  /** The process could not be made, or was ended before it was. */
  | { readonly type: "refused"; readonly id: string; readonly error: CarriedError }
  /** Something of this has changed. `lastAttach` is the highest attach number that was answered. */
  | {
      readonly type: "state";
      readonly id: string;
      readonly state: ProcessState;
      readonly linkKind: LinkKind | undefined;
      readonly lastAttach: number;
    }
  /** The process has ended, and every link of it was told to. */
  | { readonly type: "ended"; readonly id: string; readonly reason: CarriedError }
  /** Its service is disposed of: nothing of the session is left in the carrier. */
  | { readonly type: "disposed"; readonly id: string }
  /** The head of the answer to a `request`. */
  | { readonly type: "answer"; readonly flow: FlowNumber; readonly response: CarriedResponse }
  /** The socket with this number has arrived; from now on it is the carrier's alone. */
  | { readonly type: "socket_taken"; readonly number: number }
  /** What {@link ProcessObserver} is told. */
  | {
      readonly type: "service_error" | "call_failed";
      readonly id: string;
      readonly method: string;
      readonly error: CarriedError;
    }
  | { readonly type: "references_high"; readonly id: string; readonly lent: number; readonly referencesMax: number }
  | { readonly type: "bug"; readonly id: string; readonly error: CarriedError }
  /** Answers `ping`, with the figures of each session that has others than it had at the ping before. */
  | {
      readonly type: "pong";
      readonly number: number;
      readonly heapBytes: number;
      readonly rssBytes: number;
      readonly figures: readonly (readonly [id: string, figures: ProcessFigures])[];
    }
  | FlowMessage;
