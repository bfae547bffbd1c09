/** What a service's `fetch` may answer with, checked where it was called: elsewhere it would be another's error. */

/**
 * Returns the answer if it can be sent, and throws a TypeError for whatever a program returns by mistake: nothing, what
 * is no Response, `Response.error()` or an opaque redirect (both have status 0), and a body that was read already.
 */
export function usableAnswer(answer: unknown): Response {
  if (!isResponse(answer)) throw new TypeError("fetch() returned no Response");
  const { status, bodyUsed, body } = answer;
  if (!(status >= 200 && status <= 599)) {
    throw new TypeError(`fetch() returned a Response with the status ${status}, such as that of Response.error()`);
  }
  if (bodyUsed || body?.locked) throw new TypeError("fetch() returned a Response whose body was read already");
  return answer;
}

/** Whether it has what is used of a Response: there are others than the platform's. */
function isResponse(answer: unknown): answer is Response {
  const { status, headers, body } = (answer ?? {}) as Partial<Response>;
  const hasHeaders = typeof headers?.[Symbol.iterator] === "function";
  return typeof status === "number" && hasHeaders && (body === null || typeof body?.getReader === "function");
}
