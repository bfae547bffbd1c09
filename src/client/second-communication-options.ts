import type { Clock } from "../base/clock.js";
import type { Driver } from "../driver/driver.js";
import type { Link } from "../frame/link.js";
import type { Attempts } from "./attempts.js";

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
  readonly key: Uint8Array;
  readonly incarnation: Uint8Array;
}
