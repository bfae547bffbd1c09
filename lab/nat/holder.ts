/**
 * The process that a lab lives in: user, mount, network and process namespaces of its own. When it ends, for whatever
 * reason, the kernel takes every interface, rule and process of the lab with it; so nothing can stay behind.
 */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

/** Where the lab's own programs lie. */
export const labDirectory = fileURLToPath(new URL("./", import.meta.url));
/** Where everything runs, so that programs of the lab find the package's modules. */
export const repositoryDirectory = fileURLToPath(new URL("../../", import.meta.url));

/** Programs that the lab needs, and the Debian package of each. */
const PROGRAMS = { unshare: "util-linux", nsenter: "util-linux", ip: "iproute2", nft: "nftables", python3: "python3" };
const SEARCH_PATH = `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`;
const NAME_PREFIX = "duowire-lab-";

/** A lab ends by itself after this long, whatever becomes of the one who built it. */
export const LAB_SECONDS_MAX = 3600;
const RUN_MS_MAX = 20_000;

/** The environment for programs inside: Debian keeps ip and nft where an ordinary user does not look. */
export const labEnvironment: NodeJS.ProcessEnv = { ...process.env, PATH: SEARCH_PATH, LAB_DIRECTORY: labDirectory };

/** How to make namespaces on this system, or why that is impossible. */
export type Isolation = { readonly flags: readonly string[] } | { readonly reason: string };

let isolation: Isolation | undefined;

/** Tries what this system allows; once, since it does not change. */
export function findIsolation(): Isolation {
  isolation ??= tryIsolation();
  return isolation;
}

function tryIsolation(): Isolation {
  if (process.platform !== "linux") return { reason: `network namespaces are Linux, this is ${process.platform}` };
  for (const [program, debianPackage] of Object.entries(PROGRAMS)) {
    const found = spawnSync("sh", ["-c", `command -v ${program}`], { env: labEnvironment });
    if (found.status !== 0) return { reason: `${program} is not installed (Debian: ${debianPackage})` };
  }
  const tries = [["--user", "--map-root-user"], ...(userInfo().uid === 0 ? [[]] : [])];
  let reason = "";
  for (const flags of tries) {
    const script =
      "mount -t tmpfs none /run && ip link add probe0 type veth peer name probe1 && nft add table ip probe";
    const tried = spawnSync("unshare", [...flags, ...isolated, "sh", "-c", script], { env: labEnvironment });
    if (tried.status === 0) return { flags };
    reason = String(tried.stderr).trim().split("\n")[0] ?? "";
  }
  return { reason: `this system lets user ${userInfo().username} make no network namespaces (${reason})` };
}

const isolated = ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"];

/** A running holder, known by the process that the others enter. */
export class Holder {
  readonly name: string;
  /** For configurations and logs of the lab's programs; goes with the lab. */
  readonly directory: string;
  readonly #pid: number;
  readonly #flags: readonly string[];

  private constructor(name: string, { pid, flags }: HolderRecord) {
    this.name = name;
    this.directory = directoryOf(name);
    this.#pid = pid;
    this.#flags = flags;
  }

  /**
   * Makes the namespaces. With `tied`, they end with this process, even if it is killed; without, they stay until
   * {@link Holder.end} or for `LAB_SECONDS_MAX`.
   */
  static async begin(name: string, flags: readonly string[], tied: boolean): Promise<Holder> {
    Holder.end(name);
    mkdirSync(directoryOf(name), { recursive: true });
    // A tied holder reads from a pipe that closes when we end.
    const wait = tied ? `timeout ${LAB_SECONDS_MAX} cat >/dev/null` : `sleep ${LAB_SECONDS_MAX}`;
    const script = `mount -t tmpfs none /run && echo ready && ${wait}`;
    const child = spawn("unshare", [...flags, ...isolated, "sh", "-c", script, `${NAME_PREFIX}${name}`], {
      env: labEnvironment,
      detached: true,
      stdio: [tied ? "pipe" : "ignore", "pipe", "ignore"],
    });
    await firstOutput(child);
    const [first] = readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, "utf8").trim().split(" ");
    const record = { pid: Number(first), flags };
    writeFileSync(join(directoryOf(name), "holder.json"), JSON.stringify(record));
    detach(child);
    return new Holder(name, record);
  }

  /** The lab that somebody put up under this name, or undefined. */
  static find(name: string): Holder | undefined {
    const record = readRecord(name);
    return record && isHolder(record.pid, name) ? new Holder(name, record) : undefined;
  }

  /** Every lab of this user that is up, or that left its directory behind. */
  static names(): string[] {
    const prefix = `${NAME_PREFIX}${userInfo().uid}-`;
    return readdirSync(tmpdir())
      .filter((entry) => entry.startsWith(prefix))
      .map((entry) => entry.slice(prefix.length));
  }

  /** Ends the lab of this name, if there is one, with all that runs in it. */
  static end(name: string): void {
    const record = readRecord(name);
    if (record && isHolder(record.pid, name)) process.kill(record.pid, "SIGKILL");
    rmSync(directoryOf(name), { recursive: true, force: true });
  }

  /** The command line that runs `command` inside: in a node's network, or between the nodes. */
  enter(node: string | undefined, command: readonly string[]): string[] {
    const user = this.#flags.length > 0 ? ["--user", "--preserve-credentials"] : [];
    // nsenter stops with its child and then stays stopped, so its child is a shell outside of the node, which no
    // `freeze` reaches.
    const inside =
      node === undefined ? command : ["sh", "-c", '"$@"; exit $?', "sh", "ip", "netns", "exec", node, ...command];
    // Entering a mount namespace leads to its root directory.
    const there = ["env", "-C", repositoryDirectory, ...inside];
    return ["nsenter", "--target", String(this.#pid), ...user, "--mount", "--net", "--pid", ...there];
  }

  /** Runs a command to its end and resolves to what it printed; rejects with what it complained about. */
  run(node: string | undefined, command: readonly string[], input = ""): Promise<string> {
    const [program, ...parameters] = this.enter(node, command) as [string, ...string[]];
    return new Promise((resolve, reject) => {
      const options = { env: labEnvironment, timeout: RUN_MS_MAX };
      const child = execFile(program, parameters, options, (error, stdout) =>
        error ? reject(error) : resolve(stdout),
      );
      child.stdin?.on("error", () => undefined);
      child.stdin?.end(input);
    });
  }
}

interface HolderRecord {
  readonly pid: number;
  readonly flags: readonly string[];
}

function directoryOf(name: string): string {
  return join(tmpdir(), `${NAME_PREFIX}${userInfo().uid}-${name}`);
}

function readRecord(name: string): HolderRecord | undefined {
  try {
    return JSON.parse(readFileSync(join(directoryOf(name), "holder.json"), "utf8"));
  } catch {
    return undefined;
  }
}

/** Process numbers come back: before we enter or end one, its command line must be that of our holder. */
function isHolder(pid: number, name: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`\0${NAME_PREFIX}${name}\0`);
  } catch {
    return false;
  }
}

function firstOutput(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout?.once("data", () => resolve());
    child.once("exit", (code) => reject(new Error(`the lab's namespaces could not be made (unshare: ${code})`)));
    child.once("error", reject);
  });
}

/** The holder must not keep our event loop alive; its pipe closes when this process ends. */
function detach(child: ChildProcess): void {
  child.unref();
  child.stdout?.destroy();
  (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
}
