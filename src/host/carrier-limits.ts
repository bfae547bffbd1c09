/**
 * What one carrier may use, and how the platform is told. A thread knows a limit for its heap only: whatever else the
 * system counts, it counts for whole processes.
 */
import { platform } from "node:os";
import type { CarrierReport } from "../access/carrier-report.js";
import { DuowireError } from "../base/errors.js";

/** What one carrier may use; without a field there is no limit but the machine's. */
export interface CarrierLimits {
  /** Heap of JavaScript objects in MiB, at least 16; beyond it the carrier dies. Octets do not count. */
  readonly memoryMiB?: number;
  /** Processor time in whole seconds, for the whole life of a process; beyond it the system ends it. POSIX only. */
  readonly cpuSeconds?: number;
  /**
   * Address space of a process in MiB, octets of Buffers included, at least 1,024 (Node reserves much that it never
   * uses); beyond it allocations fail. Linux only.
   */
  readonly addressSpaceMiB?: number;
  /** Files and sockets that a process may have open, at least 64; beyond it opening fails. POSIX only. */
  readonly openFilesMax?: number;
  /** How much a process stands back for others when processors are scarce: 0 to 19. POSIX only. */
  readonly niceness?: number;
}

/** Each limit: the least and the most that make sense, and the systems that have it for processes. */
const rules: Readonly<
  Record<keyof CarrierLimits, readonly [least: number, most: number, where: "all" | "posix" | "linux"]>
> = {
  memoryMiB: [16, 1_048_576, "all"],
  cpuSeconds: [1, 1_000_000_000, "posix"],
  addressSpaceMiB: [1_024, 1_073_741_824, "linux"],
  openFilesMax: [64, 1_048_576, "posix"],
  niceness: [0, 19, "posix"],
};

/** SIGXCPU at the limit says why; who ignores it is killed so many seconds of processor time later. */
const CPU_GRACE_SECONDS = 2;

/**
 * Checks limits for a kind of carrier on this system; throws `invalid_argument` for a value that makes no sense, and
 * for a limit that could not be kept here: one that is silently not kept would be worse than none.
 */
export function checkLimits(
  limits: CarrierLimits,
  kind: CarrierReport["kind"],
  system: NodeJS.Platform = platform(),
): void {
  for (const [name, value] of Object.entries(limits) as [keyof CarrierLimits, number | undefined][]) {
    if (value === undefined) continue;
    const [least, most, where] = rules[name] ?? invalid(`limits.${name} is not a limit of a carrier`);
    if (!Number.isInteger(value) || value < least || value > most) {
      invalid(`limits.${name} is ${value}; expected a whole number from ${least} to ${most}`);
    }
    if (kind === "thread" && name !== "memoryMiB") {
      invalid(
        `limits.${name} cannot be kept for a worker thread, which is a part of its process; use childProcess(url)`,
      );
    }
    if ((where === "posix" && system === "win32") || (where === "linux" && system !== "linux")) {
      invalid(`limits.${name} cannot be kept on ${system}; leave it out there`);
    }
  }
}

/** `resourceLimits` for `new Worker`. */
export function threadLimits({ memoryMiB }: CarrierLimits): { maxOldGenerationSizeMb?: number } {
  return memoryMiB === undefined ? {} : { maxOldGenerationSizeMb: memoryMiB };
}

/**
 * The command line that starts Node with these limits, for `child_process.fork`: Node itself, or a shell that sets the
 * limits and then becomes Node, with the same process number. What fork appends (module, arguments) goes to Node.
 */
export function limitedCommand(
  { memoryMiB, ...others }: CarrierLimits,
  execArgv: readonly string[],
  execPath = process.execPath,
): { execPath: string; execArgv: string[] } {
  const nodeArgs = memoryMiB === undefined ? [...execArgv] : [...execArgv, `--max-old-space-size=${memoryMiB}`];
  const script = limitScript(others);
  if (script === undefined) return { execPath, execArgv: nodeArgs };
  return { execPath: "/bin/sh", execArgv: ["-c", script, execPath, ...nodeArgs] };
}

function limitScript({ cpuSeconds, addressSpaceMiB, openFilesMax, niceness = 0 }: CarrierLimits): string | undefined {
  const steps: string[] = [];
  if (cpuSeconds !== undefined) {
    steps.push(`ulimit -S -t ${cpuSeconds}`, `ulimit -H -t ${cpuSeconds + CPU_GRACE_SECONDS}`);
  }
  if (addressSpaceMiB !== undefined) steps.push(`ulimit -v ${addressSpaceMiB * 1_024}`);
  if (openFilesMax !== undefined) steps.push(`ulimit -n ${openFilesMax}`);
  if (niceness === 0 && steps.length === 0) return undefined;
  const command = niceness === 0 ? 'exec "$0" "$@"' : `exec nice -n ${niceness} "$0" "$@"`;
  return [...steps, command].join(" && ");
}

function invalid(message: string): never {
  throw new DuowireError("invalid_argument", message, { side: "local" });
}
