/** Who holds a session's key, and what everybody else is told (D5). */
import type { CommunicationProcess } from "../access/communication-process.js";
import { DuowireError } from "../base/errors.js";
import type { ServerCore } from "./core.js";
import { sessionUnknown } from "./refusals.js";

/** The process, once it is made, for whoever shows its key; throws what anybody else is told. */
export async function processFor(
  core: ServerCore,
  id: string,
  key: Uint8Array | undefined,
): Promise<CommunicationProcess> {
  checkNode(core, id);
  if (key === undefined || !core.secrets.keyFits(id, key)) throw sessionUnknown();
  const generation = core.processes.get(id);
  if (generation === undefined) throw core.processes.crashOf(id) ?? new DuowireError("session_ended");
  core.processes.heard(id);
  return generation.ready;
}

/** Throws `wrong_node` when the identification itself names another node; it says so to everybody who can read. */
export function checkNode(core: ServerCore, id: string): void {
  if (core.settings.ids.owner(id) === "other-node") throw new DuowireError("wrong_node");
}
