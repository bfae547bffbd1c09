/** A client's communication over links that the test holds in its hands. */
import type { RandomOctets } from "../../src/base/clock.js";
import type { DuowireError } from "../../src/base/errors.js";
import { alwaysEntered, type EnterAccess } from "../../src/client/access-turns.js";
import { Communication, type Network } from "../../src/client/communication.js";
import type { WayMemory } from "../../src/client/second-communication-options.js";
import type { Application } from "../../src/driver/driver.js";
import type { WelcomeFrame } from "../../src/frame/control.js";
import { defaultLimits } from "../../src/frame/limits.js";
import type { Outgoing } from "../../src/session/outgoing.js";
import { octets, welcomeFrame } from "../session/support.js";
import { FakeClock } from "../support/fake-clock.js";
import { FakeLink } from "../support/fake-link.js";

/** The attach that a link was used for, as far as these tests look. */
export interface SentAttach {
  readonly type: string;
  readonly attach: number;
  readonly triedMsAgo?: number;
}

/** What a test may want otherwise. */
export interface ClientSetting {
  readonly askKind?: "access" | "http-exchange";
  readonly openKind?: FakeLink["kind"];
  /** Shared by several. */
  readonly clock?: FakeClock;
  /** How accesses take turns. Not at all. */
  readonly enter?: EnterAccess;
  /** What sessions before have found out. Nothing. */
  readonly memory?: WayMemory;
  /** 15,000 ms. */
  readonly connectTimeoutMs?: number;
}

/** Chance that always says the same: half of what is asked for. */
const half: RandomOctets = (count) => new Uint8Array(count).fill(0x80);

/** A communication, every link that it asked for, and everything that it told. */
export class ClientSetup {
  readonly clock: FakeClock;
  readonly accesses: FakeLink[] = [];
  readonly opens: FakeLink[] = [];
  readonly asks: FakeLink[] = [];
  readonly states: string[] = [];
  /** How long a round trip is known to take. */
  farMs = 0;
  /** A link of one request has its connection at once. */
  isNear = true;
  /** Batches that were delivered. */
  received = 0;
  reason: DuowireError | undefined;
  readonly communication: Communication;
  private outgoing: Outgoing | undefined;
  private wake: () => void = () => {};

  constructor(setting: ClientSetting = {}) {
    const { askKind = "access", openKind = "websocket", clock = new FakeClock(), enter = alwaysEntered } = setting;
    this.clock = clock;
    const made = (list: FakeLink[], kind: FakeLink["kind"]) => {
      const link = new FakeLink(kind);
      list.push(link);
      if (kind === "access" && this.isNear) this.clock.atTurnEnd(() => link.open());
      return link;
    };
    const network: Network = {
      access: () => made(this.accesses, "access"),
      ask: () => made(this.asks, askKind),
      open: () => made(this.opens, openKind),
      farewell: () => {},
      memory: setting.memory ?? { upgradesFailUntil: 0 },
      farMs: () => this.farMs,
      enter,
    };
    const silent: Omit<Application, "isBusy"> = {
      receive: () => {
        this.received += 1;
      },
      receiveAhead: () => {},
      setLimits: () => {},
      urgent: () => undefined,
      ahead: () => undefined,
      end: (reason) => {
        this.reason = reason;
      },
    };
    this.communication = new Communication({
      network,
      clock: this.clock,
      random: half,
      limits: defaultLimits,
      queueBytesMax: 1_000_000,
      connectTimeoutMs: setting.connectTimeoutMs ?? 15_000,
      target: "http://server/WAO",
      application: (outgoing, wake) => {
        this.outgoing = outgoing;
        this.wake = wake;
        return { ...silent, isBusy: false };
      },
      events: {
        identified: () => {},
        state: (state) => this.states.push(state),
        link: () => {},
        goingAway: () => {},
        suspect: () => {},
        bug: (error) => {
          throw error;
        },
      },
    });
  }

  get state(): string {
    return this.communication.driver.session.state;
  }

  send(length: number): void {
    this.outgoing?.begin().octets(octets(length));
    this.outgoing?.commit(true);
    this.wake();
    this.clock.endTurn();
  }

  /** The newest of these links. */
  last(links: FakeLink[]): FakeLink {
    return links.at(-1) as FakeLink;
  }

  /** Every attempt that is neither given up nor dead, the newest last. */
  get alive(): FakeLink[] {
    return [...this.opens, ...this.asks].filter(({ closeReason, isDead }) => closeReason === undefined && !isDead);
  }

  /** The attach that was sent over a link. */
  attachOf(link: FakeLink): SentAttach | undefined {
    const [first] = link.takeFrames();
    return first?.type === "access" || first?.type === "attach" ? first : undefined;
  }

  /** The server answers the attach that came over `link`. */
  welcome(link: FakeLink, more: Partial<WelcomeFrame> = {}): void {
    link.receive(welcomeFrame(this.attachOf(link)?.attach ?? 0, more));
    this.clock.endTurn();
  }

  /** The first access is answered, and its answer ends; an upgrade is on its way. */
  identify(): void {
    this.clock.endTurn();
    this.welcome(this.last(this.accesses), { id: "WAO.1", key: octets(32), links: ["websocket"] });
    this.last(this.accesses).die("answered", "the answer ended");
    this.clock.endTurn();
  }

  /** A session that is open over an upgrade. */
  attach(): FakeLink {
    this.identify();
    const link = this.last(this.opens);
    link.open();
    this.welcome(link);
    return link;
  }
}
