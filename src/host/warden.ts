/**
 * The warden (D30): a tiny process that outlives the server by a moment and kills the server's children. A child in an
 * endless loop, or a stopped one, never sees that its channel to a server killed by `kill -9` has closed; the warden
 * does not depend on it. It reads the list of children from a pipe, and the end of the pipe means that the server is
 * gone, however it ended.
 *
 * It is a POSIX shell (0.1 MiB of its own, a few milliseconds to start; a Node process would be 7 MiB and 100 ms).
 * Windows needs none: there the system itself ends the children of a process with it (a job object of libuv's). Where
 * there is no `sh`, a warning says so once, and children are only told by their closing channel.
 */
import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { platform } from "node:os";
import { assert } from "../base/assert.js";

/**
 * Reads `+ pid start` and `- pid`; at the end of the input kills each listed process, and the process group that it
 * leads. Where there is /proc, a process with another start time than the listed one is a stranger with the same
 * number and is spared. The name in /proc/…/stat is the child's own choice: it may contain newlines and parentheses,
 * so only what follows the last one of both counts.
 */
export const WARDEN_SCRIPT = `
set -f
trap '' HUP INT QUIT TERM
listed=
while read -r sign pid start; do
  case $sign in
  +) listed="$listed $pid:$start" ;;
  -) kept=
     for one in $listed; do [ "\${one%%:*}" = "$pid" ] || kept="$kept $one"; done
     listed=$kept ;;
  esac
done
for one in $listed; do
  pid=\${one%%:*} start=\${one#*:}
  if [ -n "$start" ]; then
    stat=
    { while read -r line; do stat=$line; done < "/proc/$pid/stat"; } 2> /dev/null
    set -- \${stat##*) }
    [ "\${20}" = "$start" ] || continue
  fi
  kill -s KILL -- "-$pid" 2> /dev/null
  kill -s KILL "$pid" 2> /dev/null
done
`;

/** How it is called in a list of processes. */
const NAME = "duowire-warden";

/** The pause before a warden that died is started again; doubles from the first to the second while it keeps dying. */
const RESTART_MS = [100, 30_000] as const;
/** A warden that lived this long was not broken from the start. */
const SOUND_MS = 10_000;

/** The children of this process that must not outlive it. Starts the warden with the first, ends it with the last. */
export class Warden {
  /** Process number to start time ("" where the system does not tell). */
  readonly #children = new Map<number, string>();
  readonly #warn: (message: string) => void;
  #process: ChildProcess | undefined;
  #pauseMs: number = RESTART_MS[0];
  #restart: NodeJS.Timeout | undefined;
  #hasWarned = false;

  /** `warn` is told, once, that there can be no warden here. */
  constructor(warn: (message: string) => void) {
    this.#warn = warn;
  }

  /** The warden's own process number, while it runs. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /**
   * Lists a child of this process. Call it in the turn in which the child was started, and before the child is told to
   * run anything of a user's: what is listed here is in the pipe when this returns, and so outlives the server.
   */
  guard(pid: number): void {
    assert(Number.isSafeInteger(pid) && pid > 1, `the warden never kills process ${pid}`);
    if (platform() === "win32") return;
    this.#children.set(pid, startTimeOf(pid));
    if (this.#process === undefined) this.#start();
    else this.#tell(`+ ${pid} ${this.#children.get(pid)}\n`);
  }

  /** Takes a child off the list: call it when its end has been noticed, before its number can be used again. */
  release(pid: number): void {
    if (!this.#children.delete(pid)) return;
    this.#tell(`- ${pid}\n`);
    if (this.#children.size > 0) return;
    clearTimeout(this.#restart);
    this.#restart = undefined;
    this.#process?.stdin?.end();
    this.#process = undefined;
  }

  #start(): void {
    if (this.#restart !== undefined) return;
    const startedMs = performance.now();
    let child: ChildProcess;
    try {
      // Detached: a Ctrl-C at the terminal, meant for the server, does not end it. It holds nothing of the server's.
      const options = { detached: true, cwd: "/", env: {}, stdio: ["pipe", "ignore", "ignore"] } satisfies SpawnOptions;
      child = spawn("/bin/sh", ["-c", WARDEN_SCRIPT, NAME], options);
    } catch (error) {
      // For want of memory, for example.
      return this.#startAgain(startedMs, error as Error);
    }
    this.#process = child;
    child.unref();
    // A pipe to a child is a socket in Node; it must not keep the server's program alive.
    (child.stdin as unknown as { unref(): void } | undefined)?.unref();
    child.stdin?.on("error", () => undefined);
    child.once("error", (error) => this.#died(child, startedMs, error));
    child.once("exit", () => this.#died(child, startedMs));
    this.#tell([...this.#children].map(([pid, start]) => `+ ${pid} ${start}\n`).join(""));
  }

  #tell(lines: string): void {
    this.#process?.stdin?.write(lines);
  }

  #died(child: ChildProcess, startedMs: number, error?: Error): void {
    if (this.#process !== child) return;
    this.#process = undefined;
    this.#startAgain(startedMs, error);
  }

  #startAgain(startedMs: number, error: Error | undefined): void {
    if (performance.now() - startedMs > SOUND_MS) this.#pauseMs = RESTART_MS[0];
    if (error !== undefined && !this.#hasWarned) {
      this.#hasWarned = true;
      const meaning = "if this server is killed by kill -9, a child in an endless loop goes on running";
      this.#warn(`the warden of child processes cannot be started (${error.message}): ${meaning}`);
    }
    this.#restart = setTimeout(() => {
      this.#restart = undefined;
      this.#start();
    }, this.#pauseMs).unref();
    this.#pauseMs = Math.min(2 * this.#pauseMs, RESTART_MS[1]);
  }
}

/** The warden of this process: one is enough, however many servers it has. */
export const warden = new Warden((message) => process.emitWarning(message, { type: "DuowireWarden" }));

/** When a process started, in the kernel's ticks since boot; "" where the system does not tell, or there is none. */
function startTimeOf(pid: number): string {
  if (platform() !== "linux") return "";
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}
