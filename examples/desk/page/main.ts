/** The desk's page: one session with the desk, one file at a time. */
import { type ClientSession, connect } from "duowire/client";
import type { Desk } from "../src/service/desk.js";
import { inWords } from "../src/shared/in-words.js";
import { type FileSource, sendFile } from "../src/shared/send-file.js";
import { FILE_BYTES_MAX } from "../src/shared/wire.js";
import { size } from "../src/shared/words.js";
import { element, show } from "./elements.js";
import { showLink } from "./link-view.js";
import { hideProblem, showProblem } from "./problem-view.js";
import { showReport, withdrawPage } from "./result-view.js";
import { askPerson, hideWork, showProgress, showWork } from "./work-view.js";

/** What a tab remembers over a reload: the ticket of its last report, and the file that it was sending. */
const TICKET = "desk-ticket";
const SENDING = "desk-sending";
const LINK_REFRESH_MS = 1_000;
/** Most interruptions are over before anybody needs to hear of them. */
const INTERRUPTION_TOLD_MS = 4_000;
const unreachable = {
  what: "The desk cannot be reached.",
  advice:
    "If it is the network, wait: the work goes on when the way is back, within two minutes. " +
    "If the desk was ended, “npm start” starts it again.",
};

let isLeaving = false;
// Before the session's own listener: what a leaving page's session says is nobody's problem any more.
addEventListener("pagehide", () => {
  isLeaving = true;
});
addEventListener("pageshow", () => {
  isLeaving = false;
});

let session = open();
let isWorking = false;

function open(): ClientSession<Desk> {
  const opened = connect<Desk>(new URL("/WAO", location.href), {
    expose: { progress: showProgress, ask: askPerson },
  });
  for (const event of ["state", "link"] as const) opened.addEventListener(event, () => showLink(opened));
  let patience: ReturnType<typeof setTimeout> | undefined;
  opened.addEventListener("state", ({ detail: { state } }) => {
    clearTimeout(patience);
    if (state === "interrupted") patience = setTimeout(() => showProblem(unreachable), INTERRUPTION_TOLD_MS);
    else if (state === "open") hideProblem(unreachable);
  });
  void opened.closed.then(async (reason) => {
    withdrawPage();
    if (!isWorking) showProblem(await inWords(reason), true);
  });
  showLink(opened);
  return opened;
}

async function work(file: FileSource): Promise<void> {
  if (isWorking) return;
  if (session.state === "closed") session = open();
  isWorking = true;
  hideProblem();
  show("start", false);
  show("result", false);
  showWork(file.name);
  sessionStorage.setItem(SENDING, file.name);
  try {
    const report = await sendFile(session.remote, file);
    sessionStorage.setItem(TICKET, report.ticket);
    showReport(report, session.address.href);
    element("result-title").focus();
  } catch (error) {
    showProblem(await inWords(error, session), session.state === "closed");
    show("result", element<HTMLImageElement>("chart").src !== "");
  } finally {
    if (!isLeaving) sessionStorage.removeItem(SENDING);
    isWorking = false;
    hideWork();
    show("start", true);
  }
}

/** After a reload: the finished report is still there, work that was under way is not. */
async function remember(): Promise<void> {
  const ticket = sessionStorage.getItem(TICKET);
  const sending = sessionStorage.getItem(SENDING);
  sessionStorage.removeItem(SENDING);
  if (sending !== null) {
    showProblem({ what: `Loading the page again stopped the work on ${sending}.`, advice: "Send the file once more." });
  }
  if (ticket === null) return;
  const report = await session.remote.reopen(ticket);
  if (report && !isWorking) showReport(report, session.address.href);
  if (!report) sessionStorage.removeItem(TICKET);
}

function fromPerson(file: File): FileSource {
  return {
    name: file.name,
    bytes: file.size,
    read: async (from, to) => new Uint8Array(await file.slice(from, to).arrayBuffer()),
  };
}

async function takeSample(name: string): Promise<void> {
  try {
    const answer = await fetch(`/${name}`);
    if (!answer.ok) throw new Error(`the server has no ${name}`);
    await work(fromPerson(new File([await answer.blob()], name)));
  } catch (error) {
    showProblem(await inWords(error), session.state === "closed");
  }
}

function listen(): void {
  const input = element<HTMLInputElement>("file");
  input.addEventListener("change", () => {
    const [file] = input.files ?? [];
    if (file) void work(fromPerson(file));
    // The same file can be chosen again.
    input.value = "";
  });
  const drop = element("drop");
  // A file that misses the field must not replace the page.
  for (const type of ["dragover", "drop"]) addEventListener(type, (event) => event.preventDefault());
  for (const type of ["dragenter", "dragover"]) drop.addEventListener(type, () => drop.classList.add("over"));
  for (const type of ["dragleave", "drop"]) drop.addEventListener(type, () => drop.classList.remove("over"));
  drop.addEventListener("drop", ({ dataTransfer }) => {
    const [file] = dataTransfer?.files ?? [];
    if (file) void work(fromPerson(file));
  });
  for (const button of document.querySelectorAll<HTMLButtonElement>("[data-sample]")) {
    button.addEventListener("click", () => void takeSample(button.dataset.sample ?? ""));
  }
  element("stop").addEventListener("click", () => {
    hideWork();
    void session.remote.stop();
  });
  element("connect-again").addEventListener("click", () => {
    hideProblem();
    session = open();
    void remember().catch(() => {});
  });
}

element("limit").textContent = size(FILE_BYTES_MAX);
setInterval(() => showLink(session), LINK_REFRESH_MS);
listen();
// What keeps the session from opening is told when it closes.
void remember().catch(() => {});
