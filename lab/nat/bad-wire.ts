/** Makes wire-35 a bad cable, and a good one again. */
import { labDirectory } from "./holder.js";
import type { Lab } from "./lab.js";
import type { FaultParameters } from "./parameters.js";

/** What can be wrong with a line; wire.py says what each means. */
export const LINE_FAULTS = ["delay", "jitter", "loss", "reorder", "duplicate", "rate", "seed"] as const;

const WIRE = "wire-35";

/** Takes the cable's two ends out of the kernel's bridge, and a program passes the packets on; nothing given: back. */
export async function spoilWire(lab: Lab, parameters: FaultParameters): Promise<void> {
  const chosen = LINE_FAULTS.filter((name) => parameters[name] !== undefined);
  await lab.signal(WIRE, "KILL");
  if (chosen.length === 0) {
    await lab.run(WIRE, ["sh", "-ec", "ip link set left master wire; ip link set right master wire"]);
    return;
  }
  const options = chosen.flatMap((name) => [`--${name}`, String(parameters[name])]);
  const log = lab.writeFile("wire.log", "");
  lab.spawnDetached(WIRE, ["python3", `${labDirectory}wire.py`, "left", "right", ...options], "wire.log");
  // A cable that is cut for the moment it takes to exchange it would cost the first connection a second.
  await lab.run(WIRE, [
    "sh",
    "-c",
    `for i in $(seq 100); do grep -q ready ${log} && exit 0; sleep 0.02; done; cat ${log} >&2; exit 1`,
  ]);
  await lab.run(WIRE, ["sh", "-ec", "ip link set left nomaster; ip link set right nomaster"]);
}
