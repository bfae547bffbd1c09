/** What the simulator finds. */

/** A property that does not hold: `rule` names it, the message says what happened. */
export class SimulationFailure extends Error {
  override readonly name = "SimulationFailure";

  constructor(
    readonly rule: string,
    message: string,
  ) {
    super(`${rule}: ${message}`);
  }
}

/** Throws unless `condition` holds. */
export function demand(condition: boolean, rule: string, message: () => string): void {
  if (!condition) throw new SimulationFailure(rule, message());
}
