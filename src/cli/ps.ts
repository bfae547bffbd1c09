/** `duowire ps`: the sessions of a server. */
import type { AdminSession } from "../server/index.js";
import { doorHelp, doorOptions, findDoor } from "./admin-client.js";
import type { Command } from "./command.js";
import { exitCodes } from "./failure.js";
import { duration, json, print, size, table } from "./output.js";

const heads = ["ID", "SERVICE", "PRINCIPAL", "STATE", "AGE", "LINK", "IN", "OUT", "QUEUED", "HOST", "MEMORY", "FROM"];

/** Lists sessions. */
export const psCommand: Command = {
  summary: "lists the sessions of a server on this machine",
  usage: "[address or port] [options]",
  about: [
    ...doorHelp,
    "",
    "IN are calls of the client that run, OUT calls to the client that wait for their answer, QUEUED the octets on",
    "their way to it. HOST is where the process runs, with its pid or thread.",
  ],
  options: { ...doorOptions, json: { type: "boolean", help: "print JSON: { address, sessions }" } },
  positionals: [0, 1],
  async run([address], given) {
    const listing = await findDoor(given, address).sessions();
    if (given.json === true) print(json(listing, 2));
    else if (listing.sessions.length === 0) print(`no sessions at ${listing.address}`);
    else print(table(heads, listing.sessions.map(rowOf)));
    return exitCodes.ok;
  },
};

function rowOf(session: AdminSession): (string | number)[] {
  const { id, service, principal, state, ageMs, link, figures, place, remoteAddress } = session;
  const host = place === null ? "-" : [place.kind, place.number].filter((part) => part !== undefined).join(" ");
  const memory = place?.memoryBytes === undefined ? "-" : size(place.memoryBytes);
  const underWay =
    figures === null ? ["-", "-", "-"] : [figures.callsRunning, figures.callsOpen, size(figures.queuedBytes)];
  return [id, service, principal ?? "-", state, duration(ageMs), link ?? "-", ...underWay, host, memory, remoteAddress];
}
