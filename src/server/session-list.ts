/** The live list of a server's sessions, as the program around it sees them (D25). */
import type {
  CommunicationProcess,
  ProcessFigures,
  ProcessPlace,
  ProcessState,
} from "../access/communication-process.js";
import type { ProcessList } from "../access/process-generation.js";
import { DuowireError } from "../base/errors.js";
import type { LinkKind } from "../frame/link.js";
import type { RemoteClientOf } from "../rpc/types.js";

/** One live session, seen from outside of its service. Its key is not here: nobody outside needs it. */
export class ServerSession<Service extends object = object> {
  readonly #process: CommunicationProcess;
  readonly #list: ProcessList;

  constructor(process: CommunicationProcess, list: ProcessList) {
    this.#process = process;
    this.#list = list;
  }

  /** The identification in its address, such as `WAO.n1.k3J9…`. */
  get id(): string {
    return this.#process.access.id;
  }

  /** The client: call it from anywhere in the server's program. While it cannot be reached, calls wait. */
  get client(): RemoteClientOf<Service> {
    return this.#process.client as RemoteClientOf<Service>;
  }

  /** The name of its service; `default` when the server has only one. */
  get service(): string {
    return this.#process.access.service;
  }

  /** Who the client is, if `authorize` said so. */
  get principal(): string | undefined {
    return this.#process.access.principal;
  }

  /** `waiting` until the client attached for the first time. */
  get state(): ProcessState {
    return this.#process.state;
  }

  /** Which kind of link it has now, if any. */
  get linkKind(): LinkKind | undefined {
    return this.#process.linkKind;
  }

  /** Its address at this server's socket, after any NAT in front of it: for people, never for the client. */
  get localAddress(): string {
    return this.#process.access.localAddress;
  }

  /** Where its access came from. */
  get remoteAddress(): string {
    return this.#process.access.remoteAddress;
  }

  /** How long ago it was made, in milliseconds. */
  get ageMs(): number {
    return this.#list.ageMs(this.id);
  }

  /** Calls and octets under way, as last heard of; undefined where its host does not know. */
  get figures(): ProcessFigures | undefined {
    return this.#process.figures;
  }

  /** Where its process runs: the kind of host, its pid or thread, its memory; undefined where that is not told. */
  get place(): ProcessPlace | undefined {
    return this.#process.place;
  }

  /** Settles with the reason when it has ended; never rejects. */
  get ended(): Promise<DuowireError> {
    return this.#process.ended;
  }

  /** Ends it; its client is told `closed` with this message. Does nothing the second time. */
  end(message?: string): void {
    this.#process.end(new DuowireError("closed", message));
  }
}

/** The sessions that live now. Iterates in the order of their accesses. */
export class SessionList<Service extends object = object> {
  readonly #processes: ProcessList;
  /** One session object per process, so that a caller may compare and keep them. */
  readonly #sessions = new WeakMap<CommunicationProcess, ServerSession<Service>>();

  constructor(processes: ProcessList) {
    this.#processes = processes;
  }

  /** How many there are, those still being made included. */
  get size(): number {
    return this.#processes.size;
  }

  *[Symbol.iterator](): Generator<ServerSession<Service>> {
    for (const process of this.#processes) yield this.of(process);
  }

  /** The session with this identification; undefined when there is none, or its process is still being made. */
  get(id: string): ServerSession<Service> | undefined {
    const process = this.#processes.get(id)?.process;
    return process && this.of(process);
  }

  /** The sessions of one principal, oldest first; looks through the whole list. */
  find(principal: string): ServerSession<Service>[] {
    return [...this].filter((session) => session.principal === principal);
  }

  /** Ends the session with this identification; its client is told `closed`. False when there is none. */
  end(id: string, message?: string): boolean {
    return this.#processes.end(id, new DuowireError("closed", message));
  }

  /** The session of a process. */
  of(process: CommunicationProcess): ServerSession<Service> {
    const known = this.#sessions.get(process);
    if (known !== undefined) return known;
    const session = new ServerSession<Service>(process, this.#processes);
    this.#sessions.set(process, session);
    return session;
  }
}
