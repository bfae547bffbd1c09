import type { RefusalCode } from "../shared/wire.js";

/** What the desk tells a client that asks for the impossible. Code and message reach the client. */
export class DeskError extends Error {
  override readonly name = "DeskError";

  constructor(
    readonly code: RefusalCode,
    message: string,
  ) {
    super(message);
  }
}
