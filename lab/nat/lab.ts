/** One laboratory: the figures, built; programs run in their nodes. Faults are in faults.ts. */
import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { openSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findIsolation, Holder, labEnvironment, repositoryDirectory } from "./holder.js";
import { currentEpoch } from "./ruleset.js";
import type { NodeName } from "./topology.js";
import { upScript } from "./up-script.js";

/** Why there can be no lab on this system, or undefined if there can. */
export function whyNoLab(): string | undefined {
  const isolation = findIsolation();
  return "reason" in isolation ? isolation.reason : undefined;
}

/** A lab that is up. Several stand beside each other under names of their own, all with the figures' addresses. */
export class Lab {
  readonly #holder: Holder;

  private constructor(holder: Holder) {
    this.#holder = holder;
  }

  /** Builds the figures, after taking down what stood under this name. Tied: it ends with this process. */
  static async up(name: string, options: { readonly tied: boolean }): Promise<Lab> {
    const isolation = findIsolation();
    if ("reason" in isolation) throw new Error(isolation.reason);
    const holder = await Holder.begin(name, isolation.flags, options.tied);
    try {
      await holder.run(undefined, ["sh"], upScript(currentEpoch(Date.now())));
    } catch (error) {
      Holder.end(name);
      throw error;
    }
    return new Lab(holder);
  }

  /** The lab that is up under this name; throws if none is. */
  static find(name: string): Lab {
    const holder = Holder.find(name);
    if (!holder) throw new Error(`no lab named ${name} is up; npm run lab:nat:up builds one`);
    return new Lab(holder);
  }

  get directory(): string {
    return this.#holder.directory;
  }

  down(): void {
    Holder.end(this.#holder.name);
  }

  /** Runs a command in a node to its end; resolves to its output, rejects when it fails. */
  run(node: NodeName, command: readonly string[], input?: string): Promise<string> {
    return this.#holder.run(node, command, input);
  }

  /** Starts a program in a node. It ends with the lab at the latest. */
  spawn(node: NodeName, command: readonly string[], stdio: StdioOptions): ChildProcess {
    const [program, ...parameters] = this.#holder.enter(node, command) as [string, ...string[]];
    return spawn(program, parameters, { env: labEnvironment, cwd: repositoryDirectory, stdio });
  }

  /** Starts a program in a node that outlives us (but not the lab); its output goes to a file of the lab. */
  spawnDetached(node: NodeName, command: readonly string[], logName: string): void {
    const log = openSync(join(this.directory, logName), "a");
    const [program, ...parameters] = this.#holder.enter(node, command) as [string, ...string[]];
    const child = spawn(program, parameters, {
      env: labEnvironment,
      cwd: repositoryDirectory,
      detached: true,
      stdio: ["ignore", log, log],
    });
    child.unref();
  }

  /** Sends a signal to every process in a node. */
  async signal(node: NodeName, signal: "STOP" | "CONT" | "KILL"): Promise<void> {
    const script = `for pid in $(ip netns pids ${node}); do kill -${signal} $pid || true; done`;
    await this.#holder.run(undefined, ["sh", "-c", script]);
  }

  /** Replaces rules of a node in one transaction. */
  async rules(node: NodeName, text: string): Promise<void> {
    await this.run(node, ["nft", "-f", "-"], text);
  }

  /** Writes a file of the lab (a configuration) and returns its path. */
  writeFile(name: string, text: string): string {
    const path = join(this.directory, name);
    writeFileSync(path, text);
    return path;
  }
}
