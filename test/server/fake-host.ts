import type {
  Access,
  CommunicationProcess,
  ProcessGrounds,
  ProcessHost,
  ProcessState,
} from "../../src/access/communication-process.js";
import type { DuowireError } from "../../src/base/errors.js";
import type { AccessFrame, AttachFrame } from "../../src/frame/control.js";
import { decodeFrames, encodeFrame, type Frame } from "../../src/frame/frame.js";
import { defaultLimits, WIRE_VERSION } from "../../src/frame/limits.js";
import type { Link } from "../../src/frame/link.js";

/** A communication process without a session: it welcomes who has the key, and keeps what it receives. */
export class FakeProcess implements CommunicationProcess {
  state: ProcessState = "waiting";
  readonly ended: Promise<DuowireError>;
  readonly received: Frame[] = [];
  readonly links: Link[] = [];
  readonly client = {};
  /** How often a first access or its repeat came here. */
  accesses = 0;
  /** Called with each frame after the first one; may answer over the link. */
  onFrame: (frame: Frame, link: Link) => void = () => undefined;
  onFetch: (request: Request) => Response | Promise<Response> = (request) => new Response(`page of ${request.url}`);
  private attach = 0;
  private settle: (reason: DuowireError) => void = () => undefined;

  constructor(
    readonly access: Access,
    readonly grounds: ProcessGrounds,
  ) {
    this.ended = new Promise((resolve) => {
      this.settle = resolve;
    });
  }

  get linkKind() {
    return this.links.at(-1)?.kind;
  }

  async callEncoded(): Promise<never> {
    throw new Error("nothing is called here");
  }

  accept(link: Link, proof?: AccessFrame): void {
    let proved = false;
    link.listen({
      opened: () => undefined,
      closed: () => this.links.splice(this.links.indexOf(link), 1),
      receive: (octets) =>
        decodeFrames(octets, (frame) => {
          if (proved) {
            this.received.push(frame);
            this.onFrame(frame, link);
          } else {
            proved = this.prove(link, frame);
          }
        }),
    });
    if (proof === undefined) return;
    proved = true;
    this.accesses += 1;
    this.welcome(link, proof);
  }

  admits(admission: string): boolean {
    const attach = this.grounds.secrets.admissionNumber(this.access.id, admission);
    return attach !== undefined && attach <= this.attach && attach >= this.attach - 1;
  }

  async fetch(request: Request): Promise<Response> {
    return this.onFetch(request);
  }

  end(reason: DuowireError): void {
    if (this.state === "closed") return;
    this.state = "closed";
    for (const link of this.links.splice(0)) link.close(reason.message);
    this.settle(reason);
  }

  private prove(link: Link, frame: Frame): boolean {
    if (frame.type !== "attach" || !this.grounds.secrets.keyFits(this.access.id, frame.key)) {
      link.send(encodeFrame({ type: "refused", code: "session_unknown", message: "other words than the server's" }));
      link.close("refused");
      return false;
    }
    this.state = "open";
    this.welcome(link, frame);
    return true;
  }

  private welcome(link: Link, attach: AccessFrame | AttachFrame): void {
    this.links.push(link);
    this.attach = attach.attach;
    const { id, key } = this.access;
    link.send(
      encodeFrame({
        type: "welcome",
        version: WIRE_VERSION,
        attach: attach.attach,
        received: 0,
        clockMs: 0,
        limits: defaultLimits,
        leaseMs: this.grounds.leaseMs,
        admission: this.grounds.secrets.admission(id, attach.attach),
        ...(attach.type === "access" ? { id, key, links: this.grounds.links } : {}),
      }),
    );
  }
}

/** Generates {@link FakeProcess}es; `before` may hold one back or make it fail. */
export class FakeHost implements ProcessHost {
  readonly processes: FakeProcess[] = [];
  before: (access: Access) => void | Promise<void> = () => undefined;

  async generate(access: Access, grounds: ProcessGrounds): Promise<CommunicationProcess> {
    await this.before(access);
    const process = new FakeProcess(access, grounds);
    this.processes.push(process);
    return process;
  }
}
