/** One session in one group: what it is called with, and what happens when it is slower than the calls come (D23). */
import type { CommunicationProcess } from "../access/communication-process.js";
import { type Deferred, deferred } from "../base/deferred.js";
import { DuowireError } from "../base/errors.js";
import type { EncodedCall, JoinOptions, Presence, SlowConsumer } from "../rpc/group.js";

/** How many calls of one member are under way and how many wait, by what was declared; of each method for `latest`. */
const WINDOWS = {
  drop_oldest: { openMax: 64, waitingMax: 64 },
  latest: { openMax: 1, waitingMax: 1 },
} as const;

interface WaitingCall {
  readonly call: EncodedCall;
  readonly outcome: Deferred<unknown>;
}

/** The calls of a member under one window. */
interface Lane {
  open: number;
  readonly waiting: WaitingCall[];
}

/** A member of a group. */
export class Member {
  /** How many calls were dropped, by its policy. */
  dropped = 0;
  info: unknown;
  slow: SlowConsumer = "end";
  readonly #lanes = new Map<string, Lane>();

  constructor(
    readonly process: CommunicationProcess,
    readonly since: Date,
    options: JoinOptions,
  ) {
    this.set(options);
  }

  /** The identification of its session. */
  get id(): string {
    return this.process.access.id;
  }

  /** What everybody may see of it. */
  get presence(): Presence {
    const { id, info, since, process } = this;
    return { id, info, state: process.state, since };
  }

  set({ info, slow = "end" }: JoinOptions): void {
    if (slow !== "end" && !Object.hasOwn(WINDOWS, slow)) {
      throw new DuowireError("invalid_argument", `slow is ${String(slow)}; it is "end", "drop_oldest" or "latest"`);
    }
    this.info = info;
    this.slow = slow;
  }

  /** Calls its client, now or when its window has room; rejects `queue_full` when a newer call takes the place. */
  call(call: EncodedCall): PromiseLike<unknown> {
    if (this.slow === "end") return this.process.callEncoded(call);
    const { openMax, waitingMax } = WINDOWS[this.slow];
    const lane = this.#lane(this.slow === "latest" ? call.method : "");
    if (lane.open < openMax) return this.#send(lane, call);
    const outcome = deferred<unknown>();
    // Nobody need look: the count says it, too.
    outcome.promise.catch(() => undefined);
    lane.waiting.push({ call, outcome });
    if (lane.waiting.length > waitingMax) this.#drop(lane.waiting.shift());
    return outcome.promise;
  }

  /** It has left: what waits is not called any more. */
  leave(): void {
    for (const { waiting } of this.#lanes.values()) {
      for (const { outcome } of waiting.splice(0)) {
        const message = "the session left the group before this call was made";
        outcome.reject(new DuowireError("not_sent", message, { outcome: "not_sent" }));
      }
    }
  }

  #lane(name: string): Lane {
    const lane = this.#lanes.get(name) ?? { open: 0, waiting: [] };
    this.#lanes.set(name, lane);
    return lane;
  }

  #send(lane: Lane, call: EncodedCall): PromiseLike<unknown> {
    lane.open += 1;
    const sent = this.process.callEncoded(call);
    const settled = () => {
      lane.open -= 1;
      const next = lane.waiting.shift();
      if (next !== undefined) next.outcome.resolve(this.#send(lane, next.call));
    };
    sent.then(settled, settled);
    return sent;
  }

  #drop(waiting: WaitingCall | undefined): void {
    this.dropped += 1;
    const message = `dropped for a newer call: the client is slower than the calls come (slow: "${this.slow}")`;
    waiting?.outcome.reject(new DuowireError("queue_full", message, { outcome: "not_sent" }));
  }
}
