import { childProcess, workerThread } from "../../src/server/index.js";
import { hostContract, residentModule } from "./host.js";
import Resident from "./services/resident.js";

hostContract({ name: "inline", isElsewhere: false, make: () => Resident });
hostContract({ name: "workerThread", isElsewhere: true, make: () => workerThread(residentModule) });
hostContract({ name: "workerThread, pool", isElsewhere: true, make: () => workerThread(residentModule, { pool: 2 }) });
hostContract({ name: "childProcess", isElsewhere: true, make: () => childProcess(residentModule) });
hostContract({ name: "childProcess, pool", isElsewhere: true, make: () => childProcess(residentModule, { pool: 2 }) });
