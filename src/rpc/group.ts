/**
 * Groups, as far as calls go (D25): what a group's members are called with, written once for all of them, and what a
 * service sees of the groups that its session is in. The groups themselves are the server's (server/groups.ts).
 */
import { DuowireError, type ErrorCode } from "../base/errors.js";
import { OctetWriter } from "../base/octets.js";
import { encodeValue } from "./codec.js";
import { localError, writeNumber } from "./messages.js";
import type { RemoteCall } from "./remote-call.js";
import { Target } from "./service.js";
import { streamKindOf } from "./stream-shapes.js";
import type { Remote, ResultOf } from "./types.js";

/** A call of the far side's root without its number: the same octets for every session. */
export interface EncodedCall {
  readonly method: string;
  /** Target, method and arguments, as they stand in a CALL. */
  readonly body: Uint8Array;
  /** Why there is none: the call fails so at each member. As data, since the groups may be another process's. */
  readonly refusal?: { readonly code: ErrorCode; readonly message: string };
}

/**
 * What becomes of a group's call at a member that is slower than the calls come.
 *
 * - `"end"` (default): its calls queue like all others; when they reach `queueBytesMax`, its session ends with
 *   `slow_consumer`.
 * - `"drop_oldest"`: up to 64 calls are under way and 64 wait; one more, and the oldest that waits is dropped.
 * - `"latest"`: one call of a method is under way and one waits; a newer one takes the place of the one that waits.
 *
 * A dropped call never ran; it is counted, and its outcome is `queue_full`.
 */
export type SlowConsumer = "end" | "drop_oldest" | "latest";

/** How a session joins a group. */
export interface JoinOptions {
  /** What the others see of this member, such as a name: a value that may cross the wire. */
  readonly info?: unknown;
  readonly slow?: SlowConsumer;
}

/** One member of a group, as everybody may see it. */
export interface Presence {
  /** The identification of its session: it names the member and opens nothing. */
  readonly id: string;
  readonly info: unknown;
  /** Whether it can be reached now. */
  readonly state: "waiting" | "open" | "interrupted" | "closing" | "closed";
  /** When it joined. */
  readonly since: Date;
}

/** A change in a group: a member came, went, changed its info, or was cut off and came back. */
export interface PresenceChange extends Presence {
  readonly change: "joined" | "left" | "info" | "state";
}

/** What a group's call came to at one member. */
export type GroupOutcome<T> = PromiseSettledResult<T> & {
  /** The identification of the member's session. */
  readonly id: string;
};

/** A call of all members. It need not be awaited; whoever awaits it gets each member's outcome. It never rejects. */
export type GroupCall<T> = PromiseLike<readonly GroupOutcome<T>[]>;

/** The clients of a group, called all at once. Arguments are data: one call lends nothing to many. */
export type GroupClient<Client> = {
  readonly [Name in keyof Remote<Client>]: Remote<Client>[Name] extends (
    ...args: infer Args
  ) => RemoteCall<infer Result>
    ? (...args: DataOf<Args>) => GroupCall<Result>
    : never;
};

/** Without the calls that stand for arguments elsewhere: what one session will return means nothing to another. */
type DataOf<Args extends readonly unknown[]> = { [Index in keyof Args]: Exclude<Args[Index], ResultOf<unknown>> };

/** One group, as a service sees it: the same in every host. `Client` is what the members' clients expose. */
export interface ServiceGroup<Client> {
  /** Puts this session into the group; again: changes its info and policy. It leaves when the session ends. */
  join(options?: JoinOptions): void;
  /** Takes this session out. Does nothing when it is not in. */
  leave(): void;
  /** All members' clients. */
  readonly client: GroupClient<Client>;
  /** The clients of all members but this session. */
  readonly others: GroupClient<Client>;
  /** Who is in it now. */
  members(): Promise<readonly Presence[]>;
  /**
   * Calls `listener` with each change until the function that it returns is called, or the session ends. What it
   * throws, or rejects with, is a `service_error`, as of a method.
   */
  watch(listener: (change: PresenceChange) => void): () => void;
}

/** The server's groups, as its processes reach them from wherever they run. `id` is the caller's session. */
export interface ProcessGroups {
  join(id: string, group: string, options: JoinOptions): void;
  leave(id: string, group: string): void;
  /** Calls all members but `except`. */
  call(group: string, call: EncodedCall, except?: string): GroupCall<unknown>;
  members(group: string): Promise<readonly Presence[]>;
  watch(id: string, group: string, listener: (change: PresenceChange) => void): () => void;
}

/** What stands behind {@link GroupCall}. No literal, which would be data with a `then`: a method may return it. */
export class MemberCalls implements GroupCall<unknown> {
  /** `outcomes` runs for who waits: only they pay for it. */
  constructor(private readonly outcomes: () => Promise<readonly GroupOutcome<unknown>[]>) {}

  // biome-ignore lint/suspicious/noThenProperty: a call is awaited, that is its purpose.
  then<A = readonly GroupOutcome<unknown>[], B = never>(
    fulfilled?: ((outcomes: readonly GroupOutcome<unknown>[]) => A | PromiseLike<A>) | null,
    rejected?: ((error: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.outcomes().then(fulfilled, rejected);
  }
}

/** {@link encodeCall}, but for arguments that cannot be sent: then each member's call will fail, and nothing throws. */
export function encodeOrRefuse(method: string, args: readonly unknown[]): EncodedCall {
  try {
    return encodeCall(method, args);
  } catch (error) {
    if (!(error instanceof DuowireError)) throw error;
    const { code, message } = error;
    return { method, body: new Uint8Array(0), refusal: { code, message } };
  }
}

/** The body of a call; throws its refusal if it has none. */
export function bodyOf({ body, refusal }: EncodedCall): Uint8Array {
  if (refusal) throw localError(refusal.code, refusal.message);
  return body;
}

/** Writes a call that is made on many sessions. Throws `invalid_argument` for arguments that are no data. */
export function encodeCall(method: string, args: readonly unknown[]): EncodedCall {
  const writer = new OctetWriter();
  writeNumber(writer, 0);
  encodeValue(nothingIsLent, writer, method, "method");
  encodeValue(nothingIsLent, writer, args, "arguments");
  return { method, body: writer.take() };
}

const nothingIsLent = {
  stacks: false,
  send(value: object): undefined {
    const isLent = typeof value === "function" || value instanceof Target || streamKindOf(value) !== undefined;
    if (!isLent) return undefined;
    const what = typeof value === "function" ? "a function" : "an object by reference or a stream";
    const message = `a group's call is written once for all members, so it cannot pass ${what}: call each client`;
    throw localError("invalid_argument", message);
  },
  receive: () => undefined,
};
