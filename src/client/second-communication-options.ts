import type { Clock } from "../base/clock.js";
import type { Driver } from "../driver/driver.js";
import type { Link } from "../frame/link.js";
import type { Attempts } from "./attempts.js";

/** What the sessions of one program have found out about the way to one server. */
export interface WayMemory {
  /** Until then sessions begin with plain HTTP: it carried one beside which an upgrade did not get through. */
  upgradesFailUntil: number;
}

/** What the second communication part is made with. */
export interface SecondCommunicationOptions {
  readonly driver: Driver;
  readonly clock: Clock;
  readonly attempts: Attempts;
  /** Opens the best link there is: a WebSocket. */
  readonly open: () => Link;
  /** Opens a link over plain HTTP; `isHeldBack`: answers seem to arrive only when they are whole. */
  readonly ask: (isHeldBack: boolean) => Link;
  /** An attempt brought no link, or has not for too long; `isCut`: so it seems that there is no path. */
  readonly failed?: (reason: string, isCut: boolean) => void;
  readonly memory: WayMemory;
  /** The access's answer is not about to end: its server knows that the way is long. */
  readonly isLong: boolean;
  readonly key: Uint8Array;
  readonly incarnation: Uint8Array;
}
