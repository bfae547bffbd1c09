/** `duowire end`: ends sessions of a server. */
import { doorHelp, doorOptions, findDoor } from "./admin-client.js";
import { type Command, text } from "./command.js";
import { exitCodes } from "./failure.js";
import { json, print, printable, printError } from "./output.js";

/** Ends sessions by their identifications. */
export const endCommand: Command = {
  summary: "ends sessions of a server on this machine",
  usage: "<id>… [options]",
  about: ["", 'The client of each is told `closed`: "ended by its operator".', ...doorHelp],
  options: {
    ...doorOptions,
    server: { type: "string", short: "s", value: "ADDRESS", help: "the server's address or port" },
    json: { type: "boolean", help: "print JSON: { ended, unknown }" },
  },
  positionals: [1, Number.POSITIVE_INFINITY],
  async run(ids, given) {
    const door = findDoor(given, text(given, "server"));
    const ended: string[] = [];
    const unknown: string[] = [];
    for (const id of ids) ((await door.end(id)) ? ended : unknown).push(id);
    if (given.json === true) print(json({ ended, unknown }));
    else {
      for (const id of ended) print(`ended ${printable(id)}`);
      for (const id of unknown) printError(`there is no session ${printable(id)}`);
    }
    return unknown.length === 0 ? exitCodes.ok : exitCodes.failed;
  },
};
