/** A program with guarded children of all kinds, to be killed. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Warden } from "../../../src/host/warden.js";
import { answer } from "./answering.js";

const warnings: string[] = [];
const warden = new Warden((message) => warnings.push(message));
const children: ChildProcess[] = [];

/** Each says a word when it has got where it should be; the one that starts up never does. */
const programs = {
  // It also tries to look like something else in /proc.
  loop: `process.title = "x) R 1\\n1 1"; process.stdout.write("on"); for (;;);`,
  idle: `process.stdout.write("on"); setInterval(() => {}, 1e6)`,
  deaf: `for (const s of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(s, () => {}); process.stdout.write("on"); setInterval(() => {}, 1e6)`,
  family: `process.stdout.write(String(require("node:child_process").spawn("sleep", ["1000"]).pid)); setInterval(() => {}, 1e6)`,
  starting: "",
};

answer({
  async start(kind: keyof typeof programs): Promise<number[]> {
    const child = spawn(process.execPath, ["-e", programs[kind]], {
      stdio: ["pipe", "pipe", "ignore"],
      detached: true,
    });
    const pid = child.pid as number;
    warden.guard(pid);
    child.once("exit", () => warden.release(pid));
    children.push(child);
    if (kind === "starting") return [pid];
    const [word] = await once(child.stdout as NodeJS.ReadableStream, "data");
    return kind === "family" ? [pid, Number(word)] : [pid];
  },
  pid: () => process.pid,
  async endAll() {
    for (const child of children.splice(0)) {
      child.kill("SIGKILL");
      await once(child, "exit");
    }
  },
  warden: () => warden.pid,
  warnings: () => warnings,
  die(way: "exit" | "throw") {
    if (way === "exit") process.exit(3);
    setImmediate(() => {
      throw new Error("a bug of the server's");
    });
  },
});
