/** A server whose sessions have a process each, to be killed. */
import { childProcess, type Server, serve } from "../../../src/server/index.js";
import type Unruly from "../../host/services/unruly.js";
import { answer } from "./answering.js";

const module = new URL("../../host/services/unruly.ts", import.meta.url);
let server: Server | undefined;
const crashes: string[] = [];

answer({
  async start(stuckMs = 10_000) {
    const service = childProcess(module, { warmMin: 2, stuckMs });
    server = await serve<Unruly>({ address: "http://127.0.0.1:0/WAO", service });
    server.addEventListener("carrier_ended", ({ detail }) => detail.cause !== "stopped" && crashes.push(detail.reason));
    return { href: server.address.href, pid: process.pid };
  },
  crashes: () => crashes,
  close: () => server?.close(),
});
