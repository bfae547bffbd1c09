/** What runs in the page: the client from its own source, and one function for each thing that a test asks of it. */
import { type ClientSession, connect, DuowireError, RemoteError } from "../../src/client/index.js";
import type { Ledger } from "../support/ledger.js";
import { LedgerEnd, type Load } from "../support/ledger-end.js";

/** What a test is told of a session. */
export interface SessionReport {
  readonly id: string;
  readonly state: string;
  readonly link: string | undefined;
  readonly states: string[];
  readonly closedCode: string | undefined;
  readonly closedMessage: string | undefined;
}

let session: ClientSession<Ledger>;
let end: LedgerEnd;
let states: string[] = [];
let closed: DuowireError | undefined;
// A debugger cannot be relied on around the back/forward cache, so the page tells its server itself.
addEventListener("pageshow", (event) => {
  void fetch(event.persisted ? "/came-back" : "/came-anew");
});

const describeError = (error: unknown) => {
  const kind = error instanceof DuowireError ? "DuowireError" : error instanceof RemoteError ? "RemoteError" : "Error";
  const { name, message, code, outcome } = error as DuowireError;
  return { kind, name, message, code, outcome };
};

const driver = {
  open(href: string, connectTimeoutMs = 15_000): void {
    end = new LedgerEnd();
    states = [];
    closed = undefined;
    session = connect<Ledger>(href, { expose: end.expose, connectTimeoutMs });
    session.addEventListener("state", ({ detail }) => states.push(detail.state));
    session.closed.then((reason) => {
      closed = reason;
    });
  },
  report: (): SessionReport => ({
    id: session.address.id,
    state: session.state,
    link: session.link?.kind,
    states,
    closedCode: closed?.code,
    closedMessage: closed?.message,
  }),
  take: (n: number): Promise<number> => session.remote.take(n),
  /** A call that waits for at most `timeoutMs`: its number, or how it fails. */
  takeWithin: (n: number, timeoutMs: number) => session.with({ timeoutMs }).remote.take(n).then(null, describeError),
  run: (load: Load) => end.run(session, load),
  lend: () => end.lend(session),
  runCallback: (load: Load) => session.remote.runCallback(load),
  calledBack: () => end.calledBack,
  /** Sends octets there and back; true when they are the same, and octets. */
  async echoes(length: number): Promise<boolean> {
    const octets = new Uint8Array(length).map((_, index) => index * 7);
    const back = await session.remote.echo(octets);
    return (
      back instanceof Uint8Array && back.length === length && back.every((octet, index) => octet === octets[index])
    );
  },
  /** Makes a file input for the test to fill. */
  makeInput(): void {
    document.body.append(Object.assign(document.createElement("input"), { type: "file", multiple: true }));
  },
  /** Sends the files of the input there and back: what came back, or how that failed. */
  async echoesFiles() {
    const files = [...(document.querySelector("input")?.files ?? [])];
    const echo = session.remote.echo as unknown as (files: File[]) => Promise<File[]>;
    const describe = async (file: File) => [
      file instanceof File,
      file.name,
      file.type,
      file.size,
      (await file.text()).slice(-3),
    ];
    try {
      const [first, back] = await Promise.all([session.remote.take(0), echo(files)]);
      return { first, files: await Promise.all(back.map(describe)), times: back.map((one) => one.lastModified) };
    } catch (error) {
      return describeError(error);
    }
  },
  /** How a call of `method` fails. */
  async fails(method: string) {
    const untyped = session.remote as unknown as Record<string, () => Promise<unknown>>;
    return (untyped[method] as () => Promise<unknown>)().then(() => undefined, describeError);
  },
  close: () => session.close(),
  /** How many milliseconds a picture takes. */
  async loads(source: string): Promise<number> {
    const startedAt = performance.now();
    const picture = new Image();
    picture.src = source;
    await picture.decode();
    return performance.now() - startedAt;
  },
  platform: () => ({
    isSecure: isSecureContext,
    hasSubtle: crypto.subtle !== undefined,
    hasLocks: "locks" in navigator && navigator.locks !== undefined,
  }),
};

/** What tests call in the page. */
export type PageDriver = typeof driver;
Object.assign(globalThis, { driver });
