/** One POST by the platform's own fetch: a browser chooses the connection, and tells nothing of it. */
import { answerOf } from "./fetch-answer.js";
import type { Post } from "./post.js";

/** A browser does not tell how long a handshake took, and has few connections: no way counts as a long one. */
export const farMs = (_href: string) => 0;

/** See {@link Post}. */
export const post: Post = async (href, bodyOf, signal) => {
  const body = bodyOf() as Uint8Array<ArrayBuffer> | undefined;
  if (body === undefined) throw new Error("given up before it was sent");
  const answer = await fetch(href, {
    method: "POST",
    body,
    redirect: "manual",
    cache: "no-store",
    credentials: "omit",
    signal,
  });
  return answerOf(answer);
};
