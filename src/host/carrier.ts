/**
 * A carrier is a started thread or operating-system process that communication processes run in. It knows how to pass
 * messages, how it ends and how to be ended; what the messages say is the table of carrier-messages.ts, and which
 * sessions it carries is for whoever took it.
 */
import type { Socket } from "node:net";
import type { CarrierEndCause } from "../access/carrier-report.js";
import type { CarrierLimits } from "./carrier-limits.js";
import type { FromCarrier, ToCarrier } from "./carrier-messages.js";

/** What carries: a worker thread of the server's process, or an operating-system process of its own. */
export type CarrierKind = "thread" | "process";

/** How a carrier ended. */
export interface CarrierEnd {
  /** The exit code; undefined when a signal ended it. */
  readonly code: number | undefined;
  /** The signal that ended an operating-system process, such as `SIGKILL`. */
  readonly signal: string | undefined;
  /** The error that it died of, because nobody caught it; undefined where nothing is known of one. */
  readonly error: unknown;
  /** What ended it. */
  readonly cause: CarrierEndCause;
  /** The same as a phrase for a person: what {@link Carrier.kill} was told, or `it was killed by SIGSEGV`. */
  readonly reason: string;
}

/** A started thread or process. Lives until {@link Carrier.ended} settles; after that it does nothing any more. */
export interface Carrier {
  readonly kind: CarrierKind;
  /** The identification that the system's tools show: the process's pid, or the thread's number in this process. */
  readonly number: number;
  /**
   * Settles when the service's module is loaded and the carrier takes sessions; rejects `service_failed` with what the
   * module threw, or that it has no class as its default export. Messages posted before that wait in order.
   */
  readonly ready: Promise<void>;
  /**
   * Settles once, when the thread or process is gone; never rejects. Every message that it sent came before. A thread
   * that was killed, and that a system call holds, counts as gone after a second.
   */
  readonly ended: Promise<CarrierEnd>;
  /**
   * Sends a message; first-in first-out with all others. Octets in it are copied or moved before this returns, and
   * belong to the caller's reuse only if the caller copied them: do not write to them afterwards. After the end it does
   * nothing. `socket` goes along to an operating-system process (never to a thread): this process hears nothing of it
   * from then on, and it is closed if the carrier ends before it has taken it (D30).
   */
  post(message: ToCarrier, socket?: Socket): void;
  /**
   * Names one more listener of everything that comes from the carrier; there may be several, each hears it all. What
   * one throws kills the carrier.
   */
  listen(receive: (message: FromCarrier) => void): void;
  /** Ends it at once, whatever it does; both become those of {@link CarrierEnd}. The second time changes nothing. */
  kill(reason: string, cause?: KillCause): void;
}

/** Why a carrier is killed; `stopped` unless something is wrong with it. */
export type KillCause = Extract<CarrierEndCause, "stopped" | "stuck" | "start_failed" | "bad_message">;

/** How to start a carrier: what workerThread(url, …) and childProcess(url, …) were given. */
export interface CarrierOptions {
  /** The module whose default export is the service: a `file:` URL. */
  readonly module: URL;
  /** Flags of Node for the carrier, such as `--max-old-space-size=256`; default: those of this process. */
  readonly execArgv?: readonly string[];
  /** Environment variables; default: those of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it may use; checked by whoever gives it. */
  readonly limits?: CarrierLimits;
}

/** Starts a carrier: never throws; what goes wrong is told by `ready` and `ended`. */
export type StartCarrier = (options: CarrierOptions) => Carrier;
