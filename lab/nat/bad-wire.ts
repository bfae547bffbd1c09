/** Makes wire-35 a bad cable, and a good one again. */
import type { FaultParameters } from "./faults.js";
import { labDirectory } from "./holder.js";
import type { Lab } from "./lab.js";

/** What can be wrong with a line; wire.py says what each means. */
export const LINE_FAULTS = ["delay", "jitter", "loss", "reorder", "duplicate", "rate", "seed"] as const;

const WIRE = "wire-35";

/** Takes the cable's two ends out of the kernel's bridge and lets a program pass the packets on; nothing given: back. */
export function spoilWire(lab: Lab, parameters: FaultParameters): void {
  const chosen = LINE_FAULTS.filter((name) => parameters[name] !== undefined);
  lab.signal(WIRE, "KILL");
  if (chosen.length === 0) {
    lab.run(WIRE, ["sh", "-ec", "ip link set left master wire; ip link set right master wire"]);
    return;
  }
  const options = chosen.flatMap((name) => [`--${name}`, String(parameters[name])]);
  lab.spawnDetached(WIRE, ["python3", `${labDirectory}wire.py`, "left", "right", ...options], "wire.log");
  lab.run(WIRE, ["sh", "-ec", "ip link set left nomaster; ip link set right nomaster"]);
}
