/** A group of sessions: called all at once, counted, watched (D25). */
import type { Access, CommunicationProcess } from "../access/communication-process.js";
import { typedEventTarget } from "../base/events.js";
import { groupClient } from "../host/service-group.js";
import {
  type EncodedCall,
  type GroupCall,
  type GroupClient,
  type GroupOutcome,
  type JoinOptions,
  MemberCalls,
  type Presence,
  type PresenceChange,
} from "../rpc/group.js";
import { guardListeners } from "../rpc/listeners.js";
import { Member } from "./member.js";
import type { ServerSession } from "./session-list.js";

/** The events of a {@link Group}: each is a CustomEvent whose `detail` is the member as it is after the change. */
export interface GroupEvents {
  joined: PresenceChange;
  left: PresenceChange;
  /** A member joined again with another `info`. */
  info: PresenceChange;
  /** A member was cut off, or came back. It is a member all the same. */
  state: PresenceChange;
}

/** What the services' client type is, as the group's members expose it. */
type ClientOfSession<Service> = Service extends { readonly client: infer Client } ? Client : unknown;

/** What a group asks of the list that it belongs to. */
export interface GroupKeeper {
  /** The process of a session that may join; throws when it has ended. */
  processOf(id: string): CommunicationProcess;
  now(): Date;
  joined(group: Group, id: string): void;
  left(group: Group, id: string): void;
  /** A listener of the program's failed, of the event `type` of a group, which told of this member. */
  listenerFailed(access: Access, type: string, error: unknown): void;
}

/**
 * Sessions that are called together. A call is encoded once for all members; a member that is interrupted stays a
 * member, and its calls wait for it. A session leaves when it ends, or by {@link remove}.
 */
export class Group<Service extends object = object> extends typedEventTarget<GroupEvents>() {
  readonly #members = new Map<string, Member>();
  readonly #keeper: GroupKeeper;
  /** Whom an event tells of. */
  readonly #subjects = new WeakMap<Event, Access>();

  /** For the server, see `server.group(name)`. */
  constructor(
    readonly name: string,
    keeper: GroupKeeper,
  ) {
    super();
    this.#keeper = keeper;
    guardListeners(this, (event, error) => {
      const access = this.#subjects.get(event);
      if (access !== undefined) keeper.listenerFailed(access, `group.${event.type}`, error);
    });
  }

  /** How many sessions are in it. */
  get size(): number {
    return this.#members.size;
  }

  /** How many calls were not made at members that declared it so, and are still in it. */
  get dropped(): number {
    let dropped = 0;
    for (const member of this.#members.values()) dropped += member.dropped;
    return dropped;
  }

  /** Who is in it now, in the order in which they came. */
  *[Symbol.iterator](): Generator<Presence> {
    for (const { presence } of this.#members.values()) yield presence;
  }

  /** Whether the session is in it. */
  has({ id }: Pick<ServerSession, "id">): boolean {
    return this.#members.has(id);
  }

  /**
   * Puts a session in; again: changes its info and policy. Throws `session_ended` when it has ended, and
   * `invalid_argument` for a policy that there is none of.
   */
  add({ id }: Pick<ServerSession, "id">, options: JoinOptions = {}): void {
    const present = this.#members.get(id);
    if (present !== undefined) {
      present.set(options);
      this.#tell("info", present);
      return;
    }
    const member = new Member(this.#keeper.processOf(id), this.#keeper.now(), options);
    this.#members.set(id, member);
    this.#keeper.joined(this as Group, id);
    this.#tell("joined", member);
  }

  /** Takes a session out; false when it was not in. */
  remove({ id }: Pick<ServerSession, "id">): boolean {
    const member = this.#members.get(id);
    if (member === undefined) return false;
    this.#members.delete(id);
    member.leave();
    this.#keeper.left(this as Group, id);
    this.#tell("left", member);
    return true;
  }

  /** All members' clients: each method calls every one of them, and may be awaited for their outcomes. */
  get client(): GroupClient<ClientOfSession<Service>> {
    return groupClient((call) => this.callEncoded(call));
  }

  /** All members' clients but one: everybody but who said it. */
  except({ id }: Pick<ServerSession, "id">): GroupClient<ClientOfSession<Service>> {
    return groupClient((call) => this.callEncoded(call, id));
  }

  /** Calls all members, but `except`, with what was written once. */
  callEncoded(call: EncodedCall, except?: string): GroupCall<unknown> {
    const calls: { readonly id: string; readonly call: PromiseLike<unknown> }[] = [];
    for (const [id, member] of this.#members) if (id !== except) calls.push({ id, call: member.call(call) });
    return new MemberCalls(() => outcomesOf(calls));
  }

  /** A member's state is another one. That it ends is told by `left`. */
  stateChanged(id: string): void {
    const member = this.#members.get(id);
    const { state } = member?.process ?? {};
    if (member !== undefined && state !== "closing" && state !== "closed") this.#tell("state", member);
  }

  #tell(change: keyof GroupEvents, { presence, process }: Member): void {
    const event = new CustomEvent(change, { detail: { ...presence, change } });
    this.#subjects.set(event, process.access);
    this.dispatchEvent(event);
  }
}

async function outcomesOf(
  calls: readonly { readonly id: string; readonly call: PromiseLike<unknown> }[],
): Promise<readonly GroupOutcome<unknown>[]> {
  const settled = await Promise.allSettled(calls.map(({ call }) => call));
  return settled.map((outcome, index) => ({ ...outcome, id: calls[index]?.id ?? "" }));
}
