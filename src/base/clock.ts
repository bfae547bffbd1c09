/**
 * Time and randomness as arguments: what the outer layers hand to the pure ones.
 *
 * `monotonicMs` orders things and measures; `wallMs` only tells that the machine slept (D13). Nothing else in the
 * library reads a clock or makes a random octet by itself, so a simulator can replace both.
 */

/** Ends a timer that {@link Clock.after} started; a second call does nothing. */
export type CancelTimer = () => void;

/** Where time comes from. */
export interface Clock {
  /** Milliseconds that never go back; the zero is arbitrary. */
  monotonicMs(): number;
  /** Milliseconds since 1970 as the machine believes them; may jump. */
  wallMs(): number;
  /**
   * Calls `run` once after `ms`, unless cancelled; what has come meanwhile is told first, see
   * {@link inputsFirst}. A waiting timer keeps a Node process alive, as a socket does.
   */
  after(ms: number, run: () => void): CancelTimer;
  /** Calls `run` once when the present turn of the event loop is over. */
  atTurnEnd(run: () => void): void;
}

/** Where randomness comes from: `count` octets, unpredictable outside of a simulator. */
export type RandomOctets = (count: number) => Uint8Array;

/** A number in [0, 1) made from `random`, for jitter. */
export function randomFraction(random: RandomOctets): number {
  const octets = random(4);
  return new DataView(octets.buffer, octets.byteOffset).getUint32(0) / 4_294_967_296;
}

/** The platform's cryptographic randomness: Node, browsers, and pages on plain http (D15). */
export const platformRandom: RandomOctets = (count) => crypto.getRandomValues(new Uint8Array(count));

/** The longest delay that a platform's timer takes; a longer wait is cut into pieces by whoever waits. */
export const TIMER_MS_MAX = 2_147_483_647;

/**
 * `clock` with timers that let what has come be told first. After a pause (a busy event loop, a machine that slept) a
 * platform fires what is due before it reads what has come meanwhile, so that our own pause would look like silence of
 * the far side: links are suspected and requests repeated, on hundreds of sessions at once, and that is the next pause.
 */
export function inputsFirst(clock: Clock): Clock {
  return {
    monotonicMs: () => clock.monotonicMs(),
    wallMs: () => clock.wallMs(),
    after(ms, run) {
      let isCancelled = false;
      const runLater = () => {
        if (!isCancelled) run();
      };
      const cancel = clock.after(ms, () => clock.atTurnEnd(runLater));
      return () => {
        isCancelled = true;
        cancel();
      };
    },
    atTurnEnd: (run) => clock.atTurnEnd(run),
  };
}

/** The clock of the platform: Node or a browser. */
export const systemClock: Clock = inputsFirst({
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
  after(ms, run) {
    const timer = setTimeout(run, Math.min(Math.max(ms, 0), TIMER_MS_MAX));
    return () => clearTimeout(timer);
  },
  atTurnEnd: turnEnd(),
});

/** Node has `setImmediate`; in a browser a message to ourselves is the shortest whole turn, and hidden tabs keep it. */
function turnEnd(): (run: () => void) => void {
  if (typeof setImmediate === "function") return (run) => void setImmediate(run);
  const { port1, port2 } = new MessageChannel();
  const waiting: (() => void)[] = [];
  port1.onmessage = () => waiting.shift()?.();
  return (run) => {
    waiting.push(run);
    port2.postMessage(0);
  };
}
