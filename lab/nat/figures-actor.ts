/** One part of the figures' example, in a process of its own: `figures-actor.ts server`, or `client ACCESSES`. */
import { type ClientSession, connect } from "../../src/client/index.js";
import { Service } from "../../src/index.js";
import { serve } from "../../src/server/index.js";
import { LOCAL_URL, PUBLIC_URL } from "./topology.js";

interface FiguresClient {
  whatDoYouSee(): string;
}

/** The service of the example: it tells the address that it sees, and asks its client which one that sees. */
class Figures extends Service<FiguresClient> {
  seen(): string {
    return this.session.address.href;
  }

  async seenThere(): Promise<string> {
    return await this.client.whatDoYouSee();
  }
}

process.stdin.resume().on("end", () => process.exit(0));

const [role, accesses] = process.argv.slice(2);
if (role === "server") {
  await serve({ address: LOCAL_URL, service: Figures, ids: "sequential" });
  console.log("ready");
} else {
  for (let access = 0; access < Number(accesses); access += 1) {
    const session: ClientSession<Figures> = connect<Figures>(PUBLIC_URL, {
      expose: { whatDoYouSee: () => session.address.href },
    });
    const atServer = await session.remote.seen();
    // The server calls the client, through both routers: M3 in the same breath.
    const atClient = await session.remote.seenThere();
    console.log(JSON.stringify({ atServer, atClient }));
  }
  console.log("ready");
}
