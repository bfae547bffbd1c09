/** The request that opens the door to a session's pages (spec/access.md, section 5). */
import type { Clock } from "../base/clock.js";
import { DuowireError } from "../base/errors.js";
import { answerOf } from "./fetch-answer.js";
import { refusalIn } from "./frames-request.js";

/** How long the server may take to answer. */
const DOOR_MS_MAX = 10_000;

/**
 * Shows `key` at the door `href`, for the cookie that opens it. Rejects with the refusal; with `unreachable` when no
 * answer comes, which is all that a browser tells to a page of another origin, since no server lets that one's cookies
 * in. Never follows a redirection, which would take the key along.
 */
export async function openDoorAt(href: string, key: Uint8Array, clock: Clock): Promise<void> {
  const abort = new AbortController();
  const cancel = clock.after(DOOR_MS_MAX, () => abort.abort());
  const { signal } = abort;
  const body = key as Uint8Array<ArrayBuffer>;
  try {
    const response = await fetch(href, { method: "POST", body, redirect: "manual", credentials: "include", signal });
    if (response.ok) return;
    const [code, message] = await refusalIn(answerOf(response));
    throw new DuowireError(code, `${href}: ${message}`, { side: "remote" });
  } catch (error) {
    if (error instanceof DuowireError) throw error;
    const what = signal.aborted ? `no answer within ${DOOR_MS_MAX} ms` : "no answer";
    const where = typeof document === "undefined" ? "" : " (the door opens only for pages of the server's own origin)";
    throw new DuowireError("unreachable", `${href}: ${what}${where}`, { side: "remote", cause: error });
  } finally {
    cancel();
  }
}
