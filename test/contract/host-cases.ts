/** The hosts under the contract, and the service that all of them run. */
import { childProcess, type ProcessHost, workerThread } from "../../src/server/index.js";
import Resident from "./services/resident.js";

/** The module of the service that the suites run. */
export const residentModule = new URL("./services/resident.ts", import.meta.url);

/** One host under the contract. */
export interface HostCase {
  readonly name: string;
  readonly make: () => ProcessHost | typeof Resident;
}

/** All of them. */
export const hostCases: readonly HostCase[] = [
  { name: "inline", make: () => Resident },
  { name: "workerThread", make: () => workerThread(residentModule) },
  { name: "workerThread, pool", make: () => workerThread(residentModule, { pool: 2 }) },
  { name: "childProcess", make: () => childProcess(residentModule) },
  { name: "childProcess, pool", make: () => childProcess(residentModule, { pool: 2 }) },
];
