/** One POST by the platform's own fetch: a browser chooses the connection, and tells nothing of it. */
import { answerOf } from "./fetch-answer.js";
import { type Post, REQUESTS_AT_ONCE } from "./post.js";

/** How many requests a link may have under way at once: a browser opens six connections, for all its tabs. */
export const requestsAtOnce = (_href: string) => REQUESTS_AT_ONCE;

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
