/** Tells when the desk has said nothing for a while, so that nobody wonders whether it is still there. */

const SILENCE_MS = 3_000;

/** Watches one piece of work. */
export class Silence {
  readonly #tell: () => void;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(tell: () => void) {
    this.#tell = tell;
  }

  /** The desk said something, and has more to say. */
  heard(): void {
    this.rest();
    this.#timer = setTimeout(this.#tell, SILENCE_MS);
  }

  /** The desk need not say anything now: it waits for an answer, or the work is over. */
  rest(): void {
    clearTimeout(this.#timer);
  }
}
