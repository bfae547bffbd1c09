/** The server of the soak: takes numbered calls of each client and makes its own. */
import { Service } from "../../../src/index.js";
import { serve } from "../../../src/server/index.js";
import { CountingEnd, sumOf } from "../../soak/count.js";
import { answer, noteTroubles, troubles } from "./answering.js";
import { readVitals } from "./vitals.js";

/** What its clients expose. */
export interface SoakClient {
  take(n: number): number;
}

const ends: CountingEnd[] = [];

/** The service. */
export class Soak extends Service<SoakClient> {
  readonly #end = new CountingEnd((n) => this.client.take(n));

  take(n: number): number {
    return this.#end.take(n);
  }

  start(everyMs: number): void {
    ends.push(this.#end);
    this.#end.start(everyMs);
    this.session.signal.addEventListener("abort", () => this.#end.stop());
  }
}

noteTroubles();
const server = await serve({ address: "http://127.0.0.1:0/WAO", service: Soak });
const ended: Record<string, number> = {};
server.addEventListener("session_ended", ({ detail }) => {
  ended[detail.reason.code] = (ended[detail.reason.code] ?? 0) + 1;
});

answer({
  port: () => server.address.port,
  vitals: readVitals,
  stop: () => {
    for (const end of ends) end.stop();
  },
  report: () => ({ count: sumOf(ends.map((end) => end.count)), sessions: server.sessions.size, ended, troubles }),
  close: () => server.close(),
});
