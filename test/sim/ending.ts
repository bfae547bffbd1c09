/** How a history ends, and what must be true afterwards. */
import { DuowireError } from "../../src/base/errors.js";
import { demand, SimulationFailure } from "./failure.js";
import { Connection } from "./network.js";
import { Rival } from "./rival.js";
import type { SimClient } from "./sim-client.js";
import type { Simulation } from "./simulation.js";

/** How much longer than its client a server waits (D13). */
const SERVER_PATIENCE_MS = 10_000;
/** Everything that knows its end is over within this long; links that hear nothing need the most of it. */
const SETTLE_MS = 45_000;
/** A link that a client believed in, and the heartbeat that finds out. */
const NOTICE_MS = 40_000;
const RIVAL_MESSAGES = 12;
const REPLAY_EVERY_MS = 4_000;

/** Ends every session as the plan wants it, and checks that nothing is left. */
export async function endHistory(simulation: Simulation): Promise<void> {
  const { world, clients, plan } = simulation;
  simulation.isEnding = true;
  simulation.count(`ending ${plan.ending}`);
  if (plan.ending === "rival_takes_over") await rivalsTakeOver(simulation);
  else if (plan.ending === "server_dies") simulation.server.crash();
  else for (const client of clients) endSession(simulation, client);
  if (plan.endsInFaults) simulation.faultsAgain();
  await simulation.until(world.now + 2_000, () => isOver(simulation));
  simulation.makePeace();
  const mostMs = plan.leaseMs + SERVER_PATIENCE_MS + NOTICE_MS;
  await simulation.until(world.now + mostMs, () => isOver(simulation));
  demand(isOver(simulation), "hangs", () => `${mostMs} ms after ${plan.ending}: ${stateOf(simulation)}`);
  await simulation.until(world.now + SETTLE_MS, () => false);
  checkNothingIsLeft(simulation);
}

function endSession(simulation: Simulation, client: SimClient): void {
  const { session, process, machine } = client;
  const reason = new DuowireError("closed");
  switch (simulation.plan.ending) {
    case "client_closes":
      return session.close(reason);
    case "server_closes":
      return process?.end(reason);
    case "both_close":
      session.close(reason);
      return process?.end(reason);
    default:
      // What it once sent is sent again and again by somebody else, and must not keep its session alive.
      machine.crash();
      replayAttaches(simulation, client);
  }
}

/** Somebody else opens links with the newest admission and repeats an attach of the client, octet for octet. */
function replayAttaches(simulation: Simulation, client: SimClient): void {
  const { process, path } = client;
  const { world, server } = simulation;
  const recorded = client.session.party.lastAttach;
  if (process === undefined || recorded === undefined) return;
  const again = () => {
    if (process.endReason !== undefined) return;
    const attacker = simulation.stranger;
    const { id } = process.access;
    const admission = server.secrets.admission(id, recorded.number);
    const copy = new Connection(simulation.pathOf(attacker, path), { kind: "websocket", id, admission });
    copy.original = recorded.connection;
    const { client: link } = copy;
    link.listen({ opened: () => link.send(recorded.octets), receive: () => {}, closed: () => {} });
    simulation.count("attach replayed");
    world.after(REPLAY_EVERY_MS, again);
  };
  world.after(REPLAY_EVERY_MS, again);
}

async function rivalsTakeOver(simulation: Simulation): Promise<void> {
  const { world, server } = simulation;
  for (const client of simulation.clients) {
    const { process } = client;
    if (process === undefined) continue;
    const { id } = process.access;
    process.rival = simulation.nextConversation();
    const admission = server.secrets.admission(id, 1);
    const rival = new Rival(client.settings, process.rival, id, server.secrets.key(id), admission);
    const theirs = () => process.applications[1];
    await simulation.until(world.now + NOTICE_MS, () => theirs() !== undefined);
    if (simulation.random.chance(0.5)) client.loseLink();
    for (let i = 0; i < RIVAL_MESSAGES; i++) {
      rival.application.send("short", 50, i === 0 ? "question" : "plain");
      theirs()?.send("short", 50);
    }
    const isDone = () =>
      rival.party.isDelivered && theirs()?.party.isDelivered === true && client.session.state === "closed";
    await simulation.until(world.now + NOTICE_MS, isDone);
    demand(
      isDone(),
      "rival",
      () => `the rival's session is ${rival.driver.session.state}, the client's ${client.session.state}`,
    );
    const { reason } = client.session.party;
    const isTold = reason?.code === "superseded" || reason?.code === "lease_expired";
    demand(isTold, "rival", () => `the client that was superseded ended by ${reason?.code}`);
    rival.driver.close(new DuowireError("closed"));
    await simulation.until(world.now + NOTICE_MS, () => rival.driver.session.state === "closed");
    demand(rival.driver.session.state === "closed", "hangs", () => "the rival's session does not close");
  }
}

function isOver(simulation: Simulation): boolean {
  const { server, clients } = simulation;
  const isClosed = ({ machine, session }: SimClient) => machine.isCrashed || session.state === "closed";
  return clients.every(isClosed) && (server.machine.isCrashed || server.processes.size === 0);
}

function stateOf({ clients, server }: Simulation): string {
  const sessions = clients.map(({ session, machine }) => (machine.isCrashed ? "crashed" : session.state));
  const processes = [...server.processes].map(({ state }) => state);
  return `sessions ${sessions.join(", ")}; processes ${processes.join(", ")}`;
}

function checkNothingIsLeft({ clients, server }: Simulation): void {
  for (const { machine, path } of clients) {
    demand(
      machine.isCrashed || machine.timers === 0,
      "leak",
      () => `${machine.timers} timers are left on ${machine.name}`,
    );
    for (const { client, server: far } of path.connections) {
      for (const end of [client, far]) {
        if (end === undefined || end.isDead || end.machine.isCrashed) continue;
        throw new SimulationFailure("leak", `the link ${end.name} is left`);
      }
    }
  }
  const { machine } = server;
  demand(
    machine.isCrashed || machine.timers === 0,
    "leak",
    () => `${machine.timers} timers are left on ${machine.name}`,
  );
}
