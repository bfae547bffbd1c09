import { DuowireError } from "../base/errors.js";
import { frameTypes } from "../frame/frame.js";
import { AccessLink } from "./access-link.js";
import { type Exchange, sendAnswer } from "./exchange.js";
import { answerExchange } from "./exchange-links.js";
import { checkNode, processFor } from "./holder.js";
import { sessionUnknown } from "./refusals.js";
import { isFrames, readBody, readFirstFrame, shownKey } from "./request-reading.js";

/**
 * `POST` at the address of a process: an attach over one exchange, whose answer is WELCOME or the authority on why not
 * (D6). The process itself accepts or refuses it (source: S5).
 */
export async function answerAttach(exchange: Exchange, id: string): Promise<void> {
  const { core, request } = exchange;
  const body = await readBody(request, core.settings.limits, core.settings.clock);
  exchange.spokeFrames = isFrames(body);
  if (body[0] === frameTypes.exchange) return answerExchange(exchange, id, body);
  const process = await processFor(core, id, attachKey(exchange, body));
  process.accept(new AccessLink(exchange, { status: 200, headers: {} }, body));
}

/** `DELETE` at the address of a process: its holder ends it. */
export async function answerEnd(exchange: Exchange, id: string): Promise<void> {
  const { core, request } = exchange;
  const body = await readBody(request, core.settings.limits, core.settings.clock);
  await processFor(core, id, shownKey(request, body));
  core.processes.end(id, new DuowireError("closed", "the client ended the session"));
  sendAnswer(exchange, 204, {});
}

/** Every other method at an address that only its holder knows anything of. */
export function answerUnknown({ core }: Exchange, id: string): never {
  checkNode(core, id);
  throw sessionUnknown();
}

function attachKey(exchange: Exchange, body: Buffer): Uint8Array | undefined {
  if (!exchange.spokeFrames) return undefined;
  try {
    const { first } = readFirstFrame(body);
    return first?.type === "attach" ? first.key : undefined;
  } catch (error) {
    // A malformed key is a wrong key: it must not be told from one.
    if (error instanceof DuowireError) return undefined;
    throw error;
  }
}
