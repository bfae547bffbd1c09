/**
 * The one entry of a carrier's messages into the server's process. A carrier runs what others wrote, in a process that
 * other sessions do not share: whatever its words break here, they must break that carrier and nothing else (D29).
 */
import type { FromCarrier } from "./carrier-messages.js";

type Listener = (message: FromCarrier) => void;

/** Why a carrier is killed whose message was no good; what went wrong is the end's `error`. */
export const BAD_MESSAGE = "it said what the server could not use";

/** Who hears what one carrier says. */
export class CarrierListeners {
  private readonly listeners: Listener[] = [];
  private isDeaf = false;

  /** `failed` is told once, of the first message that a listener threw at; nothing is heard after it. */
  constructor(private readonly failed: (error: unknown) => void) {}

  /** Names one more listener, which hears everything from now on. */
  add(listener: Listener): void {
    this.listeners.push(listener);
  }

  /** What came from the carrier. Its channel is its service's, too: what is no message of ours is for nobody here. */
  receive(message: unknown): void {
    if (this.isDeaf || typeof message !== "object" || message === null) return;
    try {
      for (const listener of this.listeners) listener(message as FromCarrier);
    } catch (error) {
      this.isDeaf = true;
      this.failed(error);
    }
  }
}
