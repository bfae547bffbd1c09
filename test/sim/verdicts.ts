/** Whether a session had a reason to end: every end of one is judged here. */
import type { DuowireError } from "../../src/base/errors.js";
import { CONNECT_TIMEOUT_MS, type SimSession } from "./client.js";
import { SimulationFailure } from "./failure.js";
import { ATTACH_DEADLINE_MS, type SimProcess } from "./server.js";
import type { SimClient } from "./sim-client.js";
import type { Simulation } from "./simulation.js";

/** How much longer than its client a server waits (D13). */
const SERVER_PATIENCE_MS = 10_000;
/** Timers are whole milliseconds. */
const SLACK_MS = 2;

/** A client's session is closed: was there a reason? */
export function checkClientEnd(
  simulation: Simulation,
  client: SimClient,
  session: SimSession,
  reason: DuowireError,
): void {
  const { party } = session;
  const process = simulation.processOf(session.conversation);
  const silentMs = party.machine.monotonicMs() - party.lastHeardMs;
  simulation.count(`client ends: ${reason.code}`);
  const isFair = (): boolean => {
    switch (reason.code) {
      case "connect_timeout":
        return client.machine.monotonicMs() - session.startedMs >= CONNECT_TIMEOUT_MS - SLACK_MS;
      case "lease_expired":
        return reason.side === "remote"
          ? process?.endReason?.code === "lease_expired"
          : silentMs >= simulation.plan.leaseMs - SLACK_MS;
      case "attach_timeout":
        return process !== undefined && simulation.world.now - process.startedAt >= ATTACH_DEADLINE_MS * 0.99;
      case "session_ended":
        return process?.endReason !== undefined || process?.server !== simulation.server;
      case "session_unknown":
        return process?.server.secret !== simulation.server.secret;
      case "access_unknown":
        // A wall clock that was set while the access was tried makes the client say more than the truth.
        return client.machine.jumpedAt >= session.startedAt || simulation.server.mayHaveForgotten(session.startedAt);
      case "unreachable":
        return simulation.world.now - client.path.refusedAt <= 10_000;
      case "closed":
        return simulation.isEnding;
      case "superseded":
        return simulation.plan.ending === "rival_takes_over" && simulation.isEnding;
      default:
        return false;
    }
  };
  if (!isFair()) throw new SimulationFailure("reason", `${party.name} ended by ${reason.code}: ${reason.message}`);
}

/** A process's conversation is over: was there a reason? */
export function checkServerEnd(simulation: Simulation, process: SimProcess, reason: DuowireError): void {
  const party = process.applications[0]?.party;
  if (party === undefined) return;
  const silentMs = party.machine.monotonicMs() - party.lastHeardMs;
  simulation.count(`server ends: ${reason.code}`);
  const isFair = (): boolean => {
    switch (reason.code) {
      case "lease_expired":
        if (reason.side === "remote") return true;
        return silentMs >= simulation.plan.leaseMs + SERVER_PATIENCE_MS - SLACK_MS;
      case "attach_timeout":
        return !process.wasAttached && simulation.world.now - process.startedAt >= ATTACH_DEADLINE_MS * 0.99;
      case "closed":
      case "unreachable":
      case "connect_timeout":
      case "superseded":
        return true;
      default:
        return false;
    }
  };
  if (!isFair()) throw new SimulationFailure("reason", `${party.name} ended by ${reason.code}: ${reason.message}`);
}
