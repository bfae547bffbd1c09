/**
 * The second communication part (source: part 12): keeps a session attached to the communication process at its own
 * address. It looks for a path whenever there is none that works, tries a second one beside a path that has gone
 * silent, and lets the better one carry on (D11, D12).
 *
 * The rules, in one place:
 * - a path is healthy when its attach was answered and acknowledgements come; then nothing else is tried;
 * - without a healthy path, an attempt runs, and after a while a second one beside it;
 * - an attempt that opens attaches at once if there is no path at all; beside a silent one it is probed first;
 * - while an upgrade fails or hangs, attempts take turns: the next one is plain HTTP, whose answer is the authority
 *   (D6);
 * - where plain HTTP brought no answer in time, the next one does not count on answers that stream;
 * - a session on plain HTTP looks for an upgrade now and then, and changes to it once an echo has come through.
 */
import { DuowireError } from "../base/errors.js";
import { MalformedOctets } from "../base/octets.js";
import type { RefusedFrame } from "../frame/control.js";
import { decodeFrames, encodeFrame } from "../frame/frame.js";
import type { Link, LinkEnd } from "../frame/link.js";
import type { AttachProof } from "../session/outputs.js";
import { ATTEMPTS_AT_ONCE, REPEAT_MS } from "./attempts.js";
import { Candidate } from "./candidate.js";
import { NextAttempt } from "./next-attempt.js";
import { errorOfRefusal, isOfStranger } from "./refusal.js";
import type { SecondCommunicationOptions } from "./second-communication-options.js";
import { Upward } from "./upward.js";

/** For so long a way is remembered on which no upgrade gets through. */
const REMEMBERED_MS = 600_000;
/** How often a request may reach another node than the session's before that is final (D5). */
const WRONG_NODES_MAX = 2;
/** From this round trip on, plain HTTP comes first and the upgrade beside it. */
const FAR_MS = 100;

/** Keeps one session attached until it is closed. */
export class SecondCommunication {
  private readonly candidates = new Set<Candidate>();
  /** The last upgrade failed before it opened, or hangs: the next attempt is plain HTTP. */
  private mustAsk = false;
  private isHeldBack = false;
  /** What carried the session last was plain HTTP, or upgrades have failed on this way: a search begins with it. */
  private prefersHttp: boolean;
  private isFirstSearch = true;
  /** The best link that there is is an upgrade, as far as is known. */
  private hasUpgrade = true;
  /** What carries the session is one request after the other. */
  private isByRequests = false;
  private wrongNodes = 0;
  /** An attach at the session's own address has been answered by its server. */
  private wasReached = false;
  /** How often in this search an attach was overtaken by another path's echo. */
  private overtakings = 0;
  private readonly upward: Upward;
  private isOver = false;
  private isSearching = false;
  private isPaused = false;
  private readonly next: NextAttempt;

  constructor(private readonly options: SecondCommunicationOptions) {
    this.prefersHttp = options.clock.monotonicMs() < options.memory.upgradesFailUntil;
    this.upward = new Upward(options.clock, () => this.tryUpward());
    const running = () => ({
      startedAt: this.waiting.at(-1)?.startedAt,
      roundTripMs: options.driver.session.roundTripMs,
    });
    this.next = new NextAttempt(options.clock, options.attempts, running, () => this.tryNow());
  }

  /** Looks for a path if there is none that is healthy; call it whenever that may have changed. */
  ensure(): void {
    if (this.isOver || this.isPaused) return;
    const { driver, clock, attempts } = this.options;
    if (driver.session.isHealthy) return this.settle();
    if (this.isSearching) return this.takeOpen();
    this.isSearching = true;
    attempts.begin(clock.monotonicMs());
    this.mustAsk = this.prefersHttp || (this.isFirstSearch && this.isFar);
    if (this.mustAsk && !this.prefersHttp) this.start(clock.monotonicMs());
    this.isFirstSearch = false;
    this.tryNow();
  }

  /** On a long way an upgrade takes its time: plain HTTP, whose connection is there, carries the calls meanwhile. */
  private get isFar(): boolean {
    return (this.options.driver.session.roundTripMs ?? 0) >= FAR_MS;
  }

  /** The machine woke, or the network changed: whatever wait is running is over. */
  wake(): void {
    const { attempts, clock, memory } = this.options;
    this.isPaused = false;
    attempts.begin(clock.monotonicMs());
    this.upward.begin();
    memory.upgradesFailUntil = 0;
    this.ensure();
    if (this.isOver) return;
    if (this.isSearching) return this.tryNow();
    this.options.driver.ping();
    if (this.upward.isPlanned) this.upward.now();
  }

  /** Lets the link go and looks for no other one until {@link wake}. */
  pause(): void {
    this.isPaused = true;
    this.settle();
    for (const candidate of this.candidates) candidate.link.close("the page was put aside");
  }

  /** The session is closed: nothing more is tried. */
  stop(): void {
    this.isOver = true;
    this.settle();
  }

  /** The server refused an attach. */
  refused(refusal: RefusedFrame): void {
    if (this.isOver) return;
    const error = errorOfRefusal(refusal);
    this.wrongNodes += error.code === "wrong_node" ? 1 : 0;
    const mayPass = (error.next === "retry" && this.wrongNodes <= WRONG_NODES_MAX) || error.code === "attach_stale";
    // Where the session's address has been reached, who answers in its place knows nothing of the session.
    const isInPassing = this.wasReached && isOfStranger(refusal);
    if (!mayPass && !isInPassing) return this.options.driver.fail(error);
    this.options.failed?.(refusal.message, isInPassing);
    this.mustAsk = false;
    const wait = this.options.attempts.afterAnswerMs(refusal.retryAfterMs);
    if (refusal.retryAfterMs !== undefined) this.next.rest(wait);
    this.next.after(wait);
  }

  /** The attach over `link` was answered. */
  welcomed(link: Link): void {
    const candidate = [...this.candidates].find((one) => one.link === link);
    if (candidate !== undefined) candidate.isWelcomed = this.wasReached = true;
    this.isByRequests = candidate !== undefined && link.kind === "access";
    if (link.kind === "access" && this.isSearching) this.tryUpgradeAgain();
    if (link.kind !== "access") this.prefersHttp = link.kind === "http-exchange";
    if (!this.prefersHttp) this.upward.begin();
    if (candidate?.isUpgrade) this.options.memory.upgradesFailUntil = 0;
    this.ensure();
  }

  /** A request came through: what made the upgrade fail may be over, and one that hangs since then is of no use. */
  private tryUpgradeAgain(): void {
    const { driver, clock, attempts } = this.options;
    const now = clock.monotonicMs();
    for (const one of this.waiting)
      if (!one.wasOpen && attempts.hangs(now - one.startedAt, driver.session.roundTripMs)) this.giveUp(one, false);
    this.next.after(attempts.afterAnswerMs());
  }

  private settle(): void {
    this.isSearching = false;
    this.overtakings = 0;
    this.next.stop();
    this.mustAsk = false;
    if (!this.isOver) this.options.attempts.succeeded(this.options.clock.monotonicMs());
    for (const candidate of this.candidates) {
      if (!candidate.isAttached && (this.isOver || !this.isBetter(candidate)))
        this.abandon(candidate, "not needed any more");
    }
    this.planUpward();
  }

  private planUpward(): void {
    const isOnHttp = this.options.driver.link?.kind === "http-exchange";
    this.upward.plan(!this.isOver && !this.isPaused && isOnHttp && this.hasUpgrade);
  }

  private tryUpward(): void {
    for (const candidate of this.candidates) if (!candidate.isAttached) this.giveUp(candidate, false);
    if (!this.isSearching) this.start(this.options.clock.monotonicMs());
    this.planUpward();
  }

  /** Whether a candidate is worth a change although the path that there is works. */
  private isBetter(candidate: Candidate): boolean {
    return candidate.isUpgrade && this.options.driver.link?.kind === "http-exchange";
  }

  private tryNow(): void {
    if (this.isOver || !this.isSearching) return;
    const { driver, clock, attempts } = this.options;
    if (driver.session.isHealthy) return this.settle();
    const now = clock.monotonicMs();
    if (this.next.restMs > 0) return this.next.after(0);
    const unasked = this.waiting.find((one) => one.wasOpen && !one.isProbing && !one.isProven);
    if (unasked !== undefined) this.probe(unasked);
    else if (this.proven === undefined) {
      this.chooseNext();
      this.makeRoom(now);
      this.start(now);
    } else this.takeProven();
    this.next.after(attempts.repeatMs(driver.session.roundTripMs, now));
  }

  /** An upgrade that hangs, or plain HTTP without an answer: the next attempt is of another kind. */
  private chooseNext(): void {
    const all = [...this.candidates];
    // No path is healthy, so plain HTTP that attached, or that was probed, has kept its answer for a whole attempt.
    const isHeldBack = all.some((one) => one.link.kind === "http-exchange" && (one.isAttached || one.isProbing));
    if (isHeldBack) this.isHeldBack = !this.isHeldBack;
    // The last attempt was an upgrade that has not opened, or has brought no answer since.
    const last = all.at(-1);
    const hangs = last !== undefined && last.link.kind !== "http-exchange" && !last.isWelcomed;
    this.mustAsk ||= (hangs && !this.isAsking) || (isHeldBack && this.isHeldBack);
  }

  /** Renews the younger attempt, which may have been swallowed; the older one has the time that a slow path takes. */
  private makeRoom(now: number): void {
    const { driver, attempts } = this.options;
    const { waiting } = this;
    const [oldest, youngest] = [waiting[0], waiting.at(-1)];
    if (oldest === undefined || youngest === undefined || waiting.length < ATTEMPTS_AT_ONCE) return;
    const isLate = attempts.isLate(now - oldest.startedAt, driver.session.roundTripMs);
    const late = isLate ? oldest : youngest;
    // That upgrades hang is known where single requests carry the session, and they still may.
    this.giveUp(late, !(this.isByRequests && late.isUpgrade));
  }

  private giveUp(candidate: Candidate, isCut: boolean): void {
    this.failed(candidate, "it took too long", isCut);
    this.abandon(candidate, "it took too long");
  }

  private failed({ link, isUpgrade, isWelcomed }: Candidate, reason: string, isCut: boolean): void {
    const { driver, clock, memory } = this.options;
    // Beside a path that works it is the way that lets none through, and not an outage or a slow server.
    if (isUpgrade && !isWelcomed && driver.session.isHealthy && driver.link?.kind === "http-exchange")
      memory.upgradesFailUntil = clock.monotonicMs() + REMEMBERED_MS;
    this.options.failed?.(`${link.kind}: ${reason}`, isCut);
  }

  private start(now: number): void {
    const { driver, open, ask } = this.options;
    const asks = this.mustAsk;
    this.mustAsk = false;
    const candidate = new Candidate(asks ? ask(this.isHeldBack) : open(), now, driver, this);
    this.candidates.add(candidate);
    if (!asks) this.hasUpgrade = candidate.isUpgrade;
  }

  /** A candidate's link is open. */
  opened(candidate: Candidate): void {
    const { driver, attempts, clock } = this.options;
    const { session } = driver;
    attempts.opened(clock.monotonicMs() - candidate.startedAt);
    if (this.isOver || (session.isHealthy && !this.isBetter(candidate))) {
      return this.abandon(candidate, "not needed any more");
    }
    // One request has no second one to attach after a probe.
    if (session.attachedLink === undefined || candidate.link.kind === "access") return this.attach(candidate);
    const isNext = candidate.link.kind === "http-exchange" && driver.link?.kind === "access";
    // What the access's answer still brings is heard beside it: on a long way nobody waits for the end of it.
    const waits = !this.options.isLong || this.wasReached || session.awaitsWelcomeSince !== undefined;
    if (isNext && !waits) this.attach(candidate);
    // A question would take the connection that the attach needs as soon as the access's answer has ended.
    else if (!isNext) this.probe(candidate);
  }

  private probe(candidate: Candidate): void {
    candidate.isProbing = true;
    candidate.link.send(encodeFrame({ type: "ping", octets: new Uint8Array(0) }));
  }

  /** Octets came over a candidate that is not attached: the echo of its probe. */
  received(candidate: Candidate, octets: Uint8Array): void {
    try {
      decodeFrames(octets, (frame) => {
        // Plain HTTP shows the key with its first request: a refusal of it is the authority, too.
        if (frame.type === "refused") return this.refusedUnattached(candidate, frame);
        if (frame.type !== "pong" || !candidate.isProbing) return;
        candidate.isProbing = false;
        candidate.isProven = true;
        candidate.echoAt = this.options.clock.monotonicMs();
        this.proved(candidate);
      });
    } catch (error) {
      if (!(error instanceof MalformedOctets)) throw error;
      this.abandon(candidate, "malformed octets before the attach");
    }
  }

  /** A path that works and has not taken over: an attach before it may still be answered. */
  private get proven(): Candidate | undefined {
    return [...this.candidates].find((candidate) => candidate.isProven && !candidate.isAttached);
  }

  /**
   * The access's answer brings the first results, so nothing takes its place before it ends. Then plain HTTP that is
   * open carries on without its echo: it has just come through.
   */
  private takeOpen(): void {
    const isOpen = ({ wasOpen, isAttached, link }: Candidate) =>
      wasOpen && !isAttached && link.kind === "http-exchange";
    const open = [...this.candidates].find(isOpen);
    if (open === undefined || this.options.driver.session.attachedLink !== undefined) return this.takeProven();
    this.attach(open);
  }

  private takeProven(): void {
    if (this.proven !== undefined) this.proved(this.proven);
  }

  /** A candidate's path works: it takes over, unless another one may just be doing so. */
  private proved(candidate: Candidate): void {
    const { session } = this.options.driver;
    const isNeeded = !session.isHealthy || this.isBetter(candidate);
    if (!isNeeded) this.abandon(candidate, "the older path answered first");
    else if (this.isOvertaken(candidate, session.awaitsWelcomeSince)) this.attach(candidate);
  }

  /**
   * No attach is under way, or it has waited for twice as long as the candidate's echo took: its path may be dead, or
   * one that holds answers back. Where a welcome takes long, each echo would so take the path from the attach before
   * it: therefore each time needs twice as much.
   */
  private isOvertaken({ startedAt, echoAt = startedAt }: Candidate, attachedAt: number | undefined): boolean {
    if (attachedAt === undefined) return true;
    const waitedMs = this.options.clock.monotonicMs() - attachedAt;
    if (waitedMs < Math.max(REPEAT_MS, 2 * (echoAt - startedAt)) * 2 ** this.overtakings) return false;
    this.overtakings += 1;
    return true;
  }

  private refusedUnattached(candidate: Candidate, refusal: RefusedFrame): void {
    this.abandon(candidate, refusal.code);
    if (!this.options.driver.session.isHealthy) this.refused(refusal);
  }

  /** A candidate's link has died, attached or not. */
  closed(candidate: Candidate, reason: string, end: LinkEnd): void {
    const wasAttempt = this.candidates.delete(candidate);
    if (this.isOver || !wasAttempt) return;
    const { driver, attempts, clock } = this.options;
    const failed = !candidate.isAttached || !candidate.wasOpen || !candidate.isWelcomed;
    // Where upgrades do not get through, plain HTTP follows at once: that is not yet more than a slow path.
    const isFollowed = end !== "refused" && !candidate.wasOpen && candidate.isUpgrade;
    if (failed) this.failed(candidate, reason, this.isSearching && !isFollowed);
    if (driver.session.isHealthy) return this.settle();
    // The path before the one that is just taking over: that has the time that each attach has.
    if (candidate.isWelcomed && driver.session.awaitsWelcomeSince !== undefined) return;
    if (!this.isSearching) return this.ensure();
    // What a question was answered has been dealt with, and says when to go on: at once, or later.
    if (!failed || (candidate.link.kind === "access" && end === "answered")) return;
    if (end === "refused") {
      const wait = attempts.afterRefusalMs(clock.monotonicMs());
      return wait === undefined ? this.serverIsGone() : this.next.after(wait);
    }
    attempts.lost();
    this.mustAsk = candidate.isUpgrade && !candidate.wasOpen && !this.isAsking;
    // Why the upgrade failed is asked at once (D6); an answer that lets us try again, or none, is what backs off.
    this.next.after(this.mustAsk ? 0 : attempts.afterAnswerMs());
  }

  /** A question is under way. A second one would take its link, and with it the answer, on each slow path again. */
  private get isAsking(): boolean {
    const { driver, attempts, clock } = this.options;
    const since = clock.monotonicMs() - attempts.patienceMs(driver.session.roundTripMs);
    return [...this.candidates].some(({ link, startedAt }) => link.kind === "access" && startedAt > since);
  }

  /** The session's key. */
  get key(): Uint8Array {
    return this.options.key;
  }

  /** What proves that an attach is this client's. */
  get proof(): AttachProof {
    return { type: "attach", key: this.options.key };
  }

  private attach(candidate: Candidate): void {
    candidate.attach(this.proof, this.options.incarnation, candidate.link.kind === "access");
  }

  private abandon(candidate: Candidate, reason: string): void {
    this.candidates.delete(candidate);
    candidate.link.close(reason);
  }

  /** The attempts that are under way, the oldest first. */
  private get waiting(): Candidate[] {
    return [...this.candidates].filter((candidate) => !candidate.isAttached);
  }

  private serverIsGone(): void {
    const message = "nobody listens at the server's address any more: the server, and this session's process, are gone";
    this.options.driver.fail(new DuowireError("unreachable", message, { side: "remote" }));
  }
}
