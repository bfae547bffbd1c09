/** What is told of the end of a carrier, the thread or operating-system process that communication processes ran in. */

/** What ended a carrier: a worker thread or operating-system process that communication processes ran in. */
export type CarrierEndCause =
  /** The server wanted it to: its sessions are over, or it was one too many. */
  | "stopped"
  /** Its event loop did not turn for `stuckMs`, so it was killed. */
  | "stuck"
  /** Its module did not load in time, threw, or is no service. */
  | "start_failed"
  /** It said to the server what the server could not use: a service that writes to that channel itself, or our bug. */
  | "bad_message"
  /** The heap, or the system's memory, was full. Native code that aborts a process looks the same. */
  | "out_of_memory"
  /** It used its seconds of processor time. */
  | "cpu_time"
  /** An error that nobody caught. */
  | "uncaught_exception"
  /** `process.exit()`, `process.abort()`, or nothing was left to do. */
  | "exit"
  /** A signal of somebody else's. */
  | "signal";

/** How one carrier ended. */
export interface CarrierReport {
  readonly kind: "thread" | "process";
  /** The process's pid, or the thread's number. */
  readonly number: number;
  readonly cause: CarrierEndCause;
  /** The cause in words, as its clients are told with `process_crashed`. */
  readonly reason: string;
  /** Sessions that ended with it. */
  readonly sessions: number;
  /** What was thrown, with its stack, where that is known. */
  readonly error: unknown;
  /** How long it lived, in milliseconds. */
  readonly livedMs: number;
}
