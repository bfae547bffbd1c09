/**
 * One direction's batches as they come: each taken once, in order; fragments put together again (D8).
 */
import { protocolError } from "../base/errors.js";
import { joinOctets } from "../base/octets.js";
import type { BatchFrame, FragmentFrame } from "../frame/frame.js";
import { type AnnouncedLimits, FRAGMENTED_MESSAGES_MAX } from "../frame/limits.js";

interface Assembly {
  readonly parts: Uint8Array[];
  readonly totalBytes: number;
  left: number;
}

/** What was received, and the messages of which only a part has come. */
export class Inbox {
  /** The number of the last batch received; 0 for none. All before it were received too. */
  received = 0;
  /** Octets of batches received since this was last set to 0: tells when an acknowledgement is due. */
  unackedBytes = 0;
  /** Batches that came a second time, and were dropped. */
  duplicates = 0;
  private readonly assemblies = new Map<number, Assembly>();
  private assemblyBytes = 0;
  private lastMessage = 0;

  constructor(private readonly limits: AnnouncedLimits) {}

  /**
   * Takes a batch. Returns the messages that are whole now, if any; a batch that was received before is dropped, and
   * one that leaves a gap is a violation, since links have none (D10). Beside the attached link (`isBeside`) it is
   * dropped too: what is missing comes over that.
   */
  take(frame: BatchFrame | FragmentFrame, isBeside = false): Uint8Array | undefined {
    if (frame.sequence <= this.received) {
      this.duplicates += 1;
      return undefined;
    }
    if (frame.sequence !== this.received + 1) {
      if (isBeside) return undefined;
      throw protocolError(`batch ${frame.sequence} came after batch ${this.received}`);
    }
    const whole = frame.type === "batch" ? frame.messages : this.assemble(frame);
    this.received = frame.sequence;
    this.unackedBytes += frame.type === "batch" ? frame.messages.length : frame.octets.length;
    return whole;
  }

  /** Forgets everything: the session has ended. */
  clear(): void {
    this.assemblies.clear();
    this.assemblyBytes = 0;
  }

  private assemble(frame: FragmentFrame): Uint8Array | undefined {
    const assembly = this.assemblies.get(frame.message) ?? this.begin(frame);
    if (assembly.left !== frame.octets.length + frame.left) {
      throw protocolError(`message ${frame.message} lacks ${assembly.left} octets, and a fragment says otherwise`);
    }
    // A copy: the view may be a small part of a large buffer that would be kept with it.
    assembly.parts.push(frame.octets.slice());
    assembly.left = frame.left;
    if (frame.left > 0) return undefined;
    this.assemblies.delete(frame.message);
    this.assemblyBytes -= assembly.totalBytes;
    return joinOctets(assembly.parts);
  }

  /** The first fragment states the size, so every limit is checked before anything is kept. */
  private begin(frame: FragmentFrame): Assembly {
    if (frame.message !== this.lastMessage + 1) {
      throw protocolError(`fragmented message ${frame.message} follows ${this.lastMessage}`);
    }
    const totalBytes = frame.octets.length + frame.left;
    if (totalBytes > this.limits.messageBytesMax) {
      throw protocolError(`a message of ${totalBytes} octets, above ${this.limits.messageBytesMax} (messageBytesMax)`);
    }
    const tooManyBytes = this.assemblyBytes + totalBytes > Math.max(this.limits.assemblyBytesMax, totalBytes);
    if (this.assemblies.size >= FRAGMENTED_MESSAGES_MAX || (this.assemblies.size > 0 && tooManyBytes)) {
      throw protocolError("more messages in fragments at once than were allowed");
    }
    const assembly = { parts: [], totalBytes, left: totalBytes };
    this.assemblies.set(frame.message, assembly);
    this.assemblyBytes += totalBytes;
    this.lastMessage = frame.message;
    return assembly;
  }
}
