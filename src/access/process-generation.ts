/**
 * Part 24 of the source: generates one communication process per access and manages all of them. It owns which
 * identification belongs to which process, and how each ends; it knows neither HTTP nor where a process runs.
 */
import type { DuowireError } from "../base/errors.js";
import type { CommunicationProcess } from "./communication-process.js";
import { Counts } from "./counts.js";

/** One entry of the live list: a process, or one that is still being made. */
export interface Generation {
  readonly id: string;
  /** Where the access came from, for the count per source. */
  readonly source: string;
  /** Set once the process is made. */
  readonly process: CommunicationProcess | undefined;
  /** The process when it is made; rejects when it could not be. A second access that comes early waits for it (D3). */
  readonly ready: Promise<CommunicationProcess>;
}

/** What the list is told of an access whose process it generates. */
export interface GenerationOrder {
  readonly id: string;
  readonly source: string;
  /** The access's nonce, if it has one. */
  readonly nonce: string | undefined;
}

/** What the list needs. */
export interface ProcessListOptions {
  /** The monotonic time. */
  readonly now: () => number;
  /** How long a process waits for its first attach, and hears nothing of its client, before `attach_timeout`. */
  readonly attachDeadlineMs: number;
  /** How long a nonce is remembered: the lease. */
  readonly noncesKeptMs: number;
  /** How many nonces are remembered at most; the oldest go first. */
  readonly noncesMax: number;
  /** A process was made. */
  readonly generated: (process: CommunicationProcess) => void;
  /** A process that was made has ended. */
  readonly ended: (process: CommunicationProcess, reason: DuowireError) => void;
}

interface Entry extends Generation {
  process: CommunicationProcess | undefined;
  ready: Promise<CommunicationProcess>;
  readyMs: number;
  /** When its client last asked for it. */
  heardMs: number;
  /** Set when the process must end although it is not made yet. */
  endReason: DuowireError | undefined;
  /** Takes it out of the count of its source. */
  uncount: () => void;
}

/** The live list. An entry stays until its process has ended; its nonce stays for the lease. */
export class ProcessList {
  readonly #options: ProcessListOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #bySource = new Counts();
  /** Never attached to, by source. An entry that was attached to is taken out when somebody looks. */
  readonly #waiting = new Map<string, Set<Entry>>();
  /** Ready and perhaps never attached to, in the order of their deadlines. */
  readonly #deadlines = new Set<Entry>();
  readonly #nonces = new Map<string, { id: string; atMs: number }>();
  /** Why processes crashed, the latest last: nobody else can tell their clients. */
  readonly #crashes = new Map<string, { reason: DuowireError; atMs: number }>();
  #knownSinceMs: number;

  constructor(options: ProcessListOptions) {
    this.#options = options;
    this.#knownSinceMs = options.now();
  }

  /** Processes that live or are being made. */
  get size(): number {
    return this.#entries.size;
  }

  /** An access from before this moment may have been forgotten. */
  get knownSinceMs(): number {
    this.#forgetNonces();
    return this.#knownSinceMs;
  }

  /** The processes that live, in the order of their accesses. */
  *[Symbol.iterator](): Generator<CommunicationProcess> {
    for (const { process } of this.#entries.values()) if (process !== undefined) yield process;
  }

  get(id: string): Generation | undefined {
    return this.#entries.get(id);
  }

  /** The access that this nonce came with, if it is remembered. */
  known(nonce: string | undefined): { id: string; live: boolean } | undefined {
    const known = nonce === undefined ? undefined : this.#nonces.get(nonce);
    return known && { id: known.id, live: this.#entries.has(known.id) };
  }

  /** How many processes from `source` live or are being made. */
  from(source: string): number {
    return this.#bySource.of(source);
  }

  /** Why the process with this identification crashed, if it did, for as long as a nonce is remembered. */
  crashOf(id: string): DuowireError | undefined {
    return this.#crashes.get(id)?.reason;
  }

  /** How many processes from `source` were never attached to. */
  waitingFrom(source: string): number {
    const waiting = this.#waiting.get(source);
    for (const entry of waiting ?? []) if (!isWaiting(entry)) this.#stopWaiting(entry);
    return this.#waiting.get(source)?.size ?? 0;
  }

  /**
   * Generates a process by `make` and lists it at once, so that a repeat and an early second access find it. When
   * `make` fails, the entry and its nonce are forgotten: nothing has run, so the access may be tried again.
   */
  generate(order: GenerationOrder, make: () => Promise<CommunicationProcess>): Generation {
    const { id, source, nonce } = order;
    const uncount = this.#bySource.add(source);
    const times = { readyMs: 0, heardMs: 0 };
    const entry: Entry = { id, source, process: undefined, ...times, endReason: undefined, uncount, ready: make() };
    this.#entries.set(id, entry);
    this.#waiting.set(source, (this.#waiting.get(source) ?? new Set()).add(entry));
    if (nonce !== undefined) this.#remember(nonce, id);
    entry.ready = entry.ready.then(
      (process) => this.#made(entry, process),
      (error: unknown) => {
        this.#remove(entry);
        if (nonce !== undefined) this.#nonces.delete(nonce);
        throw error;
      },
    );
    // Whoever waits for it is told; that nobody waits is no reason for an unhandled rejection.
    entry.ready.catch(() => undefined);
    return entry;
  }

  /** How long ago the process with this identification was made; 0 when it is being made, or is not here. */
  ageMs(id: string): number {
    const entry = this.#entries.get(id);
    return entry?.process === undefined ? 0 : this.#options.now() - entry.readyMs;
  }

  /**
   * The client of this process has asked for it: whoever tries to attach, however long that takes on a busy machine,
   * is waited for. Call it for nobody who has not shown the access's nonce, the key or an admission token.
   */
  heard(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined || !this.#deadlines.delete(entry)) return;
    entry.heardMs = this.#options.now();
    this.#deadlines.add(entry);
  }

  /** Ends the process with this identification; false when there is none. */
  end(id: string, reason: DuowireError): boolean {
    const entry = this.#entries.get(id);
    if (entry === undefined) return false;
    entry.endReason ??= reason;
    entry.process?.end(reason);
    return true;
  }

  /** Ends all of them; settles when every one has ended. */
  async endAll(reason: DuowireError): Promise<void> {
    const all = [...this.#entries.values()];
    for (const { id } of all) this.end(id, reason);
    await Promise.allSettled(all.map(async (entry) => (await entry.ready).ended));
  }

  /** When {@link overdue} next has something to say; undefined while no process waits for its first attach. */
  get nextDeadlineMs(): number | undefined {
    for (const entry of this.#deadlines) {
      if (isWaiting(entry)) return entry.heardMs + this.#options.attachDeadlineMs;
      this.#stopWaiting(entry);
    }
    return undefined;
  }

  /** The identifications of the processes that waited for their first attach until now, in vain. */
  overdue(): string[] {
    const latestMs = this.#options.now() - this.#options.attachDeadlineMs;
    const overdue: string[] = [];
    for (const entry of this.#deadlines) {
      if (entry.heardMs > latestMs) break;
      if (isWaiting(entry)) overdue.push(entry.id);
      this.#stopWaiting(entry);
    }
    return overdue;
  }

  #made(entry: Entry, process: CommunicationProcess): CommunicationProcess {
    entry.process = process;
    entry.readyMs = entry.heardMs = this.#options.now();
    this.#deadlines.add(entry);
    void process.ended.then((reason) => {
      this.#remove(entry);
      if (reason.code === "process_crashed") this.#rememberCrash(entry.id, reason);
      this.#options.ended(process, reason);
    });
    this.#options.generated(process);
    if (entry.endReason !== undefined) process.end(entry.endReason);
    return process;
  }

  #remove(entry: Entry): void {
    this.#entries.delete(entry.id);
    entry.uncount();
    this.#stopWaiting(entry);
  }

  #stopWaiting(entry: Entry): void {
    this.#deadlines.delete(entry);
    const waiting = this.#waiting.get(entry.source);
    waiting?.delete(entry);
    if (waiting?.size === 0) this.#waiting.delete(entry.source);
  }

  #remember(nonce: string, id: string): void {
    this.#nonces.set(nonce, { id, atMs: this.#options.now() });
    this.#forgetNonces();
  }

  #rememberCrash(id: string, reason: DuowireError): void {
    const { now, noncesKeptMs, noncesMax } = this.#options;
    this.#crashes.set(id, { reason, atMs: now() });
    for (const [oldest, { atMs }] of this.#crashes) {
      if (atMs > now() - noncesKeptMs && this.#crashes.size <= noncesMax) break;
      this.#crashes.delete(oldest);
    }
  }

  /** Forgetting moves the horizon: an unknown nonce from before it may be a repeat, and is refused as such. */
  #forgetNonces(): void {
    const oldestMs = this.#options.now() - this.#options.noncesKeptMs;
    for (const [nonce, { atMs }] of this.#nonces) {
      if (atMs > oldestMs && this.#nonces.size <= this.#options.noncesMax) break;
      this.#nonces.delete(nonce);
      this.#knownSinceMs = Math.max(this.#knownSinceMs, atMs);
    }
  }
}

function isWaiting(entry: Entry): boolean {
  return entry.process === undefined || entry.process.state === "waiting";
}
