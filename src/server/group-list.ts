/** The groups of a server by name, and which sessions are in which: a session that ends leaves all of them. */
import type { Access, CommunicationProcess, ProcessObserver } from "../access/communication-process.js";
import type { ProcessList } from "../access/process-generation.js";
import type { Clock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import type { EncodedCall, GroupCall, JoinOptions, Presence, PresenceChange, ProcessGroups } from "../rpc/group.js";
import { Group, type GroupEvents, type GroupKeeper } from "./group.js";

/** How many groups one session may be in, and watch. */
const GROUPS_PER_SESSION_MAX = 1_024;
const NAME_CHARACTERS_MAX = 256;
const CHANGES: readonly (keyof GroupEvents)[] = ["joined", "left", "info", "state"];

/** What a session has to do with groups. */
interface Ties {
  readonly groups: Set<Group>;
  readonly watches: Set<() => void>;
}

/** A group, and why it stays when nobody is in it: the program may hold it, sessions may watch it. */
interface Entry {
  readonly group: Group;
  isKept: boolean;
  watches: number;
}

/** All groups of one server. */
export class GroupList implements ProcessGroups, GroupKeeper {
  readonly #entries = new Map<string, Entry>();
  readonly #ties = new Map<string, Ties>();

  constructor(
    private readonly processes: ProcessList,
    private readonly clock: Clock,
    private readonly observer: Pick<ProcessObserver, "serviceError">,
  ) {}

  /** The group of this name; made when there is none, and the same object from then on. */
  get(name: string): Group {
    const entry = this.#entry(name);
    entry.isKept = true;
    return entry.group;
  }

  /** Forgets a group that nobody is in and nobody watches; false when there is none, or somebody does. */
  forget(name: string): boolean {
    const entry = this.#entries.get(name);
    if (entry === undefined || entry.group.size > 0 || entry.watches > 0) return false;
    return this.#entries.delete(name);
  }

  join(id: string, group: string, options: JoinOptions): void {
    checkName(group);
    const generation = this.processes.get(id);
    if (generation?.process !== undefined) return this.#entry(group).group.add({ id }, options);
    // Its service is being opened: it is a member as soon as it is a process.
    void generation?.ready.then(() => this.#entry(group).group.add({ id }, options)).catch(() => undefined);
  }

  leave(id: string, group: string): void {
    this.#entries.get(group)?.group.remove({ id });
  }

  call(group: string, call: EncodedCall, except?: string): GroupCall<unknown> {
    return this.#entries.get(group)?.group.callEncoded(call, except) ?? Promise.resolve([]);
  }

  async members(group: string): Promise<readonly Presence[]> {
    return [...(this.#entries.get(group)?.group ?? [])];
  }

  watch(id: string, name: string, listener: (change: PresenceChange) => void): () => void {
    if (this.processes.get(id) === undefined) return () => undefined;
    const { watches } = this.#tiesOf(id);
    refuseMore(watches.size, "watch");
    const entry = this.#entry(name);
    entry.watches += 1;
    const heard = (event: CustomEvent<PresenceChange>) => listener(event.detail);
    for (const change of CHANGES) entry.group.addEventListener(change, heard);
    const stop = () => {
      if (!watches.delete(stop)) return;
      for (const change of CHANGES) entry.group.removeEventListener(change, heard as EventListener);
      entry.watches -= 1;
      this.#tidy(entry);
    };
    watches.add(stop);
    return stop;
  }

  /** The session has another state: its groups tell. */
  stateChanged(id: string): void {
    for (const group of this.#ties.get(id)?.groups ?? []) group.stateChanged(id);
  }

  /** The session has ended: it is in no group any more. */
  ended(id: string): void {
    const ties = this.#ties.get(id);
    if (ties === undefined) return;
    for (const stop of [...ties.watches]) stop();
    for (const group of [...ties.groups]) group.remove({ id });
    this.#ties.delete(id);
  }

  processOf(id: string): CommunicationProcess {
    const process = this.processes.get(id)?.process;
    if (process === undefined) throw new DuowireError("session_ended", `there is no session ${id} to join a group`);
    refuseMore(this.#ties.get(id)?.groups.size ?? 0, "join");
    return process;
  }

  listenerFailed(access: Access, type: string, error: unknown): void {
    this.observer.serviceError(access, type, error);
  }

  now(): Date {
    return new Date(this.clock.wallMs());
  }

  joined(group: Group, id: string): void {
    this.#tiesOf(id).groups.add(group);
  }

  left(group: Group, id: string): void {
    this.#ties.get(id)?.groups.delete(group);
    const entry = this.#entries.get(group.name);
    if (entry !== undefined) this.#tidy(entry);
  }

  #tidy({ group, isKept, watches }: Entry): void {
    if (group.size === 0 && !isKept && watches === 0) this.#entries.delete(group.name);
  }

  #entry(name: string): Entry {
    checkName(name);
    const entry = this.#entries.get(name) ?? { group: new Group(name, this), isKept: false, watches: 0 };
    this.#entries.set(name, entry);
    return entry;
  }

  #tiesOf(id: string): Ties {
    const known = this.#ties.get(id);
    if (known !== undefined) return known;
    const ties = { groups: new Set<Group>(), watches: new Set<() => void>() };
    this.#ties.set(id, ties);
    // A process that cannot be made never ends: what it tied while it was being made is untied here.
    this.processes.get(id)?.ready.catch(() => this.ended(id));
    return ties;
  }
}

function checkName(name: string): void {
  if (typeof name === "string" && name !== "" && name.length <= NAME_CHARACTERS_MAX) return;
  throw new DuowireError("invalid_argument", `a group's name is a text of 1 to ${NAME_CHARACTERS_MAX} characters`);
}

function refuseMore(count: number, what: string): void {
  if (count < GROUPS_PER_SESSION_MAX) return;
  throw new DuowireError("invalid_argument", `a session can ${what} at most ${GROUPS_PER_SESSION_MAX} groups`);
}
