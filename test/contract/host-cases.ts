/** The hosts under the contract, and the service that all of them run. */
import { childProcess, type ProcessHost, workerThread } from "../../src/server/index.js";
import Resident from "./services/resident.js";

/** The module of the service that the suites run. */
export const residentModule = new URL("./services/resident.ts", import.meta.url);

/** One host under the contract. */
export interface HostCase {
  readonly name: string;
  readonly make: () => ProcessHost | typeof Resident;
  /** Whether calls made in the server's program travel through a second hop, which passes no objects by reference. */
  readonly isElsewhere: boolean;
}

/** All of them. */
export const hostCases: readonly HostCase[] = [
  { name: "inline", isElsewhere: false, make: () => Resident },
  { name: "workerThread", isElsewhere: true, make: () => workerThread(residentModule) },
  { name: "workerThread, pool", isElsewhere: true, make: () => workerThread(residentModule, { pool: 2 }) },
  { name: "childProcess", isElsewhere: true, make: () => childProcess(residentModule) },
  { name: "childProcess, pool", isElsewhere: true, make: () => childProcess(residentModule, { pool: 2 }) },
];
