/** duowire under judgement, with its defaults. */
import { connect } from "../../../src/client/index.js";
import { Service } from "../../../src/index.js";
import { serve } from "../../../src/server/index.js";
import { codeOf, executed, type Load, machineNow, makeCalls, write } from "./ledger.js";
import type { Peer } from "./peer.js";

interface JudgeClient {
  take(n: number): number;
}

let serverLoad: Load;

class JudgeDesk extends Service<JudgeClient> {
  hello(client: string): void {
    write({ kind: "session", client, at: machineNow() });
    makeCalls(
      { client, direction: "down" },
      serverLoad,
      (n) => this.client.take(n),
      () => this.session.signal.aborted,
    );
  }

  take(client: string, n: number): number {
    return executed(client, "up", n);
  }
}

/** See {@link Peer}. */
export const duowirePeer: Peer = {
  async serve(url, load) {
    serverLoad = load;
    await serve({ address: url, service: JudgeDesk });
  },
  connect(url, client, load) {
    const take = (n: number) => executed(client, "down", n);
    const session = connect<JudgeDesk>(url, { expose: { take } });
    const note = (text: string) => write({ kind: "note", client, at: machineNow(), text });
    let closed = false;
    session.closed.then((reason) => {
      closed = true;
      write({ kind: "closed", client, at: machineNow(), code: codeOf(reason) });
    });
    session.addEventListener("state", ({ detail }) => note(detail.state));
    session.addEventListener("link", ({ detail }) => note(`link ${detail?.kind}`));
    session.remote.hello(client).then(undefined, (error: unknown) => note(`hello: ${codeOf(error)}`));
    makeCalls(
      { client, direction: "up" },
      load,
      (n) => session.remote.take(client, n),
      () => closed,
    );
  },
};
