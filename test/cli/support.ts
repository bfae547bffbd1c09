/** The built command line, run as a stranger runs it: in a folder of his own, as a program of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { onTestFinished, type TestContext } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));
const program = ["dist", "cli", "main.js"] as const;

/** What a command has printed and how it ended. */
export interface Ended {
  readonly code: number | string;
  readonly out: string;
  readonly err: string;
}

/** A folder with service modules, duowire and tsx installed. */
export class Place {
  readonly folder = mkdtempSync(join(tmpdir(), "duowire-cli-"));
  /** The Node that runs the commands: this one. */
  node = process.execPath;

  constructor(context: TestContext, files: Readonly<Record<string, string>>, hasTsx = true) {
    if (!existsSync(join(root, ...program))) context.skip("not built: npm run build");
    onTestFinished(() => rmSync(this.folder, { recursive: true, force: true }));
    mkdirSync(join(this.folder, "node_modules"));
    mkdirSync(join(this.folder, "run"), { mode: 0o700 });
    if (hasTsx) symlinkSync(root, join(this.folder, "node_modules", "duowire"));
    else this.installWithoutTsx();
    if (hasTsx) symlinkSync(join(root, "node_modules", "tsx"), join(this.folder, "node_modules", "tsx"));
    writeFileSync(join(this.folder, "package.json"), '{ "type": "module" }');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(this.folder, name), text);
  }

  /** A copy: a link would find what the checkout has. */
  private installWithoutTsx(): void {
    const modules = join(this.folder, "node_modules");
    for (const name of ["dist", "package.json"]) {
      cpSync(join(root, name), join(modules, "duowire", name), { recursive: true });
    }
    for (const name of ["srvx", "ws"]) symlinkSync(join(root, "node_modules", name), join(modules, name));
  }

  /** Runs a command to its end. */
  async run(...args: readonly string[]): Promise<Ended> {
    const running = this.start(...args);
    const code = await running.exited;
    return { code, out: running.out, err: running.err };
  }

  /** Starts a command; it is killed at the end of the test if it still runs. */
  start(...args: readonly string[]): Running {
    const { NODE_OPTIONS: _, VITEST: __, NODE_ENV: ___, ...own } = process.env;
    const env = { ...own, XDG_RUNTIME_DIR: join(this.folder, "run"), ...this.environment };
    const running = new Running(
      spawn(this.node, [join(this.folder, "node_modules", "duowire", ...program), ...args], {
        cwd: this.folder,
        env,
      }),
    );
    onTestFinished(() => running.kill());
    return running;
  }

  /** More environment variables, for the commands that follow. */
  environment: Readonly<Record<string, string>> = {};

  /** Serves on a free port; resolves to the address when it is ready. */
  async serve(...args: readonly string[]): Promise<{ server: Running; address: string }> {
    const server = this.start("serve", ...args, "--port", "0");
    const address = await server.match(/^serving at (\S+)$/m);
    return { server, address };
  }
}

/** A command that runs. */
export class Running {
  out = "";
  err = "";
  readonly exited: Promise<number | string>;
  private readonly watchers = new Set<() => void>();

  constructor(private readonly child: ChildProcess) {
    const changed = () => {
      for (const watcher of this.watchers) watcher();
    };
    child.stdout?.on("data", (text: Buffer) => {
      this.out += text;
      changed();
    });
    child.stderr?.on("data", (text: Buffer) => {
      this.err += text;
      changed();
    });
    this.exited = once(child, "close").then(([code, signal]) => code ?? signal);
    void this.exited.then(changed);
  }

  /** Waits until the standard output matches, and gives the first group; rejects when the command ends before. */
  match(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(this.out);
        const isOver = this.child.exitCode !== null || this.child.signalCode !== null;
        if (found !== null) resolve(found[1] ?? found[0]);
        else if (isOver) reject(new Error(`it ended before ${pattern}:\n${this.out}${this.err}`));
        else return;
        this.watchers.delete(look);
      };
      this.watchers.add(look);
      look();
    });
  }

  /** Nobody reads what it prints any more. */
  deafen(): void {
    this.child.stdout?.destroy();
    this.child.stderr?.destroy();
  }

  signal(signal: NodeJS.Signals): void {
    this.child.kill(signal);
  }

  async kill(): Promise<void> {
    this.child.kill("SIGKILL");
    await this.exited;
  }
}
