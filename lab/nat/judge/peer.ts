/** What the judge needs of a library under test: numbered calls, both ways. */
import type { Load } from "./ledger.js";

/** A library under test, at both ends. Each writes its own lines down, by ledger.ts. */
export interface Peer {
  /** Serves at a URL until the process ends; calls every client that says hello. */
  serve(url: string, load: Load): Promise<void>;
  /** Connects, says hello and calls; does not throw when the connection fails, but writes down what became of it. */
  connect(url: string, client: string, load: Load): void;
}

/** The peers by name. Loaded when asked for, since not every one can be loaded everywhere. */
export const peers: Readonly<Record<string, () => Promise<Peer>>> = {
  duowire: async () => (await import("./duowire-peer.js")).duowirePeer,
  naive: async () => (await import("./naive-peer.js")).naivePeer,
};
