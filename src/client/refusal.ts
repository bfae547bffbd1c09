/** What a refusal is to a client: the error that it would end with, and who said it. */
import { DuowireError, type DuowireErrorOptions, isErrorCode } from "../base/errors.js";
import type { RefusedFrame } from "../frame/control.js";

/** What no server says: a link's own words for an answer that came from something else on the way. */
const codesOfStrangers: ReadonlySet<string> = new Set(["redirected", "not_duowire", "bad_certificate"]);

/** The refusal as an error; a code that this client does not know is one that it cannot go on after. */
export function errorOfRefusal(refusal: RefusedFrame, options: DuowireErrorOptions = {}): DuowireError {
  const code = isErrorCode(refusal.code) ? refusal.code : "not_duowire";
  return new DuowireError(code, refusal.message, { side: "remote", ...options });
}

/** Something else than a duowire server answered: a network's login page, a proxy whose server is being changed. */
export function isOfStranger({ code }: RefusedFrame): boolean {
  return codesOfStrangers.has(code);
}
