/**
 * The example of the source's Figures 1 to 3: client 10 accesses twice and gets WAO1 and WAO2, the client of the second
 * site gets WAO3; each address is seen as 192.168.1.1:9000 at the server and as 211.11.110.15:9000 at the client, and
 * one port carries it all.
 */
import type { ChildProcess } from "node:child_process";
import { createInterface } from "node:readline";
import { labDirectory } from "./holder.js";
import { Lab } from "./lab.js";
import { type NodeName, SERVER_LOCAL_ADDRESS, SERVER_PORT, SERVER_PUBLIC_ADDRESS } from "./topology.js";

/** What one access saw, at both ends. */
export interface SeenAddresses {
  readonly client: NodeName;
  readonly atServer: string;
  readonly atClient: string;
}

/** What was seen while all three accesses were open. */
export interface FiguresSeen {
  readonly accesses: readonly SeenAddresses[];
  /** Ports of the server's machine that any TCP socket had. */
  readonly serverPorts: readonly number[];
  /** Destinations in router 50's connection table, as the clients address them and as the server is reached. */
  readonly mappings: readonly string[];
}

/** What the source says: by access, in order. */
export const figuresExpected: FiguresSeen = {
  accesses: (["client-10", "client-10", "client-110"] as const).map((client, index) => ({
    client,
    atServer: `http://${SERVER_LOCAL_ADDRESS}:${SERVER_PORT}/WAO${index + 1}`,
    atClient: `http://${SERVER_PUBLIC_ADDRESS}:${SERVER_PORT}/WAO${index + 1}`,
  })),
  serverPorts: [SERVER_PORT],
  mappings: [`${SERVER_PUBLIC_ADDRESS}:${SERVER_PORT} is ${SERVER_LOCAL_ADDRESS}:${SERVER_PORT}`],
};

/** Plays the example in a lab of its own. */
export async function playFigures(): Promise<FiguresSeen> {
  const lab = await Lab.up(`figures-${process.pid}`, { tied: true });
  try {
    await untilReady(start(lab, "server-20", ["server"]));
    const first = await untilReady(start(lab, "client-10", ["client", "2"]));
    const second = await untilReady(start(lab, "client-110", ["client", "1"]));
    return {
      accesses: [...seenBy("client-10", first), ...seenBy("client-110", second)],
      serverPorts: readPorts(await lab.run("server-20", ["ss", "-Htan"])),
      mappings: readMappings(await lab.run("router-50", ["cat", "/proc/net/nf_conntrack"])),
    };
  } finally {
    lab.down();
  }
}

/** The command `figures`: prints what was seen; 1 if it is not what the source says. */
export async function printFigures(): Promise<number> {
  const seen = await playFigures();
  for (const { client, atServer, atClient } of seen.accesses) console.log(`${client}: ${atServer} is ${atClient}`);
  console.log(`ports in use at the server: ${seen.serverPorts.join(", ")}`);
  console.log(`router 50: ${seen.mappings.join(", ")}`);
  return JSON.stringify(seen) === JSON.stringify(figuresExpected) ? 0 : 1;
}

/** Local ports of every socket in the output of `ss -Htan`, each once. */
export function readPorts(sockets: string): number[] {
  const ports = sockets
    .trim()
    .split("\n")
    .map((line) => Number(/:(\d+)$/.exec(line.trim().split(/\s+/)[3] ?? "")?.[1]));
  return [...new Set(ports)].sort((a, b) => a - b);
}

/** Where connections go in a connection table: as addressed, and what answers; each once. */
export function readMappings(table: string): string[] {
  const connection = /tcp .*?dst=(\S+) sport=\d+ dport=(\d+) .*?src=(\S+) dst=\S+ sport=(\d+)/;
  const found = table.split("\n").flatMap((line) => {
    const [, address, port, local, localPort] = connection.exec(line) ?? [];
    return address ? [`${address}:${port} is ${local}:${localPort}`] : [];
  });
  return [...new Set(found)].sort();
}

function start(lab: Lab, node: NodeName, words: readonly string[]): ChildProcess {
  const program = [process.execPath, "--conditions=duowire-source", "--import", "tsx"];
  return lab.spawn(node, [...program, `${labDirectory}figures-actor.ts`, ...words], ["pipe", "pipe", "pipe"]);
}

/** The lines before `ready`; rejects with the program's complaint when it ends without. */
function untilReady(child: ChildProcess): Promise<string[]> {
  const lines: string[] = [];
  let complaint = "";
  child.stderr?.on("data", (octets) => {
    complaint += octets;
  });
  return new Promise((resolve, reject) => {
    const give = (reason: string) => reject(new Error(`${reason}: ${complaint}`));
    const timer = setTimeout(() => give("an actor of the figures does not answer"), 20_000);
    child.once("exit", () => give("an actor of the figures ended"));
    if (!child.stdout) return;
    createInterface({ input: child.stdout }).on("line", (line) => {
      if (line !== "ready") {
        lines.push(line);
        return;
      }
      clearTimeout(timer);
      resolve(lines);
    });
  });
}

function seenBy(client: NodeName, lines: readonly string[]): SeenAddresses[] {
  return lines.map((line) => ({ client, ...JSON.parse(line) }));
}
