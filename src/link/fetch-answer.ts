/** What fetch was answered, as an {@link Answer}. */
import type { Answer } from "./post.js";

/** Of an answer that was fetched with `redirect: "manual"`. */
export function answerOf(response: Response): Answer {
  return {
    status: response.type === "opaqueredirect" ? 300 : response.status,
    header: (name) => response.headers.get(name) ?? undefined,
    async read(receive) {
      for (const reader = response.body?.getReader(); reader !== undefined; ) {
        const { done, value } = await reader.read();
        if (done) return;
        receive(value);
      }
    },
  };
}
