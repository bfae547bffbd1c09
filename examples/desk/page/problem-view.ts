/** The part of the page that says what went wrong, and what to do. */
import type { InWords } from "../src/shared/in-words.js";
import { element, show } from "./elements.js";

/** Says it; with `canConnect` there is a button that makes a new session. */
export function showProblem({ what, advice }: InWords, canConnect = false): void {
  const [whatText, adviceText] = element("problem").querySelectorAll("p");
  if (whatText) whatText.textContent = what;
  if (adviceText) adviceText.textContent = advice;
  show("connect-again", canConnect);
  show("problem", true);
}

export function hideProblem(): void {
  show("problem", false);
}
