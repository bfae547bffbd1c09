/**
 * Which attach wins (D11): one table, whoever noticed the break first. As in mosh and QUIC, the highest number wins at
 * once, so that a server which has not noticed a dead link yet loses no time.
 */
import { sameOctets } from "../base/octets.js";
import type { AttachFields } from "../frame/control.js";

/** The attach that a session has accepted last. */
export type AcceptedAttach = Pick<AttachFields, "incarnation" | "attach">;

/**
 * first: nobody was attached before. takeover: the same client, with a higher number; the older link is closed.
 * stale: the same client, but a newer attach was here first; the link is refused, the session does not notice.
 * supersede: another client with the key; the first one's conversation ends with `superseded`.
 */
export type Verdict = "first" | "takeover" | "stale" | "supersede";

/**
 * Judges an attach against the last one accepted. A first access that comes again with the same number is a repeat of
 * the last one accepted, by a browser or a proxy, and is answered again (D1); an ATTACH with the same number is stale.
 */
export function judgeAttach(accepted: AcceptedAttach | undefined, attach: AcceptedAttach, isAccess: boolean): Verdict {
  if (accepted === undefined) return "first";
  if (!sameOctets(accepted.incarnation, attach.incarnation)) return "supersede";
  if (attach.attach > accepted.attach) return "takeover";
  return isAccess && attach.attach === accepted.attach ? "takeover" : "stale";
}
