/** The part of the page that shows the work on a file: how far it is, and what the desk asks. */
import type { Progress, Question } from "../src/shared/wire.js";
import { counted, size } from "../src/shared/words.js";
import { element, show } from "./elements.js";

/** Reading takes about as long as sending, counting about half as long: how the bar is shared. */
const READING_SHARE = 0.65;

let answer: ((option: string | undefined) => void) | undefined;

/** Shows that a file is being sent. */
export function showWork(fileName: string): void {
  element("work-title").textContent = fileName;
  element("progress-text").textContent = "Sending…";
  element<HTMLProgressElement>("progress").value = 0;
  show("work", true);
  element("work-title").focus();
}

/** Hides it again; a question that is open is answered with “stop”. */
export function hideWork(): void {
  answerWith(undefined);
  show("work", false);
}

/** What the desk says of its progress. */
export function showProgress({ step, bytes, bytesTotal, rows }: Progress): void {
  const share = Math.min(1, bytes / Math.max(1, bytesTotal));
  const value = step === "reading" ? share * READING_SHARE : READING_SHARE + share * (1 - READING_SHARE);
  element<HTMLProgressElement>("progress").value = value;
  const verb = step === "reading" ? "Sent and read" : "Counted";
  element("progress-text").textContent = `${verb} ${counted(rows, "row")}, ${size(bytes)} of ${size(bytesTotal)}`;
}

/** Asks the person, and resolves with the option they take, or undefined when the work is stopped. */
export function askPerson({ text, options }: Question): Promise<string | undefined> {
  answerWith(undefined);
  element("question-text").textContent = text;
  const buttons = options.map((option, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = option;
    if (index === 0) button.className = "first";
    button.addEventListener("click", () => answerWith(option));
    return button;
  });
  element("options").replaceChildren(...buttons);
  show("question", true);
  buttons[0]?.focus();
  return new Promise((resolve) => {
    answer = resolve;
  });
}

function answerWith(option: string | undefined): void {
  show("question", false);
  answer?.(option);
  answer = undefined;
}
