/** The built example desk, for tests: its modules have a manifest and a build of their own. */
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, statSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { TestContext } from "vitest";
import type { ClientSession } from "../../src/client/index.js";
import type { Service } from "../../src/index.js";
import type { Server } from "../../src/server/index.js";

const root = fileURLToPath(new URL("../../", import.meta.url));
const deskFolder = `${root}examples/desk/`;
/** An `npm ci` and two builds. */
export const PREPARE_MS = 150_000;
const LOCK = `${root}node_modules/.duowire-desk-lock`;
const NO_REGISTRY = /ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENETUNREACH|timed out/;

/** What examples/desk/src/shared/wire.ts says, as far as the tests need it. */
export interface Report {
  readonly ticket: string;
  readonly page: string;
  readonly title: string;
  readonly rows: number;
  readonly rowsLeftOut: number;
  readonly chart: Uint8Array;
}

export interface Progress {
  readonly step: "reading" | "drawing";
  readonly bytes: number;
  readonly bytesTotal: number;
  readonly rows: number;
}

export interface Question {
  readonly text: string;
  readonly options: readonly string[];
}

export interface DeskClient {
  progress(progress: Progress): void;
  ask(question: Question): Promise<string | undefined>;
}

/** The service's methods. Only its type is used: the class itself is the example's. */
export interface DeskService extends Service<DeskClient> {
  begin(file: { name: string; bytes: number }): void;
  part(octets: Uint8Array): Promise<void>;
  finish(): Promise<Report>;
  stop(): void;
  reopen(ticket: string): Report | undefined;
}

export interface OpenDesk {
  readonly pageHref: string;
  readonly address: string;
  readonly server: Server;
  close(): Promise<void>;
}

/** A file to send, as the example's send-file.ts takes it. */
export interface FileSource {
  readonly name: string;
  readonly bytes: number;
  read(from: number, to: number): Promise<Uint8Array>;
}

/** The example's parts. */
export interface DeskParts {
  openDesk(place: { host: string; port: number }): Promise<OpenDesk>;
  sendFile(desk: ClientSession<DeskService>["remote"], file: FileSource): Promise<Report>;
  samplePath(file: string): string;
  /** The library as the example sees it: built. */
  connect: typeof import("../../src/client/index.js").connect;
  /** The Node command. */
  readonly cli: string;
}

/** Whether the example is ready: "" or why not. */
let preparation: Promise<string> | undefined;

/** Installs and builds the example if need be. Skips the test when the registry cannot be reached, and fails it otherwise. */
export async function deskParts(context: TestContext): Promise<DeskParts> {
  preparation ??= prepare();
  const complaint = await preparation;
  if (NO_REGISTRY.test(complaint)) context.skip("the example's packages cannot be installed: no registry");
  if (complaint !== "") throw new Error(complaint);
  const load = (path: string) => import(/* @vite-ignore */ pathToFileURL(root + path).href);
  const [server, sending, samples, client] = await Promise.all([
    load("examples/desk/dist/server.js"),
    load("examples/desk/dist/shared/send-file.js"),
    load("examples/desk/dist/samples.js"),
    load("dist/client/index.js"),
  ]);
  const { openDesk } = server;
  const { sendFile } = sending;
  const { samplePath } = samples;
  const { connect } = client;
  return { openDesk, sendFile, samplePath, connect, cli: `${deskFolder}dist/cli.js` };
}

/** Several files of tests want it at the same time; one of them does it. */
async function prepare(): Promise<string> {
  while (!takeLock()) await pause(200);
  try {
    const { code, output } = await run(process.execPath, [`${root}scripts/start.mjs`, "--prepare"]);
    return code === 0 ? "" : output;
  } finally {
    rmSync(LOCK, { recursive: true, force: true });
  }
}

function takeLock(): boolean {
  try {
    mkdirSync(LOCK);
    return true;
  } catch {
    const age = Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
    if (age > PREPARE_MS) rmSync(LOCK, { recursive: true, force: true });
    return false;
  }
}

/** Runs a program to its end, and collects what it prints. `began` gets a chance to disturb it. */
export function run(
  program: string,
  args: readonly string[],
  began: (kill: (signal: NodeJS.Signals) => void, onOutput: (run: (text: string) => void) => void) => void = () => {},
): Promise<{ readonly code: number | null; readonly output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ["ignore", "pipe", "pipe"],
      timeout: PREPARE_MS,
      killSignal: "SIGKILL",
    });
    let output = "";
    const listeners: ((text: string) => void)[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      stream.setEncoding("utf8").on("data", (text: string) => {
        output += text;
        for (const listen of listeners) listen(output);
      });
    }
    child.once("error", reject).once("close", (code) => resolve({ code, output }));
    began(
      (signal) => child.kill(signal),
      (listen) => listeners.push(listen),
    );
  });
}

/** A file that is made of a text, or of octets. */
export function fileOf(name: string, content: string | Uint8Array): FileSource {
  const octets = typeof content === "string" ? new TextEncoder().encode(content) : content;
  return { name, bytes: octets.length, read: async (from, to) => octets.slice(from, to) };
}
