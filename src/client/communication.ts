/**
 * A client's whole communication: the first part makes the access, the second keeps the session attached (source:
 * parts 11 and 12, one shared library). How links are made comes in as a {@link Network}, time as a clock, so that the
 * simulator drives this very code.
 */
import type { CancelTimer, Clock, RandomOctets } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { type Application, Driver } from "../driver/driver.js";
import type { GoAwayFrame, RefusedFrame, WelcomeFrame } from "../frame/control.js";
import type { AnnouncedLimits } from "../frame/limits.js";
import type { Link } from "../frame/link.js";
import type { Outgoing } from "../session/outgoing.js";
import type { SessionState } from "../session/states.js";
import type { EnterAccess } from "./access-turns.js";
import { Attempts } from "./attempts.js";
import { Companion, type CompanionRules, companionRules } from "./companion.js";
import { FirstCommunication } from "./first-communication.js";
import { SecondCommunication } from "./second-communication.js";
import type { WayMemory } from "./second-communication-options.js";
import { watchSleep } from "./sleep.js";

/** The ways from this client to the server. Each call makes a new link; none of them throws. */
export interface Network {
  /** One POST at the fixed address: takes one write and gives one answer. */
  access(): Link;
  readonly memory: WayMemory;
  /** How long a round trip to the server takes by TCP's own handshake, where that is long; 0 where nobody knows. */
  farMs(): number;
  /** Where an access waits for its turn among others of this program. */
  readonly enter: EnterAccess;
  /**
   * A link over plain HTTP at the session's address, of a kind that the server offers; `isHeldBack`: answers seem to
   * arrive only when they are whole.
   */
  ask(id: string, key: Uint8Array, isHeldBack: boolean, offered: readonly string[]): Link;
  /** Hands octets to the session's own address, as far as a page that is leaving still can. */
  farewell(id: string, octets: Uint8Array): void;
  /** The best link that the network knows and the server offers, at the session's own address. */
  open(id: string, admission: string, key: Uint8Array, offered: readonly string[]): Link;
}

/** What a communication is made with. */
export interface CommunicationOptions {
  readonly network: Network;
  readonly clock: Clock;
  readonly random: RandomOctets;
  readonly service?: string | undefined;
  readonly limits: AnnouncedLimits;
  readonly queueBytesMax: number;
  readonly connectTimeoutMs: number;
  /** The address as the user wrote it, for messages. */
  readonly target: string;
  /** Where a second link accompanies the first: on long ways, unless a simulation wants it otherwise. */
  readonly companion?: CompanionRules;
  readonly application: (outgoing: Outgoing, wake: () => void) => Application;
  readonly events: CommunicationEvents;
}

/** Whom a communication tells. */
export interface CommunicationEvents {
  /** The access was answered: from now on the session has an identification. Comes once, before `state`. */
  identified(id: string): void;
  state(state: SessionState, reason: DuowireError | undefined): void;
  /** Another link carries the session now. */
  link(link: Link): void;
  /** The server will end the session soon. */
  goingAway(goAway: GoAwayFrame): void;
  /** The link that carries the session has gone silent, or answers again. */
  suspect(isSuspect: boolean): void;
  /** A bug of ours was caught. */
  bug(error: unknown): void;
}

const NONCE_BYTES = 16;
/** How long {@link Communication.close} waits for the far side (D21). */
const CLOSE_MS = 1_000;
/** The core's own limit for the first access is only a backstop behind the first communication part's. */
const FRESH_BACKSTOP_MS = 1_000;

/** One client's communication with one communication process. */
export class Communication {
  readonly driver: Driver;
  private readonly incarnation: Uint8Array;
  private readonly attempts: Attempts;
  private first: FirstCommunication | undefined;
  private second: SecondCommunication | undefined;
  private companion: Companion | undefined;
  private readonly stopWatching: CancelTimer;
  private id = "";
  private admission = "";
  /**
   * The next link, or request, is on its way, and what carries the session is one request, the access or a later one:
   * on a slow path, and where no other link gets through, its answer ends before, and that is no interruption.
   */
  private isUnderWay = true;
  /** What the last attempt met that brought no link. */
  linkFailure: string | undefined;
  /** The link is silent and attempts beside it have failed: there is no path, although nobody has said so. */
  private isCutOff = false;
  /** The state that was told last. */
  private told: SessionState = "fresh";

  constructor(private readonly options: CommunicationOptions) {
    const { clock, random, limits, queueBytesMax, connectTimeoutMs, application, events } = options;
    this.incarnation = random(NONCE_BYTES);
    this.attempts = new Attempts(random, clock.monotonicMs());
    this.driver = new Driver({
      side: "client",
      clock,
      limits,
      queueBytesMax,
      leaseMs: connectTimeoutMs,
      freshMs: connectTimeoutMs + FRESH_BACKSTOP_MS,
      closeMs: CLOSE_MS,
      application,
      events: {
        state: (state, reason) => this.stateChanged(state, reason),
        welcomed: (welcome, link) => this.welcomed(welcome, link),
        refused: (refusal, link) => this.refused(refusal, link),
        goingAway: (goAway) => events.goingAway(goAway),
        suspect: (isSuspect) => {
          this.second?.ensure();
          if (!isSuspect) this.pathFound();
          events.suspect(isSuspect);
        },
        bug: (error) => events.bug(error),
      },
    });
    this.stopWatching = watchSleep(clock, () => this.wake());
    // The calls of this very turn travel with the access.
    clock.atTurnEnd(() => this.start());
  }

  /** The machine woke, the page is seen again, or the network changed: look for a path now. */
  wake(): void {
    this.second?.wake();
  }

  /** The session's key, once the access has been answered: for what its holder may do over plain HTTP. */
  get key(): Uint8Array | undefined {
    return this.second?.key;
  }

  /** Lets the link go until {@link wake}: the page is put aside. */
  detach(): void {
    this.companion?.stop();
    this.second?.pause();
  }

  /** Ends the session at once, and tells the server in the one request that a leaving page has. */
  leave(): void {
    const reason = new DuowireError("closed", "the page was left", { side: "local" });
    const proof = this.second?.proof;
    if (proof === undefined || this.driver.session.state === "closed") return this.driver.fail(reason);
    const now = this.options.clock.monotonicMs();
    const octets = this.driver.session.farewell(proof, this.incarnation, reason, now);
    this.options.network.farewell(this.id, octets);
    this.driver.flush();
  }

  /** Ends the session: in good order if there is one, at once if the access was not answered yet. */
  close(reason: DuowireError): void {
    if (this.first === undefined) this.driver.fail(reason);
    else this.driver.close(reason);
  }

  private start(): void {
    if (this.driver.session.state !== "fresh" || this.first !== undefined) return;
    const { clock, network, random, service, connectTimeoutMs, target } = this.options;
    this.first = new FirstCommunication({
      driver: this.driver,
      clock,
      attempts: this.attempts,
      open: () => network.access(),
      farMs: () => network.farMs(),
      enter: network.enter,
      nonce: random(NONCE_BYTES),
      incarnation: this.incarnation,
      service,
      connectTimeoutMs,
      target,
    });
  }

  private welcomed(welcome: WelcomeFrame, link: Link): void {
    this.admission = welcome.admission;
    if (this.second === undefined) this.identify(welcome);
    this.isUnderWay = link.kind === "access";
    if (link.kind !== "access") {
      this.pathFound();
      this.options.events.link(link);
    }
    this.second?.welcomed(link);
    this.companion?.follow(link);
  }

  private identify(welcome: WelcomeFrame): void {
    const { id, key, links: offered = [] } = welcome;
    if (id === undefined || key === undefined) {
      return this.driver.fail(new DuowireError("not_duowire", "the answer to the access names no identification"));
    }
    this.first?.stop();
    this.attempts.succeeded(this.options.clock.monotonicMs());
    this.id = id;
    const { driver, incarnation } = this;
    const { network, clock, companion = companionRules } = this.options;
    const open = () => network.open(this.id, this.admission, key, offered);
    this.second = new SecondCommunication({
      driver,
      clock,
      attempts: this.attempts,
      open,
      ask: (isHeldBack) => network.ask(this.id, key, isHeldBack, offered),
      failed: (reason, isCut) => this.attemptFailed(reason, isCut),
      memory: network.memory,
      isLong: this.first?.isLong ?? false,
      key,
      incarnation,
    });
    this.companion = new Companion({ driver, clock, open, key, incarnation, rules: companion });
    this.options.events.identified(id);
  }

  private refused(refusal: RefusedFrame, link: Link): void {
    if (this.second === undefined) this.first?.refused(refusal, link);
    else this.second.refused(refusal);
  }

  /** Where it means that there is no path, it is more than a slow one, or a link that is silent for a moment. */
  private attemptFailed(reason: string, isCut: boolean): void {
    this.linkFailure = reason;
    if (!isCut) return;
    const { state, isHealthy } = this.driver.session;
    const isNews = state === "interrupted" ? this.isUnderWay : state === "open" && !isHealthy && !this.isCutOff;
    this.isUnderWay = false;
    if (!isNews) return;
    this.isCutOff = state === "open";
    this.tell("interrupted");
  }

  /** The silent link answers again, or another one carries the session. */
  private pathFound(): void {
    if (!this.isCutOff) return;
    this.isCutOff = false;
    if (this.driver.session.state === "open") this.tell("open");
  }

  private tell(state: SessionState, reason?: DuowireError): void {
    if (state === this.told) return;
    this.told = state;
    this.options.events.state(state, reason);
  }

  private stateChanged(state: SessionState, reason: DuowireError | undefined): void {
    this.isCutOff = false;
    if (state === "closed") this.companion?.stop();
    if (state !== "interrupted" || !this.isUnderWay) this.tell(state, reason);
    if (state === "closed") {
      this.stopWatching();
      this.first?.stop();
      this.second?.stop();
    } else this.second?.ensure();
  }
}
