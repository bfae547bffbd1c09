/**
 * Which attach wins (D11): one table, whoever noticed the break first. As in mosh and QUIC, the highest number wins at
 * once, so that a server which has not noticed a dead link yet loses no time.
 */
import { sameOctets } from "../base/octets.js";
import type { AttachFields, AttachFrame } from "../frame/control.js";

/** The attach that a session has accepted last, and the last of its companions. */
export type AcceptedAttach = Pick<AttachFields, "incarnation" | "attach"> & Pick<AttachFrame, "companion">;

/**
 * first: nobody was attached before. takeover: the same client, with a higher number; the older link is closed.
 * stale: the same client, but a newer attach was here first; the link is refused, the session does not notice.
 * supersede: another client with the key; the first one's conversation ends with `superseded`.
 * companion: the same client, and the link wants to carry copies beside the one that it attached last.
 */
export type Verdict = "first" | "takeover" | "stale" | "supersede" | "companion";

/** What is judged. */
export type JudgedAttach = AcceptedAttach & { readonly type: "access" | "attach" };

/**
 * Judges an attach against the last one accepted. A first access that comes again with the same number is a repeat of
 * the last one accepted, by a browser or a proxy, and is answered again (D1); an ATTACH with the same number is stale.
 * A companion takes nobody's place, whoever it belongs to, is let in once, and needs a link that is attached.
 */
export function judgeAttach(accepted: AcceptedAttach | undefined, attach: JudgedAttach, isAttached: boolean): Verdict {
  const isSame = accepted !== undefined && sameOctets(accepted.incarnation, attach.incarnation);
  if (attach.companion !== undefined) {
    const isNext = isSame && attach.attach === accepted.attach && attach.companion > (accepted.companion ?? 0);
    return isNext && isAttached ? "companion" : "stale";
  }
  if (accepted === undefined) return "first";
  if (!isSame) return "supersede";
  if (attach.attach > accepted.attach) return "takeover";
  return attach.type === "access" && attach.attach === accepted.attach ? "takeover" : "stale";
}
