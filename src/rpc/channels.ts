/** The channels of one peer, by name: spec/rpc.md, section 8. */
import { protocolError } from "../base/errors.js";
import { malformed } from "../base/messagepack.js";
import type { OctetReader } from "../base/octets.js";
import { type Channel, ChannelEnd, type ChannelOwner } from "./channel.js";
import { beginMessage, encodeValue } from "./codec.js";
import { HeldValue } from "./held-value.js";
import type { IncomingStream } from "./incoming-stream.js";
import { localError, type PeerContext, readName, readNumber } from "./messages.js";
import type { References } from "./references.js";
import type { Streams } from "./streams.js";

/** Channels that one side has opened and the other has not. */
export const CHANNELS_WAITING_MAX = 64;
/** UTF-16 units of a name. */
export const CHANNEL_NAME_CHARS_MAX = 256;

/** What waits under one name: ends of this side, or of the far side. The first here belongs to the first there. */
interface Waiting {
  readonly here: ChannelEnd[];
  readonly there: IncomingStream[];
}

/** Opens channels and brings their ends together. */
export class Channels implements ChannelOwner {
  private readonly waiting = new Map<string, Waiting>();
  private hereCount = 0;
  private thereCount = 0;

  constructor(
    private readonly context: PeerContext,
    private readonly references: References,
    private readonly streams: Streams,
  ) {}

  /** Opens one end. Throws `invalid_argument`, `reference_quota`, or the reason why the session has ended. */
  open(name: string): Channel {
    if (this.context.ended) throw this.context.ended;
    if (typeof name !== "string" || name === "" || name.length > CHANNEL_NAME_CHARS_MAX)
      throw localError("invalid_argument", `a channel has a name of 1 to ${CHANNEL_NAME_CHARS_MAX} characters`);
    const { here, there } = this.of(name);
    if (there.length === 0 && this.hereCount === CHANNELS_WAITING_MAX)
      throw localError("reference_quota", `${CHANNELS_WAITING_MAX} channels wait for the far side to open them`);
    const channel = new ChannelEnd(this, name);
    this.streams.open(name, channel);
    const incoming = there.shift();
    if (incoming) {
      this.thereCount--;
      channel.pair(incoming);
    } else {
      this.hereCount++;
      here.push(channel);
    }
    this.tidy(name);
    return channel;
  }

  /** Reads an OPEN behind its first two octets. */
  receiveOpen(reader: OctetReader): void {
    const number = readNumber(reader);
    const name = readName(reader);
    if (name === "" || name.length > CHANNEL_NAME_CHARS_MAX) malformed("a channel's name is empty or too long");
    const incoming = this.streams.takeOpened(number);
    const { here, there } = this.of(name);
    const channel = here.shift();
    if (channel) {
      this.hereCount--;
      channel.pair(incoming);
    } else {
      if (++this.thereCount > CHANNELS_WAITING_MAX)
        throw protocolError(`more than ${CHANNELS_WAITING_MAX} channels wait`);
      there.push(incoming);
    }
    this.tidy(name);
  }

  encode(value: unknown): HeldValue {
    const { references } = this;
    const { sink } = this.context;
    const writer = beginMessage(sink);
    const start = writer.length;
    try {
      const holes = encodeValue(references, writer, value, "message", true);
      return new HeldValue(sink, references, "channel", writer, start, holes);
    } catch (error) {
      sink.rollback();
      references.takeBack();
      throw error;
    }
  }

  private of(name: string): Waiting {
    let waiting = this.waiting.get(name);
    if (!waiting) {
      waiting = { here: [], there: [] };
      this.waiting.set(name, waiting);
    }
    return waiting;
  }

  private tidy(name: string): void {
    const { here, there } = this.of(name);
    if (here.length + there.length === 0) this.waiting.delete(name);
  }
}
