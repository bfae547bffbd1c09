/** Why a carrier ended, told apart and put in words: for the server's event, and for the client (without a stack). */
import type { CarrierEndCause } from "../access/carrier-report.js";
import { DuowireError } from "../base/errors.js";
import type { CarrierEnd, CarrierKind } from "./carrier.js";
import type { CarrierLimits } from "./carrier-limits.js";

/** What is known of an end besides what the system tells. */
export interface EndKnowledge {
  readonly kind: CarrierKind;
  readonly limits: CarrierLimits;
  /** Why the server killed it, if it did. */
  readonly killedFor: { readonly cause: "stopped" | "stuck" | "start_failed"; readonly reason: string } | undefined;
}

/** Signals that V8 and Node end themselves with when memory cannot be had. */
const ABORT_SIGNALS = ["SIGABRT", "SIGTRAP", "SIGILL"];

/** The cause of an end, and a phrase for it that follows on "because " or ": ". No stack, no path of the server. */
export function explainEnd(end: CarrierEnd, known: EndKnowledge): { cause: CarrierEndCause; reason: string } {
  const { code, signal, error } = end;
  const { killedFor, limits, kind } = known;
  if (killedFor !== undefined) return killedFor;
  if (codeOf(error) === "ERR_WORKER_OUT_OF_MEMORY" || ABORT_SIGNALS.includes(signal ?? "")) {
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
  // Node exits with 1 after an error that was not caught, but a service may say process.exit(1) as well.
  if (code === 1 && kind === "process")
    return { cause: "exit", reason: "it exited with code 1, as after an uncaught error" };
  return { cause: "exit", reason: `it exited by itself with code ${code}` };
}

/** An end as Node tells it, with its reason: what it was killed for, or what {@link explainEnd} makes of it. */
export function endOf(
  kind: CarrierKind,
  killReason: string | undefined,
  { code, signal, error }: { readonly code: number | null; readonly signal: string | null; readonly error: unknown },
): CarrierEnd {
  const end = { code: code ?? undefined, signal: signal ?? undefined, error, reason: "" };
  const reason = killReason ?? explainEnd(end, { kind, limits: {}, killedFor: undefined }).reason;
  return { ...end, reason };
}

/** What the clients of an ended carrier's sessions are told. */
export function crashError(reason: string): DuowireError {
  return new DuowireError("process_crashed", `the communication process has ended unexpectedly: ${reason}`);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** The first line only: a second one is usually the stack of something else. */
function messageOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.split("\n", 1)[0]?.slice(0, 500) ?? "";
}
