/**
 * Moves the socket of an upgrade from the process that accepted it to the one that serves it. The one place that
 * touches Node's internal handles; test/host/socket-hand-off.test.ts runs on every supported Node.
 *
 * Whatever the client sends must arrive: so reading is stopped inside the `upgrade` listener, before anything is
 * awaited. Without that this process would go on reading until the other has answered, and throw those octets away
 * (4 of 18,000 ordinary clients lost their first frame); `pause()` does not stop it.
 */
import type { ChildProcess, SendHandle, Serializable } from "node:child_process";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";

/** What a socket has beneath: libuv's handle. Internal to Node, so nothing of it is taken for granted. */
interface Handle {
  reading?: boolean;
  readStop?: () => number;
  readStart?: () => number;
  close?: () => void;
}

/** A socket as it really is. */
interface Inside {
  _handle?: Handle | null;
  /** The HTTP server. Node would track a socket that moves, and close the server only when that one is closed. */
  server?: unknown;
}

/**
 * Stops reading; call it inside the `upgrade` listener, before anything else. Does nothing to what is no plain TCP
 * socket of Node's (TLS, or something else): that cannot move. Nothing is lost either way.
 */
export function stopReading(socket: Duplex): void {
  const handle = handleOf(socket);
  if (handle === undefined) return;
  handle.reading = false;
  handle.readStop?.();
}

/** Reads again from a socket that does not move after all. */
export function resumeReading(socket: Duplex): void {
  const handle = handleOf(socket);
  if (handle === undefined || handle.reading === true) return;
  // The stream itself would not: it believes that a read is under way.
  handle.reading = true;
  handle.readStart?.();
}

/** Whether a socket on which reading was stopped is one that can move. */
export function canMove(socket: object): socket is Socket {
  return socket instanceof Socket && !("encrypted" in socket) && handleOf(socket)?.reading === false;
}

function handleOf(socket: Duplex): Handle | undefined {
  if (!(socket instanceof Socket) || "encrypted" in socket || socket.destroyed) return undefined;
  const { _handle } = socket as Inside;
  return typeof _handle?.readStop === "function" ? _handle : undefined;
}

/** A socket from before it is sent until the other process has confirmed it, or is gone. */
export class MovingSocket {
  private readonly handle: Handle | null | undefined;

  constructor(private readonly socket: Socket) {
    this.handle = (socket as Inside)._handle;
  }

  /** It is the other process's: this closes nothing but what this one still remembers of it. */
  taken(): void {
    this.socket.destroy();
  }

  /** The other process is gone: closes the socket, whether it was sent or not. */
  lost(): void {
    this.socket.destroy();
    // What Node has sent it takes from the socket, and does not close when the channel ends.
    this.handle?.close?.();
  }
}

/** Sends a message with a socket that {@link canMove}; make a {@link MovingSocket} of it before. */
export function sendSocket(child: ChildProcess, message: Serializable, socket: Socket): void {
  (socket as Inside).server = undefined;
  const handle: SendHandle = socket;
  child.send(message, handle, { keepOpen: false }, (error) => {
    if (error !== null) socket.destroy();
  });
}
