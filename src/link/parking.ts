/**
 * Who may keep an answer waiting at the server (D15). A browser opens six HTTP/1.1 connections to an origin, for all
 * its tabs together; answers that wait would soon hold them all. So of all the links that the pages of one origin have,
 * three wait, and the others ask now and then: visible pages come first, then who was there first.
 *
 * Pages agree by telling each other that they are there. Web Locks would do the same with less, but pages on plain http
 * do not have them, and those are the pages that proxies without WebSocket meet.
 */
import { type CancelTimer, type Clock, systemClock } from "../base/clock.js";

/** One link's wish to keep an answer waiting. */
export interface ParkingClaim {
  readonly isGranted: boolean;
  /** The link is dead. */
  release(): void;
}

/** Claims a place; `changed` is called whenever it is granted or taken back, never from inside of the call. */
export type ClaimParking = (changed: () => void) => ParkingClaim;

/** What pages tell each other. Without `since`: it is gone. */
interface Word {
  readonly id: string;
  readonly since?: number;
  readonly isHidden?: boolean;
}

/** Places for one origin: half of a browser's connections to it. */
const PLACES = 3;
/** How long the others have to say that they are there. */
const ANSWER_MS = 100;
/** Who is there says so this often; a hidden page's timers may run once a minute. */
const REPEAT_MS = 20_000;
/** Whoever has not been heard for this long is gone. */
const SILENT_MS_MAX = 90_000;
const CHANNEL = "duowire.parking";

/** Where nothing but this program uses the connections: each link has a place. */
export const alwaysGranted: ClaimParking = () => ({ isGranted: true, release() {} });

/** A place shared with all pages of the origin; in Node, {@link alwaysGranted}. */
export const sharedParking: ClaimParking = (changed) => {
  const isPage = "document" in globalThis || "importScripts" in globalThis;
  if (!isPage || typeof BroadcastChannel !== "function") return alwaysGranted(changed);
  return new SharedClaim(new BroadcastChannel(CHANNEL), systemClock, globalThis.document, changed);
};

/** The part of a BroadcastChannel that is used. */
export type TabChannel = Pick<BroadcastChannel, "onmessage" | "postMessage" | "close">;

/** A claim among those that are told of on one channel. */
export class SharedClaim implements ParkingClaim {
  isGranted = false;
  private isSettled = false;
  private readonly id = crypto.getRandomValues(new Uint32Array(2)).join();
  private readonly since: number;
  private readonly others = new Map<string, { readonly word: Word; readonly heardAt: number }>();
  private readonly speak = () => this.say(this.word);
  private cancelRepeat: CancelTimer;

  constructor(
    private readonly channel: TabChannel,
    private readonly clock: Clock,
    /** Undefined in a worker. */
    private readonly page: Pick<Document, "hidden" | "addEventListener" | "removeEventListener"> | undefined,
    private readonly changed: () => void,
  ) {
    this.since = clock.wallMs();
    channel.onmessage = ({ data }) => this.hear(data as Word);
    page?.addEventListener("visibilitychange", this.speak);
    this.speak();
    this.cancelRepeat = clock.after(ANSWER_MS, () => {
      this.isSettled = true;
      this.repeat();
    });
  }

  release(): void {
    this.cancelRepeat();
    this.page?.removeEventListener("visibilitychange", this.speak);
    this.channel.onmessage = null;
    this.channel.postMessage({ id: this.id });
    this.channel.close();
  }

  private get word(): Word & { readonly since: number } {
    return { id: this.id, since: this.since, isHidden: this.page?.hidden ?? false };
  }

  private say(word: Word): void {
    this.channel.postMessage(word);
    this.judge();
  }

  private repeat(): void {
    this.cancelRepeat = this.clock.after(REPEAT_MS, () => this.repeat());
    this.speak();
  }

  private hear(word: Word): void {
    const isNew = !this.others.has(word.id);
    if (word.since === undefined) this.others.delete(word.id);
    else this.others.set(word.id, { word, heardAt: this.clock.monotonicMs() });
    if (isNew && word.since !== undefined) this.speak();
    else this.judge();
  }

  private judge(): void {
    const heardSince = this.clock.monotonicMs() - SILENT_MS_MAX;
    const mine = orderOf(this.word);
    let ahead = 0;
    for (const { word, heardAt } of this.others.values()) if (heardAt > heardSince && orderOf(word) < mine) ahead += 1;
    const isGranted = this.isSettled && ahead < PLACES;
    if (isGranted === this.isGranted) return;
    this.isGranted = isGranted;
    this.changed();
  }
}

/** Texts that sort as claims do: the visible first, then the older. */
function orderOf({ isHidden, since, id }: Word): string {
  return `${isHidden ? 1 : 0} ${String(since).padStart(20, "0")} ${id}`;
}
