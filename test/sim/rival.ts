/** Another client that has the key of a session: it takes the session over, and the first client may not come back. */
import { inputsFirst } from "../../src/base/clock.js";
import { Attempts } from "../../src/client/attempts.js";
import { SecondCommunication } from "../../src/client/second-communication.js";
import { Driver } from "../../src/driver/driver.js";
import { SimApplication } from "./application.js";
import { type ClientSettings, openLinks } from "./client.js";
import { type Party, viewOf } from "./party.js";
import { Random } from "./random.js";

const FRESH_MS = 60_000;
const INCARNATION_BYTES = 16;

/** The rival, made of the client's own parts, without a first access. */
export class Rival {
  readonly party: Party;
  readonly driver: Driver;
  readonly application: SimApplication;
  private readonly second: SecondCommunication;
  private admission: string;

  constructor(settings: ClientSettings, conversation: number, id: string, key: Uint8Array, admission: string) {
    const { machine, checker, queueBytesMax, limits, world } = settings;
    const random = new Random(world.random.seed, `rival ${conversation}`);
    this.admission = admission;
    this.party = checker.party("client", conversation, machine, queueBytesMax);
    let application: SimApplication | undefined;
    this.driver = new Driver({
      side: "client",
      clock: inputsFirst(machine),
      limits,
      queueBytesMax,
      leaseMs: FRESH_MS,
      freshMs: FRESH_MS,
      closeMs: 1_000,
      application: (outgoing, wake) => {
        application = new SimApplication(this.party, outgoing, wake);
        return application;
      },
      events: {
        state: (state) => {
          this.party.stateIs(state);
          if (state === "closed") this.second.stop();
          else this.second.ensure();
        },
        welcomed: (welcome, link) => {
          this.admission = welcome.admission;
          this.second.welcomed(link);
        },
        refused: (refusal) => this.second.refused(refusal),
        suspect: () => this.second.ensure(),
      },
    });
    this.application = application as unknown as SimApplication;
    const { session } = this.driver;
    this.party.core = () => viewOf(session);
    const network = openLinks(settings, this.party);
    this.second = new SecondCommunication({
      driver: this.driver,
      clock: inputsFirst(machine),
      attempts: new Attempts((count) => random.octets(count), machine.monotonicMs()),
      memory: network.memory,
      isLong: false,
      open: () => network.open(id, this.admission, key, []),
      ask: (isHeldBack) => network.ask(id, key, isHeldBack, []),
      key,
      incarnation: random.octets(INCARNATION_BYTES),
    });
    this.second.ensure();
  }
}
