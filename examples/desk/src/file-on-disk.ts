/** A file of this machine, as something to send. */
import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import type { FileSource } from "./shared/send-file.js";

/** A file that is open. Close it when it was sent. */
export class FileOnDisk implements FileSource {
  readonly #handle: FileHandle;

  private constructor(
    handle: FileHandle,
    readonly name: string,
    readonly bytes: number,
  ) {
    this.#handle = handle;
  }

  /** Rejects with an error in plain words. */
  static async open(path: string): Promise<FileOnDisk> {
    const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
      throw new Error(
        error.code === "ENOENT" ? `There is no file ${path}.` : `${path} cannot be opened: ${error.message}`,
      );
    });
    const stat = await handle.stat();
    if (stat.isFile()) return new FileOnDisk(handle, basename(path), stat.size);
    await handle.close();
    throw new Error(`${path} is no file.`);
  }

  async read(from: number, to: number): Promise<Uint8Array> {
    const octets = new Uint8Array(to - from);
    const { bytesRead } = await this.#handle.read(octets, 0, to - from, from);
    if (bytesRead < to - from) throw new Error(`${this.name} became shorter while it was sent.`);
    return octets;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#handle.close();
  }
}
