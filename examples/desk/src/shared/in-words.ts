/** Errors for people: what happened, and what to do. The page and the Node command say the same. */
import type { ClientSession, ErrorCode } from "duowire/client";
import { DuowireError, RemoteError } from "duowire/client";

/** What happened, and what to do about it. */
export interface InWords {
  readonly what: string;
  readonly advice: string;
}

const START = "Is the desk running? “npm start” starts it. Is the address right?";
const AGAIN = "Connect again, and send the file again.";

/** Where the situation here allows to say more than the library can. */
const sentences: Partial<Record<ErrorCode, string>> = {
  lease_expired: "The desk could not be reached for too long, so this session is over.",
  session_unknown: "There is no such session at the desk: it was started again, or the address is not right.",
  session_ended: "The desk has ended this session.",
};

const advices: Partial<Record<ErrorCode, string>> = {
  bad_address: "Write it like http://127.0.0.1:9000/WAO",
  connect_timeout: START,
  unreachable: START,
  not_duowire: "Check the address: it ends in /WAO, as the desk prints it.",
  session_unknown: `${AGAIN} The address ends in /WAO, as the desk prints it.`,
  method_not_allowed: "Check the address: it ends in /WAO, as the desk prints it.",
  bad_certificate: "This machine does not trust the certificate: use http, or tell Node of it (NODE_EXTRA_CA_CERTS).",
  redirected: "Use the address that it points to.",
  server_busy: "Try again in a moment.",
  server_closed: AGAIN,
  session_ended: AGAIN,
  lease_expired: AGAIN,
  process_crashed: AGAIN,
  closed: AGAIN,
  message_too_large: "Send a smaller file.",
};

/**
 * An error of a session, or of what was done in it, in words. A call that failed because its session ended is told as
 * the end of the session: that is what the person can do something about.
 */
export async function inWords(
  error: unknown,
  session?: Pick<ClientSession<object>, "state" | "closed">,
): Promise<InWords> {
  if (error instanceof RemoteError) return { what: error.message, advice: "" };
  const cause = error instanceof DuowireError && session?.state === "closed" ? await session.closed : error;
  if (cause instanceof DuowireError) {
    return { what: sentences[cause.code] ?? sentence(cause.message), advice: advices[cause.code] ?? "" };
  }
  return { what: error instanceof Error ? error.message : String(error), advice: "" };
}

function sentence(text: string): string {
  const begun = text.startsWith("http") ? `At ${text}` : text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
