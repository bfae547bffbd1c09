"""Streams, at the side that fills one and at the side that reads it: spec/rpc.md, section 7."""
from __future__ import annotations

from typing import Callable, Iterator, Optional, Union

from messagepack import CannotBeSent, Refused
from octets import Malformed
from values import STREAM, ErrorValue, Reference

CREDIT, ITEM, END, BREAK, STOP, OPEN = 7, 8, 9, 10, 11, 12
ITERABLE, WRITABLE = 2, 3
EARLY_BYTES = 65_536
WINDOW_BYTES = 262_144
ITEM_BYTES_MIN = 64
EARLY_MAX = 64
NAME_UNITS_MAX = 256
CHANNELS_WAITING_MAX = 64


class Source:
    """Values that are sent as a stream."""

    def __init__(self, items: Iterator) -> None:
        self.items = items


class Sink:
    """What is lent as a writable stream: `take` gets each value."""

    def __init__(self, take: Callable[[object], None]) -> None:
        self.take = take


class Incoming:
    """A stream that is read. `done` is called at its end, with the error if there was one."""

    def __init__(self, number: int, credit: int) -> None:
        self.number = number
        self.credit = credit
        self.owed = WINDOW_BYTES - credit if credit else 0
        self.has_ended = False
        self.take: Callable[[object], None] = lambda value: None
        self.done: Callable[[Optional[object]], None] = lambda error: None

    def read(self, take: Callable[[object], None], done: Callable[[Optional[object]], None]) -> None:
        """Begins to read."""
        self.take, self.done = take, done
        self.owed += WINDOW_BYTES


class Outgoing:
    """A stream that is filled."""

    def __init__(self, number: int, items: Iterator, credit: int) -> None:
        self.number = number
        self.items = items
        self.credit = credit
        self.has_ended = False
        self.is_stopped = False


class Streams:
    """Both tables of one peer. `message` makes a message's octets, `out` takes what is sent in order."""

    def __init__(self, message: Callable[[list, list], bytes], out: list[bytes], held_max: int) -> None:
        self._message = message
        self._out = out
        self._held_max = max(held_max, EARLY_MAX)
        self._last_number = 0
        self._highest = 0
        self._incoming: dict[int, Incoming] = {}
        self._outgoing: dict[int, Outgoing] = {}
        self._stops: list[int] = []
        # By name, what the far side has opened: this small client opens none.
        self._opened: dict[str, list[Incoming]] = {}

    def lend(self, value: Union[Source, Sink]) -> Reference:
        """The reference by which a stream of this side crosses."""
        self._last_number += 1
        number = self._last_number
        if isinstance(value, Source):
            self._outgoing[number] = Outgoing(number, value.items, 0)
            return Reference(STREAM, number, ITERABLE)
        stream = self._incoming[-number] = Incoming(-number, EARLY_BYTES)
        stream.take = value.take
        stream.done = lambda error: self._stops.append(-number)
        return Reference(STREAM, number, WRITABLE)

    def take(self, one: Reference) -> Union[Incoming, Outgoing]:
        """What stands for a stream of the far side."""
        held = [n for n in self._incoming if n > 0] + [-n for n in self._outgoing if n < 0]
        if one.number == 0 or one.number in held or len(held) >= self._held_max:
            raise Malformed("a stream with number 0, one that is lent already, or one too many")
        self._highest = max(self._highest, one.number)
        if one.kind == WRITABLE:
            stream = self._outgoing[-one.number] = Outgoing(-one.number, iter(()), EARLY_BYTES)
            return stream
        self._incoming[one.number] = Incoming(one.number, 0)
        return self._incoming[one.number]

    def receive_open(self, number: int, name: str) -> None:
        """The far side opens its direction of a channel."""
        if not 1 <= len(name.encode("utf-16-le")) // 2 <= NAME_UNITS_MAX:
            raise Malformed("a channel's name is empty or too long")
        stream = self.take(Reference(STREAM, number, ITERABLE))
        if sum(map(len, self._opened.values())) == CHANNELS_WAITING_MAX:
            raise Malformed("too many channels that nobody has opened here")
        stream.credit, stream.owed = EARLY_BYTES, WINDOW_BYTES - EARLY_BYTES  # type: ignore[union-attr]
        self._opened.setdefault(name, []).append(stream)  # type: ignore[arg-type]

    def fill(self, stream: Outgoing, items: Iterator) -> None:
        """Fills a writable stream of the far side."""
        stream.items = items
        self._send(stream)

    def urgent(self) -> list[tuple]:
        """STOP and CREDIT that are due."""
        stops, self._stops = self._stops, []
        for number in stops:
            self._incoming.pop(number)
        opened = [one for of_name in self._opened.values() for one in of_name]
        read = [one for one in self._incoming.values() if one not in opened]
        due = [one for one in read if one.owed >= WINDOW_BYTES // 2 and not one.has_ended]
        credits = [(CREDIT, one.number, one.owed) for one in due]
        for one in due:
            one.credit, one.owed = one.credit + one.owed, 0
        return [(STOP, number) for number in stops] + credits

    def receive_credit(self, number: int, octets: int) -> None:
        stream = self._sending(number)
        if stream is not None and not stream.has_ended:
            stream.credit += octets
            self._send(stream)

    def receive_stop(self, number: int) -> None:
        stream = self._sending(number)
        if stream is None:
            return
        stream.is_stopped = True
        if not stream.has_ended:
            self._end(stream, [END, number], [])
        self._outgoing.pop(number, None)

    def receive_item(self, number: int, read: Callable[[], object], size: Callable[[], int]) -> None:
        stream = self._reading(number)
        if stream.credit <= 0:
            raise Malformed("an item beyond the credit of its stream")
        value = read()
        used = max(size(), ITEM_BYTES_MIN)
        stream.credit -= used
        stream.owed += used
        stream.take(value)

    def receive_end(self, number: int, error: Optional[object]) -> None:
        stream = self._reading(number)
        stream.has_ended = True
        if number > 0:
            del self._incoming[number]
        stream.done(error)

    def _sending(self, number: int) -> Optional[Outgoing]:
        if number > self._last_number or -number > self._highest:
            raise Malformed(f"stream {number} was never lent")
        return self._outgoing.get(number)

    def _reading(self, number: int) -> Incoming:
        stream = self._incoming.get(number)
        if stream is None or stream.has_ended:
            raise Malformed(f"stream {number} was never lent, or has ended")
        return stream

    def _send(self, stream: Outgoing) -> None:
        while stream.credit > 0:
            try:
                octets = self._message([ITEM, stream.number], [next(stream.items)])
            except StopIteration:
                return self._end(stream, [END, stream.number], [])
            except (CannotBeSent, Refused) as error:
                code = error.code if isinstance(error, Refused) else "invalid_argument"
                thrown = ErrorValue("DuowireError", str(error), {"code": code})
                return self._end(stream, [BREAK, stream.number], [thrown])
            stream.credit -= max(len(octets), ITEM_BYTES_MIN)
            self._out.append(octets)

    def _end(self, stream: Outgoing, head: list, parts: list) -> None:
        self._out.append(self._message(head, parts))
        stream.has_ended = True
        if stream.number > 0:
            del self._outgoing[stream.number]
