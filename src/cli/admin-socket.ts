/** Where the admin doors of servers on this machine are: one Unix socket per port, in a folder of the user's own. */
import { lstatSync, mkdirSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CommandFailure, exitCodes } from "./failure.js";

/** The folder: `$XDG_RUNTIME_DIR/duowire`, or `duowire-<uid>` in the folder for temporary files. */
export function socketFolder(): string {
  const runtime = process.env.XDG_RUNTIME_DIR;
  if (runtime !== undefined && runtime !== "") return join(runtime, "duowire");
  return join(tmpdir(), `duowire-${process.getuid?.() ?? "user"}`);
}

/** The socket of the server at `port`. */
export function socketPath(port: number): string {
  return join(socketFolder(), `${port}.sock`);
}

/** Makes the folder, mode 0700. Throws when it is somebody else's or open to others: a temporary folder is shared. */
export function makeSocketFolder(): void {
  const folder = socketFolder();
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const { uid, mode } = lstatSync(folder);
  const isOurs = uid === process.getuid?.() && (mode & 0o077) === 0;
  if (isOurs) return;
  const advice = "so it is not used; set XDG_RUNTIME_DIR, or give --socket PATH or --no-socket";
  throw new CommandFailure(exitCodes.usage, `${folder} is not this user's alone (mode 0700), ${advice}`);
}

/** Every socket there. */
export function knownSockets(): string[] {
  try {
    const folder = socketFolder();
    return readdirSync(folder)
      .filter((name) => name.endsWith(".sock"))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
