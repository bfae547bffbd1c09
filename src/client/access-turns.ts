/**
 * How many first accesses of one program may be on their way to one server at once without a sign that it has read
 * them. Node takes one connection in each turn of its loop, so that a server that is busy reads a crowd slowly; what is
 * not read in time is repeated, and the repeats are a greater crowd. Whoever has to wait waits here, where it costs
 * nobody anything, as it would in a browser, which opens six connections.
 */

/** Accesses of one program that a server may not have read yet, at first: a browser opens as many connections. */
export const UNHEARD_FIRST = 6;
/** An access that was heard in this time, or in twice the least, makes room for one more: the server keeps up. */
const KEEPS_UP_MS = 100;
const KEEPS_UP_TIMES = 2;

/**
 * Has `begin` called as soon as it may: at once, or later; `heardMs` is how long another access had to wait lately
 * until anything was heard. Returns what makes room for the next: to be called when anything was heard, or nothing is
 * waited for any more; a second call does nothing.
 */
export type EnterAccess = (begin: (heardMs: number) => void, now: () => number) => () => void;

/** An access that has its turn, or waits for it. */
interface Entry {
  readonly begin: (heardMs: number) => void;
  readonly now: () => number;
}

/** The accesses to one server, in the order in which they came. */
class AccessTurns {
  private readonly inside = new Map<Entry, number>();
  private readonly waiting = new Set<Entry>();
  private unheardMax = UNHEARD_FIRST;
  private heardMs = 0;
  private leastHeardMs = Number.POSITIVE_INFINITY;

  get isEmpty(): boolean {
    return this.inside.size === 0;
  }

  enter(entry: Entry): void {
    if (this.inside.size >= this.unheardMax) this.waiting.add(entry);
    else {
      this.inside.set(entry, entry.now());
      entry.begin(this.heardMs);
    }
  }

  leave(entry: Entry): void {
    this.waiting.delete(entry);
    const since = this.inside.get(entry);
    if (since === undefined) return;
    this.inside.delete(entry);
    this.heardAfter(entry.now() - since);
    for (const next of this.waiting) {
      if (this.inside.size >= this.unheardMax) return;
      this.waiting.delete(next);
      this.enter(next);
    }
  }

  /** A long way is as long for everybody; what takes longer the more there are is a server that reads slowly. */
  private heardAfter(ms: number): void {
    this.heardMs = ms;
    this.leastHeardMs = Math.min(this.leastHeardMs, ms);
    const keepsUp = ms <= Math.max(KEEPS_UP_MS, KEEPS_UP_TIMES * this.leastHeardMs);
    this.unheardMax = keepsUp ? this.unheardMax + 1 : Math.max(UNHEARD_FIRST, this.unheardMax >> 1);
  }
}

const servers = new Map<string, AccessTurns>();

/** The turns of this program's accesses to the server with this origin. */
export function accessTurns(origin: string): EnterAccess {
  return (begin, now) => {
    const turns = servers.get(origin) ?? new AccessTurns();
    servers.set(origin, turns);
    const entry = { begin, now };
    turns.enter(entry);
    return () => {
      turns.leave(entry);
      if (turns.isEmpty && servers.get(origin) === turns) servers.delete(origin);
    };
  };
}

/** Where there is no crowd: everybody begins at once. */
export const alwaysEntered: EnterAccess = (begin) => {
  begin(0);
  return () => {};
};
