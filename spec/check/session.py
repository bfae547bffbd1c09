"""A session as a client keeps it: spec/session.md, without any I/O.

Octets to be sent are what the methods return; whole messages that came are what `receive` returns. A link is nothing
but a number of writes here: `attach` begins a new one, and whatever comes from an older one must not be given to this.
"""
from __future__ import annotations

import os
import time
from collections import deque
from typing import Deque, Optional, Union

import frames
from frames import Ack, Batch, Control, Fragment, Frame, Ping, Pong

VERSION = 1
EARLY_BYTES_MAX = 131_072
WINDOW_RESERVE_BYTES = 16_384
FRAGMENTED_MESSAGES_MAX = 8
# The most that a frame has before its messages.
FRAME_OVERHEAD_BYTES = 36
# What waits for its batch: whole messages, or a piece of a long one with its number and what is left behind it.
Content = Union[bytes, "tuple[int, int, bytes]"]
_BEFORE_WELCOME = (frames.WELCOME, frames.REFUSED, frames.CLOSE)


class ProtocolError(Exception):
    """The far side broke the protocol: the session ends."""


class Refused(Exception):
    """An attach was refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Outbox:
    """Batches that were sent and are not acknowledged, in order."""

    def __init__(self) -> None:
        self.last = 0
        self.acked = 0
        self.octets = 0
        self._kept: Deque[bytes] = deque()

    def push(self, frame: Union[Batch, Fragment]) -> bytes:
        self.last += 1
        octets = frames.encode(frame)
        self._kept.append(octets)
        self.octets += len(octets)
        return octets

    def acknowledge(self, sequence: int) -> None:
        if not self.acked <= sequence <= self.last:
            raise ProtocolError(f"batch {sequence} acknowledged, between {self.acked} and {self.last} was possible")
        while self.acked < sequence:
            self.acked += 1
            self.octets -= len(self._kept.popleft())

    def replay(self) -> bytes:
        return b"".join(self._kept)


class Inbox:
    """Takes each batch once and in order, and puts fragments together."""

    def __init__(self, limits: dict[str, int]) -> None:
        self.received = 0
        self.duplicates = 0
        self._limits = limits
        self._parts: dict[int, list[bytes]] = {}
        self._left: dict[int, int] = {}
        self._size: dict[int, int] = {}
        self._last_message = 0

    def take(self, frame: Union[Batch, Fragment]) -> Optional[bytes]:
        """The messages that are whole now, if any."""
        if frame.sequence <= self.received:
            self.duplicates += 1
            return None
        if frame.sequence != self.received + 1:
            raise ProtocolError(f"batch {frame.sequence} came after batch {self.received}")
        whole = frame.messages if isinstance(frame, Batch) else self._assemble(frame)
        self.received = frame.sequence
        return whole

    def _assemble(self, frame: Fragment) -> Optional[bytes]:
        if frame.message not in self._parts:
            self._begin(frame)
        if self._left[frame.message] != len(frame.octets) + frame.left:
            raise ProtocolError(f"message {frame.message} has another length than it said")
        self._parts[frame.message].append(frame.octets)
        self._left[frame.message] = frame.left
        if frame.left:
            return None
        del self._left[frame.message], self._size[frame.message]
        return b"".join(self._parts.pop(frame.message))

    def _begin(self, frame: Fragment) -> None:
        total = len(frame.octets) + frame.left
        if frame.message != self._last_message + 1:
            raise ProtocolError(f"fragmented message {frame.message} follows {self._last_message}")
        if total > self._limits["messageBytesMax"]:
            raise ProtocolError(f"a message of {total} octets")
        together = total + sum(self._size.values())
        if len(self._size) >= FRAGMENTED_MESSAGES_MAX or self._size and together > self._limits["assemblyBytesMax"]:
            raise ProtocolError("more messages in fragments at once than were allowed")
        self._last_message = frame.message
        self._parts[frame.message], self._left[frame.message], self._size[frame.message] = [], total, total


class Session:
    """The client's end of a conversation that survives its links."""

    def __init__(self, limits: Optional[dict[str, int]] = None) -> None:
        self.limits = {**frames.DEFAULT_LIMITS, **(limits or {})}
        self.peer_limits = dict(frames.DEFAULT_LIMITS)
        self.incarnation = os.urandom(16)
        self.attach_number = 0
        self.welcome: Optional[Control] = None
        self.key: Optional[bytes] = None
        self.id: Optional[str] = None
        self.admission = ""
        self.outbox = Outbox()
        self.inbox = Inbox(self.limits)
        self.closing = False
        self.closed: Optional[str] = None
        self._waiting: Deque[Content] = deque()
        self._fresh = True
        self._fragmented = 0
        self._started = time.monotonic()
        self._peer_ahead_ms = float("-inf")

    @property
    def is_idle(self) -> bool:
        """Nothing waits for its first way to a link."""
        return not self._waiting

    @property
    def clock_ms(self) -> int:
        """This side's session clock: whole milliseconds since the session began."""
        return int((time.monotonic() - self._started) * 1_000)

    @property
    def peer_clock_ms(self) -> float:
        """The far side's clock as far as it is known, never ahead of the truth."""
        return max(0.0, self.clock_ms + self._peer_ahead_ms)

    def attach(self, ahead: bytes = b"", access: Optional[dict] = None) -> bytes:
        """The first write of a new link: ATTACH (or ACCESS, with its own fields), then all that is not acknowledged."""
        self.attach_number += 1
        self.welcome = None
        fields: dict = {
            "version": VERSION,
            "incarnation": self.incarnation,
            "attach": self.attach_number,
            "received": self.inbox.received,
            "clockMs": self.clock_ms,
            "limits": self.limits,
        }
        if ahead:
            fields["ahead"] = ahead
        if access is None:
            frame = Control(frames.ATTACH, {**fields, "key": self.key})
        else:
            frame = Control(frames.ACCESS, {**fields, **access})
        octets = frames.encode(frame) + self.outbox.replay()
        if self.closing:
            octets += self._close_frame()
        return octets + self.flush()

    def send(self, message: bytes) -> bytes:
        """Queues one message, in fragments if it is long, and returns what can be sent now."""
        if len(message) <= frames.BATCH_BYTES_MAX:
            self._waiting.append(message)
            return self.flush()
        self._fragmented += 1
        for start in range(0, len(message), frames.BATCH_BYTES_MAX):
            piece = message[start : start + frames.BATCH_BYTES_MAX]
            self._waiting.append((self._fragmented, len(message) - start - len(piece), piece))
        return self.flush()

    def send_urgent(self, messages: bytes) -> bytes:
        """Sends at once what may use the reserve beyond the window: cancels and releases."""
        fits = not self.closing and self._room() + WINDOW_RESERVE_BYTES >= len(messages)
        return self._push(messages) if fits else b""

    def flush(self) -> bytes:
        """As much of what waits as the window lets through."""
        octets = b""
        # Behind CLOSE there are no more batches.
        while self._waiting and not self.closing and self._room() >= _length(self._waiting[0]):
            octets += self._push(self._waiting.popleft())
        return octets

    def receive(self, frame: Frame) -> tuple[bytes, Optional[bytes]]:
        """Takes one frame of the newest link. Returns what is to be sent, and whole messages if there are any."""
        if self.welcome is None and not isinstance(frame, (Ping, Pong)):
            if not isinstance(frame, Control) or frame.type not in _BEFORE_WELCOME:
                raise ProtocolError("a frame before welcome")
        if isinstance(frame, (Batch, Fragment)):
            self._peer_ahead_ms = max(self._peer_ahead_ms, frame.clock_ms - self.clock_ms)
            before = self.inbox.received
            messages = self.inbox.take(frame)
            # A duplicate is acknowledged already.
            return frames.encode(Ack(self.inbox.received)) if self.inbox.received > before else b"", messages
        if isinstance(frame, Ack):
            self.outbox.acknowledge(frame.sequence)
            return self.flush(), None
        if isinstance(frame, Ping):
            return frames.encode(Pong(frame.octets)), None
        if isinstance(frame, Control):
            return self._receive_control(frame), frame.fields.get("ahead")
        return b"", None

    def close(self) -> bytes:
        """Ends the session in good order: CLOSE behind all that was sent. CLOSED is its answer."""
        octets = self.flush()
        self.closing = True
        return octets + self._close_frame()

    def _receive_control(self, frame: Control) -> bytes:
        if frame.type == frames.WELCOME:
            self._receive_welcome(frame)
            return self.flush()
        if frame.type == frames.REFUSED and self.welcome is None:
            raise Refused(frame["code"], frame["message"])
        if frame.type == frames.CLOSE:
            if frame["last"] > self.inbox.received:
                raise ProtocolError("close overtook data")
            self.closed = frame["code"]
            return frames.encode(Control(frames.CLOSED))
        if frame.type == frames.CLOSED and self.closing:
            self.closed = "closed"
            return b""
        if frame.type == frames.GOAWAY and self.welcome is not None:
            return b""
        raise ProtocolError(f"{frames.NAMES[frame.type]} inside a session")

    def _receive_welcome(self, welcome: Control) -> None:
        if self.welcome is not None or welcome["attach"] != self.attach_number or welcome["version"] != VERSION:
            raise ProtocolError("a welcome that answers something else")
        self.outbox.acknowledge(welcome["received"])
        self.welcome = welcome
        self._fresh = False
        self.peer_limits = welcome["limits"]
        self.admission = welcome["admission"]
        self.id = welcome.fields.get("id", self.id)
        self.key = welcome.fields.get("key", self.key)
        if self.id is None or self.key is None:
            raise ProtocolError("a welcome without identification and key: this is no server of this protocol")
        self._peer_ahead_ms = welcome["clockMs"] - self.clock_ms

    def _push(self, content: Content) -> bytes:
        sequence, clock_ms = self.outbox.last + 1, self.clock_ms
        if isinstance(content, bytes):
            return self.outbox.push(Batch(sequence, clock_ms, content))
        return self.outbox.push(Fragment(sequence, clock_ms, *content))

    def _room(self) -> int:
        window = EARLY_BYTES_MAX if self._fresh else self.peer_limits["windowBytes"]
        return window - self.outbox.octets - FRAME_OVERHEAD_BYTES

    def _close_frame(self) -> bytes:
        fields = {"code": "closed", "message": "the check is done", "last": self.outbox.last}
        return frames.encode(Control(frames.CLOSE, fields))


def _length(content: Content) -> int:
    return len(content if isinstance(content, bytes) else content[2])
