/**
 * The messages that the simulated applications send each other. A message tells who sent it, its class, its number
 * within that class and its length, and its content follows from these, so that a receiver can check every octet.
 */
import { SimulationFailure } from "./failure.js";
import { Random } from "./random.js";

/** short: fits a batch. long: travels in fragments. urgent: goes although the window is full. ahead: see D14. */
export const messageClasses = ["short", "long", "urgent", "ahead"] as const;

/** One of {@link messageClasses}. */
export type MessageClass = (typeof messageClasses)[number];

/** What a message says of itself. */
export interface Message {
  readonly class: MessageClass;
  /** Who sent it: the number of its party. */
  readonly sender: number;
  /** 1, 2, 3, … within the class. */
  readonly number: number;
  /** The sender wants an answer, or this is one. */
  readonly role: "plain" | "question" | "answer";
  /** All octets of it, head included. */
  readonly length: number;
}

/** Octets before the content. */
export const MESSAGE_HEAD_BYTES = 14;
const roles = ["plain", "question", "answer"] as const;

const POOL_BYTES = 1 << 18;
const pool = Buffer.from(new Random(1, "content of messages").octets(POOL_BYTES));

function content({ sender, number, length }: Message): Buffer {
  const bytes = length - MESSAGE_HEAD_BYTES;
  const start = (sender * 104_729 + number * 7_919) % (POOL_BYTES - bytes);
  return pool.subarray(start, start + bytes);
}

/** The octets of a message. */
export function encodeMessage(message: Message): Uint8Array {
  const octets = Buffer.allocUnsafe(message.length);
  octets[0] = messageClasses.indexOf(message.class);
  octets[1] = roles.indexOf(message.role);
  octets.writeUInt32BE(message.sender, 2);
  octets.writeUInt32BE(message.number, 6);
  octets.writeUInt32BE(message.length, 10);
  content(message).copy(octets, MESSAGE_HEAD_BYTES);
  return octets;
}

/** The head of the message that begins at `offset`. */
export function readMessage(octets: Uint8Array, offset: number): Message {
  const view = new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
  if (offset + MESSAGE_HEAD_BYTES > octets.length) throw new SimulationFailure("octets", "a message is cut off");
  const messageClass = messageClasses[octets[offset] as number];
  const role = roles[octets[offset + 1] as number];
  if (messageClass === undefined || role === undefined)
    throw new SimulationFailure("octets", "what came is no message");
  const [sender, number, length] = [
    view.getUint32(offset + 2),
    view.getUint32(offset + 6),
    view.getUint32(offset + 10),
  ];
  return { class: messageClass, role, sender, number, length };
}

/** Whole messages, one behind the other; the content of each is compared with what it must be. */
export function decodeMessages(octets: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let offset = 0; offset < octets.length; ) {
    const message = readMessage(octets, offset);
    const end = offset + message.length;
    if (message.length < MESSAGE_HEAD_BYTES || end > octets.length)
      throw new SimulationFailure("octets", "a message is cut off");
    if (content(message).compare(octets, offset + MESSAGE_HEAD_BYTES, end) !== 0) {
      throw new SimulationFailure("octets", `the content of ${message.class} ${message.number} is not what was sent`);
    }
    messages.push(message);
    offset = end;
  }
  return messages;
}
