/**
 * Somebody who follows a guide to the letter: writes each file as it is printed, has the compiler look at it, runs each
 * command, and compares what is printed.
 *
 * The one liberty: the ports of the guides, {@link PRINTED_PORTS}, are replaced by free ones wherever they stand alone,
 * in files, commands and outputs alike.
 */
import { execFile } from "node:child_process";
import { appendFileSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { unusedPort } from "../support/faulty-proxy.js";
import type { Block } from "./guide.js";
import { Program } from "./program.js";

const run = promisify(execFile);
const modules = new URL("../../node_modules/", import.meta.url);
const tools = { tsc: fileURLToPath(new URL(".bin/tsc", modules)), types: fileURLToPath(new URL("@types", modules)) };

/** The ports that guides may use. */
export const PRINTED_PORTS = ["9000", "9001", "8080", "8443", "5173"] as const;

/** What the compiler is told where a guide shows no tsconfig.json. */
const compilerOptions = {
  target: "es2023",
  module: "nodenext",
  lib: ["es2023", "dom", "dom.iterable"],
  types: ["node"],
  strict: true,
  noEmit: true,
  allowImportingTsExtensions: true,
  verbatimModuleSyntax: true,
  erasableSyntaxOnly: true,
  skipLibCheck: true,
};

/** One reader in one folder. */
export class Reader {
  private readonly programs = new Map<string, Program>();
  private last: Program | undefined;
  private isChecked = true;

  private constructor(
    readonly folder: string,
    private readonly ports: ReadonlyMap<string, string>,
  ) {}

  static async start(folder: string): Promise<Reader> {
    const ports = new Map<string, string>();
    for (const printed of PRINTED_PORTS) ports.set(printed, String(await unusedPort()));
    return new Reader(folder, ports);
  }

  /** The port that stands for a printed one. */
  port(printed: (typeof PRINTED_PORTS)[number]): string {
    return this.ports.get(printed) ?? "";
  }

  /** Follows the blocks in their order. */
  async follow(blocks: readonly Block[]): Promise<void> {
    for (const block of blocks) await this.followOne(block);
    await this.check();
    for (const program of this.programs.values()) program.expectNoMore("at the end of the guide");
  }

  /** Ends everything that still runs. */
  async stop(): Promise<void> {
    await Promise.all([...this.programs.values()].map((program) => program.stop()));
  }

  private async followOne({ kind, name, text: printed, place }: Block): Promise<void> {
    const text = this.withPorts(printed);
    if (kind === "file" || kind === "append") return this.write(kind, name, text);
    if (kind === "run") return this.run(name, text, place);
    if (kind !== "output") return;
    const program = name === "" ? this.last : this.programs.get(name);
    if (program === undefined) throw new Error(`${place} shows the output of a program that was not started`);
    await program.expectOutput(text, place);
    if (name === "") program.expectNoMore(place);
  }

  private write(kind: "file" | "append", name: string, text: string): void {
    const path = join(this.folder, name);
    mkdirSync(dirname(path), { recursive: true });
    if (kind === "file") writeFileSync(path, text);
    else appendFileSync(path, text);
    if (name.endsWith(".ts")) this.isChecked = false;
  }

  private async run(name: string, commands: string, place: string): Promise<void> {
    await this.check();
    await this.programs.get(name)?.stop();
    const program = new Program(commands, this.folder, environment());
    this.last = program;
    if (name === "") await program.expectGoodEnd(place);
    else this.programs.set(name, program);
  }

  /** Has the compiler look at what was written since the last time. */
  private async check(): Promise<void> {
    if (this.isChecked || !existsSync(join(this.folder, "node_modules"))) return;
    this.isChecked = true;
    await run(tools.tsc, ["-p", this.settings()], { cwd: this.folder }).catch((error: { stdout: string }) => {
      throw new Error(`the compiler refuses what the guide shows:\n${error.stdout}`);
    });
  }

  /** The guide's own settings for the compiler, or ours. */
  private settings(): string {
    const own = join(this.folder, "tsconfig.json");
    if (existsSync(own)) return own;
    const ours = join(this.folder, "tsconfig.docs.json");
    const hasTypes = existsSync(join(this.folder, "node_modules", "@types", "node"));
    const typeRoots = hasTypes ? undefined : [tools.types];
    writeFileSync(ours, JSON.stringify({ compilerOptions: { ...compilerOptions, typeRoots }, include: ["**/*.ts"] }));
    return ours;
  }

  private withPorts(text: string): string {
    return text.replace(/(?<![\w.])\d{4}(?![\w.]\d|\w)/g, (number) => this.ports.get(number) ?? number);
  }
}

/**
 * A shell's own environment: without what the test runner put there, and without colours, which a guide does not show
 * and CI may force. Debian keeps web servers in /usr/sbin.
 */
export function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _, VITEST: __, NODE_ENV: ___, FORCE_COLOR: ____, ...own } = process.env;
  return { ...own, NO_COLOR: "1", PATH: `${own.PATH}:/usr/sbin:/sbin`, npm_config_loglevel: "error" };
}
