#!/usr/bin/env node
/** The desk from a shell: sends a file, shows the progress, asks at the terminal, writes the chart. */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { type ClientSession, connect } from "duowire/client";
import { FileOnDisk } from "./file-on-disk.js";
import { samplePath, samples } from "./samples.js";
import type { Desk } from "./service/desk.js";
import { inWords } from "./shared/in-words.js";
import { sendFile } from "./shared/send-file.js";
import type { Report } from "./shared/wire.js";
import { count, counted, size } from "./shared/words.js";
import { Terminal } from "./terminal.js";

const ADDRESS = "http://127.0.0.1:9000/WAO";
/** A desk that is silent for so long is not there; the library's own patience is 15 s. */
const CONNECT_TIMEOUT_MS = 5_000;

const PATIENCE_MS = 1_000;
const LINK_CHECK_MS = 500;

const USAGE = `desk <file.csv> [address]    sends a file to a desk, and writes the chart that comes back
desk --sample [address]      sends ${samples.files[0].file}, which is at hand

  address              where the desk is; ${ADDRESS} if you name none
  -o, --out <file>     where to write the chart; <file>.svg in this folder if you name none
  -y, --yes            answer the desk's questions with the first option
  -a, --answer <text>  answer with the option that has this text in it; once for each question
  -s, --stay           keep the report's page open until Ctrl-C; at a terminal, without --yes, it stays anyway

Exit codes: 0 done, 1 refused or lost, 2 wrong usage, 130 stopped by Ctrl-C.`;

/** What the command line says. */
interface Wanted {
  readonly path: string;
  readonly address: string;
  readonly out: string | undefined;
  /** The session, and with it the report's page, stays until somebody ends it. */
  readonly stays: boolean;
  readonly terminal: Terminal;
}

process.exitCode = await main().catch((error: Error) => {
  console.error(error.message);
  return 2;
});

async function main(): Promise<number> {
  const wanted = readArguments();
  if (wanted === undefined) {
    console.log(USAGE);
    return 0;
  }
  await using file = await FileOnDisk.open(wanted.path);
  return await send(file, wanted);
}

/** Undefined if help is asked for. Throws when something is wrong with the arguments. */
function readArguments(): Wanted | undefined {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      sample: { type: "boolean", default: false },
      out: { type: "string", short: "o" },
      yes: { type: "boolean", short: "y", default: false },
      answer: { type: "string", short: "a", multiple: true, default: [] },
      stay: { type: "boolean", short: "s", default: false },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return undefined;
  const [path, address = ADDRESS, tooMuch] = values.sample
    ? [samplePath(samples.files[0].file), ...positionals]
    : positionals;
  if (path === undefined) throw new Error(`Which file?\n\n${USAGE}`);
  if (tooMuch !== undefined) throw new Error(`One file at a time: what is ${tooMuch}?\n\n${USAGE}`);
  const stays = values.stay || (process.stdin.isTTY === true && !values.yes);
  return { path, address, out: values.out, stays, terminal: new Terminal(values.answer, values.yes) };
}

async function send(file: FileOnDisk, { address, out, stays, terminal }: Wanted): Promise<number> {
  let session: ClientSession<Desk> | undefined;
  let wasStopped = false;
  let stopWatching = () => {};
  try {
    session = connect<Desk>(address, {
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      expose: { progress: (progress) => terminal.progress(progress), ask: (question) => terminal.ask(question) },
    });
    const { closed } = session;
    const stop = () => {
      wasStopped = true;
      void session?.close("stopped by Ctrl-C");
    };
    process.once("SIGINT", stop).once("SIGTERM", stop);
    tellStates(session, terminal);
    stopWatching = tellSuspicion(session, terminal);
    tellWaiting(session, address, terminal);
    const report = await Promise.race([
      sendFile(session.remote, file),
      closed.then((reason) => Promise.reject(reason)),
    ]);
    const path = out ?? `${file.name}.svg`;
    await writeFile(path, report.chart);
    tell(report, path, terminal);
    if (!stays) return 0;
    terminal.say(`The report as a page: ${new URL(report.page, session.address.href).href}`);
    terminal.say(`It is there until you press ${process.stdin.isTTY ? "Enter" : "Ctrl-C"}.`);
    await terminal.enter(closed);
    if (session.state === "closed" && !wasStopped) throw await closed;
    return 0;
  } catch (error) {
    if (wasStopped) {
      terminal.say("Stopped; nothing is kept.");
      return 130;
    }
    const { what, advice } = await inWords(error, session);
    terminal.say(`${what} ${advice}`.trim());
    return 1;
  } finally {
    stopWatching();
    await session?.close();
  }
}

/** A server that is not there is tried for a while; nobody should wonder why nothing happens. */
function tellWaiting({ opened }: ClientSession<Desk>, address: string, terminal: Terminal): void {
  const timer = setTimeout(() => terminal.say(`Nobody answers at ${address} yet…`), PATIENCE_MS);
  void opened.catch(() => {}).finally(() => clearTimeout(timer));
}

function tellStates(session: ClientSession<Desk>, terminal: Terminal): void {
  let wasInterrupted = false;
  session.addEventListener("state", ({ detail: { state } }) => {
    if (state === "open")
      terminal.say(wasInterrupted ? "Back: the work goes on." : `At the desk: ${session.address.href}`);
    if (state === "interrupted") terminal.say("Interrupted: looking for a way back, nothing is lost yet.");
    wasInterrupted = state === "interrupted";
  });
}

/** A desk that does not answer is told once; returns what ends the watch. */
function tellSuspicion(session: ClientSession<Desk>, terminal: Terminal): () => void {
  let wasSuspect = false;
  const timer = setInterval(() => {
    const isSuspect = session.link?.isSuspect === true;
    if (isSuspect && !wasSuspect) terminal.say("The desk does not answer; waiting for it…");
    wasSuspect = isSuspect;
  }, LINK_CHECK_MS);
  return () => clearInterval(timer);
}

function tell(report: Report, path: string, terminal: Terminal): void {
  const leftOut = report.rowsLeftOut > 0 ? `, ${count(report.rowsLeftOut)} left out` : "";
  terminal.say(`${report.title}: ${counted(report.rows, "row")}${leftOut}. ${report.chartInWords}`);
  terminal.say(`Wrote ${path} (${size(report.chart.length)}).`);
}
