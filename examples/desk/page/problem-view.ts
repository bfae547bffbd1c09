/** The part of the page that says what went wrong, and what to do. */
import type { InWords } from "../src/shared/in-words.js";
import { element, show } from "./elements.js";

let shown: InWords | undefined;

/** Says it; with `canConnect` there is a button that makes a new session. */
export function showProblem({ what, advice }: InWords, canConnect = false): void {
  shown = { what, advice };
  const [whatText, adviceText] = element("problem").querySelectorAll("p");
  if (whatText) whatText.textContent = what;
  if (adviceText) adviceText.textContent = advice;
  show("connect-again", canConnect);
  show("problem", true);
}

/** Takes back what was said; with `only` just that. */
export function hideProblem(only?: InWords): void {
  if (only === undefined || only.what === shown?.what) show("problem", false);
}
