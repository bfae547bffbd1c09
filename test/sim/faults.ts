/** Everything that can go wrong, by name. Each seed meets some of it (swarm); each application is counted. */
import type { Connection } from "./network.js";
import { type OpeningFault, openingFaults } from "./path.js";
import type { Random } from "./random.js";
import type { SimClient } from "./sim-client.js";
import type { Simulation } from "./simulation.js";

/** Faults that happen to what exists: links, machines, the network. */
export const pointFaults = [
  "cut_both_know",
  "cut_client_knows",
  "cut_server_knows",
  "cut_nobody_knows",
  "cut_inside_a_write",
  "up_swallowed",
  "up_swallowed_behind_a_ping",
  "down_swallowed",
  "up_stalled",
  "down_stalled",
  "both_stalled",
  "old_link_arrives_late",
  "outage",
  "path_slows",
  "proxy_buffers",
  "client_sleeps",
  "client_sleeps_clock_stands",
  "client_wall_jumps",
  "client_stalls",
  "server_sleeps",
  "server_stalls",
  "server_restarts",
  "server_restarts_new_secret",
] as const;

/** One of {@link pointFaults}. */
export type PointFault = (typeof pointFaults)[number];

/** Every fault. */
export const faultKinds = [...pointFaults, ...openingFaults] as const;

/** One of {@link faultKinds}. */
export type FaultKind = PointFault | OpeningFault;

/** How often each point fault is chosen where it is enabled: what ends sessions is rarer. */
const weights: Partial<Record<PointFault, number>> = { server_restarts: 0.3, server_restarts_new_secret: 0.15 };

const linkFaults: Partial<Record<PointFault, (connection: Connection, random: Random) => void>> = {
  cut_both_know(connection, random) {
    connection.up.cut(random.below(3));
    connection.down.cut(random.below(3));
    connection.kill(random.between(0, 30), random.between(0, 30));
  },
  cut_client_knows(connection, random) {
    connection.up.cut(random.below(3));
    connection.down.cut();
    connection.kill(0, laterMs(random));
  },
  cut_server_knows(connection, random) {
    connection.up.cut();
    connection.down.cut(random.below(3));
    connection.kill(laterMs(random), 0);
  },
  cut_nobody_knows(connection, random) {
    connection.up.cut();
    connection.down.cut();
    connection.kill(laterMs(random), laterMs(random));
  },
  cut_inside_a_write(connection, random) {
    const [near, far] = [random.between(0, 50), random.chance(0.5) ? random.between(0, 50) : laterMs(random)];
    const dies = () => connection.kill(near, far);
    if (random.chance(0.5)) connection.up.cutsNext = dies;
    else connection.down.cutsNext = dies;
  },
  up_swallowed(connection, random) {
    connection.up.cut(random.below(2));
    connection.kill(laterMs(random), laterMs(random));
  },
  down_swallowed(connection, random) {
    connection.down.cut(random.below(2));
    connection.kill(laterMs(random), laterMs(random));
  },
  up_stalled(connection, random) {
    connection.up.stalledUntil = connection.path.world.now + random.spread(50, 15_000);
  },
  down_stalled(connection, random) {
    connection.down.stalledUntil = connection.path.world.now + random.spread(50, 15_000);
  },
  both_stalled(connection, random) {
    const until = connection.path.world.now + random.spread(50, 15_000);
    connection.up.stalledUntil = connection.down.stalledUntil = until;
  },
  old_link_arrives_late(connection, random) {
    // What the client sent, and sends until it notices, comes out at the server's end when newer links have attached.
    const lateMs = random.spread(200, 8_000);
    connection.up.stalledUntil = connection.path.world.now + lateMs;
    connection.client.die("the connection was reset", "lost", random.between(0, lateMs / 2));
    connection.down.cut(random.below(2));
    connection.server?.die("the connection was reset", "lost", lateMs + random.spread(10, 5_000));
  },
};

/** When an end that is not told at once is told: after a while, or by no one. */
function laterMs(random: Random): number {
  return random.chance(0.6) ? random.spread(100, 20_000) : 1e9;
}

/** Chooses a point fault among those that a seed has. */
export function choosePointFault(random: Random, enabled: readonly FaultKind[]): PointFault | undefined {
  const choice = pointFaults.filter((kind) => enabled.includes(kind));
  if (choice.length === 0) return undefined;
  for (;;) {
    const kind = random.pick(choice);
    if (random.chance(weights[kind] ?? 1)) return kind;
  }
}

/** Lets a fault happen to a client, its path or its server; false when there is nothing that it could happen to. */
export function applyFault(kind: PointFault, client: SimClient, simulation: Simulation): boolean {
  const { random, path, machine } = client;
  const { now } = simulation.world;
  const onLink = linkFaults[kind];
  if (onLink !== undefined) {
    const connections = [...path.connections];
    const newest = connections.at(-1);
    if (newest === undefined) return false;
    // Beside the link that carries the session there may be a younger one, which accompanies it, or is tried.
    const attached = connections.find(({ client: end }) => end === client.session.party.currentLink);
    const likely = random.chance(0.5) ? (attached ?? newest) : newest;
    onLink(random.chance(0.8) ? likely : random.pick(connections), random);
    return true;
  }
  switch (kind) {
    case "up_swallowed_behind_a_ping":
      // The path is looked at, and breaks behind the question: the answer to it says nothing of what follows.
      client.session.communication.wake();
      simulation.world.after(0, () => {
        for (const { up } of path.connections) up.cut(Number.POSITIVE_INFINITY);
      });
      return path.connections.size > 0;
    case "outage":
      path.downUntil = Math.max(path.downUntil, now + random.spread(100, 12_000));
      return true;
    case "path_slows":
      path.latencyMs = random.spread(50, 500);
      path.jitterMs = path.latencyMs * random.next();
      return true;
    case "proxy_buffers":
      path.buffersAnswers = !path.buffersAnswers;
      return true;
    case "client_sleeps":
    case "client_sleeps_clock_stands":
      machine.sleep(random.spread(200, 20_000), kind === "client_sleeps_clock_stands");
      return true;
    case "client_wall_jumps":
      machine.jumpWall(random.between(-1e6, 1e6));
      return true;
    case "client_stalls":
      machine.stall(random.spread(100, 6_000));
      return true;
    case "server_stalls":
      simulation.server.machine.stall(random.spread(100, 6_000));
      return true;
    case "server_sleeps":
      simulation.server.machine.sleep(random.spread(100, 8_000), random.chance(0.5));
      return true;
    default:
      return simulation.restart(kind === "server_restarts_new_secret", random.spread(50, 4_000));
  }
}
