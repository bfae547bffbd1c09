/** Why a carrier ended, told apart and put in words: in full for the server's event, its kind only for the client. */
import type { CarrierEndCause } from "../access/carrier-report.js";
import { DuowireError } from "../base/errors.js";
import type { CarrierEnd, KillCause } from "./carrier.js";
import type { CarrierLimits } from "./carrier-limits.js";

/** What the system tells of an end. */
export type Exit = Pick<CarrierEnd, "code" | "signal" | "error">;

type Cause = { readonly cause: CarrierEndCause; readonly reason: string };

/** What is known of an end besides. */
export interface EndKnowledge {
  readonly limits: CarrierLimits | undefined;
  /** Why this process killed it, if it did. */
  readonly killed: { readonly cause: KillCause; readonly reason: string } | undefined;
}

/** The code of the error that stands for a call of `process.abort()`: only the process itself knows of it. */
export const ABORT_CALLED = "ABORT_CALLED";

/**
 * Signals that V8 and Node end themselves with when memory cannot be had. Nothing else tells of that but a text on
 * stderr, which is the user's; so native code that aborts without an error of ours is taken for it, too.
 */
const ABORT_SIGNALS = ["SIGABRT", "SIGTRAP", "SIGILL"];

/** An end with its cause and a phrase for it, for the server's program. */
export function explainEnd(exit: Exit, known: EndKnowledge): CarrierEnd {
  return { ...exit, ...(known.killed ?? causeOf(exit, known)) };
}

function causeOf({ code, signal, error }: Exit, { limits = {} }: EndKnowledge): Cause {
  if (codeOf(error) === ABORT_CALLED) return { cause: "exit", reason: "it called process.abort()" };
  // With --abort-on-uncaught-exception, an abort that has said its error is no want of memory.
  const hasAborted = error === undefined && ABORT_SIGNALS.includes(signal ?? "");
  if (codeOf(error) === "ERR_WORKER_OUT_OF_MEMORY" || hasAborted) {
    const limit = limits.memoryMiB === undefined ? "" : `, its limit is ${limits.memoryMiB} MiB`;
    const aborted = signal === undefined ? "" : ` (Node aborted with ${signal})`;
    return { cause: "out_of_memory", reason: `it ran out of memory${aborted}${limit}` };
  }
  if (signal === "SIGXCPU")
    return { cause: "cpu_time", reason: `it used its ${limits.cpuSeconds} s of processor time` };
  if (error !== undefined)
    return { cause: "uncaught_exception", reason: `an error was not caught: ${messageOf(error)}` };
  if (signal === "SIGKILL") {
    return { cause: "signal", reason: "it was killed by SIGKILL: by hand, or by the system for want of memory" };
  }
  if (signal !== undefined) return { cause: "signal", reason: `it was killed by ${signal}` };
  return { cause: "exit", reason: `it exited by itself with code ${code}` };
}

/** What the clients of an ended carrier's sessions are told; the cause is for the server's program. */
export function crashError({ cause, reason, error }: CarrierEnd): DuowireError {
  const message = `the communication process has ended unexpectedly: ${told[cause] ?? reason}`;
  return new DuowireError("process_crashed", message, { cause: error ?? new Error(reason) });
}

/** The kind of an end where its reason says more: what an error said and what the limits are stays with the server. */
const told: { readonly [Cause in CarrierEndCause]?: string } = {
  uncaught_exception: "an error was not caught",
  out_of_memory: "it ran out of memory",
  cpu_time: "it used up its processor time",
  start_failed: "it could not be started",
};

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The first line only: a second one is usually the stack of something else. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.split("\n", 1)[0]?.slice(0, 500) ?? "";
}
