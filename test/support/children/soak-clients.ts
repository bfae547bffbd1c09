/** Many clients in one process, each with a session of its own. */
import { type ClientSession, connect, type LinkChoice } from "../../../src/client/index.js";
import { CountingEnd, sumOf } from "../../soak/count.js";
import { answer, noteTroubles, troubles } from "./answering.js";
import type { Soak } from "./soak-server.js";
import { readVitals } from "./vitals.js";

/** How many sessions to open, at which address, and how often each end calls. */
export interface SoakLoad {
  readonly href: string;
  readonly sessions: number;
  /** Every so-manieth session goes over plain HTTP only. */
  readonly plainEach: number;
  readonly everyMs: number;
}

noteTroubles();
const sessions: ClientSession<Soak>[] = [];
const ends: CountingEnd[] = [];
const ended: Record<string, number> = {};

async function open({ href, plainEach, everyMs }: SoakLoad, index: number): Promise<void> {
  const links: LinkChoice[] = index % plainEach === 0 ? ["http-exchange"] : ["websocket", "http-exchange"];
  const end = new CountingEnd((n) => session.remote.take(n));
  const session: ClientSession<Soak> = connect<Soak>(href, { links, expose: { take: (n: number) => end.take(n) } });
  sessions.push(session);
  ends.push(end);
  void session.closed.then(({ code }) => {
    ended[code] = (ended[code] ?? 0) + 1;
    end.stop();
  });
  await session.remote.start(everyMs);
  end.start(everyMs);
}

answer({
  vitals: readVitals,
  open: (load: SoakLoad) => Promise.all(Array.from({ length: load.sessions }, (_, index) => open(load, index))).then(),
  stop: () => {
    for (const end of ends) end.stop();
  },
  report: () => ({ count: sumOf(ends.map((end) => end.count)), sessions: sessions.length, ended, troubles }),
  close: async () => {
    await Promise.all(sessions.map((session) => session.close()));
    sessions.length = 0;
  },
});
