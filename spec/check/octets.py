"""Octets: reading them with limits, and the variable-length number of RFC 9000, section 16."""
from __future__ import annotations

import struct

SAFE_MAX = 2**53 - 1


class Malformed(Exception):
    """Octets that are not what the specification asks for. Where they came from is of no more use."""


class Reader:
    """Reads from `octets[offset:end]` and never beyond."""

    def __init__(self, octets: bytes, offset: int = 0, end: int | None = None) -> None:
        self.octets = octets
        self.offset = offset
        self.end = len(octets) if end is None else end

    @property
    def remaining(self) -> int:
        return self.end - self.offset

    def take(self, count: int) -> bytes:
        """The next `count` octets. The length is checked before anything is copied."""
        if count > self.remaining:
            raise Malformed(f"{count} octets expected, {self.remaining} left")
        start = self.offset
        self.offset += count
        return bytes(self.octets[start : self.offset])

    def inner(self, count: int) -> Reader:
        """A reader of the next `count` octets only; this one goes on behind them."""
        if count > self.remaining:
            raise Malformed(f"{count} octets expected, {self.remaining} left")
        start = self.offset
        self.offset += count
        return Reader(self.octets, start, self.offset)

    def unpack(self, form: str) -> int:
        """One number in the notation of `struct`, big-endian."""
        return struct.unpack(">" + form, self.take(struct.calcsize(">" + form)))[0]

    def uint(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def u8(self) -> int:
        return self.uint(1)

    def text(self, count: int) -> str:
        """`count` octets of UTF-8, strictly: no overlong forms, no surrogates."""
        try:
            return self.take(count).decode("utf-8", "strict")
        except UnicodeDecodeError as error:
            raise Malformed("text that is not UTF-8") from error

    def varint(self) -> int:
        """RFC 9000, section 16: the first two bits say whether 1, 2, 4 or 8 octets. Any of the forms is taken."""
        first = self.u8()
        value = first & 0x3F
        for octet in self.take((1 << (first >> 6)) - 1):
            value = value << 8 | octet
        if value > SAFE_MAX:
            raise Malformed("a varint above 2^53 - 1")
        return value

    def done(self, what: str) -> None:
        """Everything has been read."""
        if self.remaining > 0:
            raise Malformed(f"{self.remaining} octets behind {what}")


def varint(value: int) -> bytes:
    """The shortest form."""
    if not 0 <= value <= SAFE_MAX:
        raise ValueError(f"{value} is no varint")
    for size, prefix in ((1, 0x00), (2, 0x40), (4, 0x80), (8, 0xC0)):
        if value < 1 << (8 * size - 2):
            octets = bytearray(value.to_bytes(size, "big"))
            octets[0] |= prefix
            return bytes(octets)
    raise AssertionError("unreachable")
