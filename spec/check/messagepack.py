"""MessagePack as spec/values.md, sections 1 to 3, has it. What its extension types mean is in values.py.

Two failures of a receiver are kept apart: `Malformed` (nobody knows where the next value begins) and `Refused` (the
value was read to its end and is not wanted; the first of several reasons counts).
"""
from __future__ import annotations

import math
import re
import struct

from octets import SAFE_MAX, Malformed, Reader

DEPTH_MAX = 64
COUNT_MAX = 1_000_000
KEYS_MAX = 65_536
OCTETS_COUNT = 4

_NAN = bytes.fromhex("7ff8000000000000")
_SURROGATE = re.compile("[\ud800-\udfff]")


class Refused(Exception):
    """A well-formed value that the receiver does not want. A reader stands behind it."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class CannotBeSent(Exception):
    """A value that the sender must not send."""


class Undefined:
    """The value undefined, of which there is one: UNDEFINED."""

    def __repr__(self) -> str:
        return "UNDEFINED"


UNDEFINED = Undefined()


class BigInt(int):
    """An integer that stays one of arbitrary size, however small it is. A plain int or float is a number."""


class Encoder:
    """Appends values to `out`. A subclass knows the extension types."""

    def __init__(self) -> None:
        self.out = bytearray()
        self._count = 0

    def encode(self, value: object) -> None:
        """Appends one whole value."""
        self._count = 0
        self._value(value, 0)

    def count(self, amount: int) -> None:
        self._count += amount
        if self._count > COUNT_MAX:
            raise CannotBeSent(f"the value counts more than {COUNT_MAX}")

    def extension(self, value: object, depth: int) -> tuple[int, bytes]:
        """Type and body of an extension; a subclass overrides this."""
        raise CannotBeSent(f"a {type(value).__name__} cannot be sent")

    def body(self, value: object, depth: int) -> bytes:
        """The octets of a value that is the body of an extension."""
        out, self.out = self.out, bytearray()
        self._value(value, depth)
        out, self.out = self.out, out
        return bytes(out)

    def _value(self, value: object, depth: int) -> None:
        if value is None:
            self.out += b"\xc0"
        elif value is True or value is False:
            self.out += b"\xc3" if value else b"\xc2"
        elif isinstance(value, (int, float)) and not isinstance(value, BigInt):
            self._number(value, depth)
        elif isinstance(value, str):
            octets = _SURROGATE.sub("\ufffd", value).encode("utf-8")
            self._head(len(octets), 0xA0, 32, 0xD9, 0xDA)
            self.out += octets
        elif isinstance(value, (bytes, bytearray)):
            self.count(OCTETS_COUNT)
            self._head(len(value), 0, 0, 0xC4, 0xC5)
            self.out += value
        elif isinstance(value, (list, tuple)):
            self._enter(len(value), depth)
            self._head(len(value), 0x90, 16, None, 0xDC)
            for item in value:
                self._value(item, depth + 1)
        elif isinstance(value, dict):
            self._map(value, depth)
        else:
            self._extension(value, depth)

    def _number(self, value: int | float, depth: int) -> None:
        if isinstance(value, float):
            whole = value.is_integer() and abs(value) <= SAFE_MAX and not (value == 0 and math.copysign(1, value) < 0)
            if not whole:
                self.out += b"\xcb" + (_NAN if math.isnan(value) else struct.pack(">d", value))
                return
            value = int(value)
        if abs(value) > SAFE_MAX:
            self._extension(BigInt(value), depth)
        elif 0 <= value < 0x80 or -32 <= value < 0:
            self.out.append(value & 0xFF)
        elif value >= 0:
            size, code = next(one for one in ((1, 0xCC), (2, 0xCD), (4, 0xCE), (8, 0xCF)) if value < 1 << 8 * one[0])
            self.out += bytes([code]) + value.to_bytes(size, "big")
        else:
            sizes = ((1, 0xD0), (2, 0xD1), (4, 0xD2), (8, 0xD3))
            size, code = next(one for one in sizes if value >= -(1 << 8 * one[0] - 1))
            self.out += bytes([code]) + value.to_bytes(size, "big", signed=True)

    def _map(self, value: dict, depth: int) -> None:
        if len(value) > KEYS_MAX:
            raise CannotBeSent(f"an object with more than {KEYS_MAX} keys")
        self._enter(2 * len(value), depth)
        self._head(len(value), 0x80, 16, None, 0xDE)
        for key, item in value.items():
            if not isinstance(key, str) or key == "__proto__":
                raise CannotBeSent(f"an object with the key {key!r}")
            self._value(key, depth + 1)
            self._value(item, depth + 1)

    def _enter(self, amount: int, depth: int) -> None:
        self.count(amount)
        if depth >= DEPTH_MAX:
            raise CannotBeSent(f"more than {DEPTH_MAX} arrays and maps inside each other")

    def _extension(self, value: object, depth: int) -> None:
        kind, body = self.extension(value, depth)
        fixed = {1: 0xD4, 2: 0xD5, 4: 0xD6, 8: 0xD7, 16: 0xD8}.get(len(body))
        if fixed is None:
            self._head(len(body), 0, 0, 0xC7, 0xC8)
        else:
            self.out.append(fixed)
        self.out.append(kind & 0xFF)
        self.out += body

    def _head(self, length: int, small: int, small_end: int, code8: int | None, code16: int) -> None:
        """The shortest head for a length; the head with 32 bits always follows the one with 16."""
        if length < small_end:
            self.out.append(small + length)
        elif code8 is not None and length < 0x100:
            self.out += bytes([code8, length])
        elif length < 0x10000:
            self.out += struct.pack(">BH", code16, length)
        else:
            self.out += struct.pack(">BI", code16 + 1, length)


class Decoder:
    """Reads values. A subclass knows the extension types."""

    def __init__(self) -> None:
        self._count = 0
        self._keys: set[str] = set()
        self._refusal: Refused | None = None

    def decode(self, reader: Reader) -> object:
        """One whole value. `Malformed` ends everything; `Refused` leaves `reader` behind the value."""
        self._count = 0
        self._keys = set()
        self._refusal = None
        value = self.value(reader, 0)
        if self._refusal is not None:
            raise self._refusal
        return value

    def count(self, amount: int) -> None:
        self._count += amount
        if self._count > COUNT_MAX:
            raise Malformed(f"a value that counts more than {COUNT_MAX}")

    def refuse(self, message: str, code: str = "invalid_argument") -> None:
        """Notes that the value is refused, and lets it be read to its end."""
        if self._refusal is None:
            self._refusal = Refused(code, message)

    def extension(self, kind: int, body: Reader, depth: int) -> object:
        """The value of an extension, of which `body` holds all octets; a subclass overrides this."""
        self.refuse(f"extension {kind}")
        body.take(body.remaining)
        return None

    def value(self, reader: Reader, depth: int) -> object:
        """A value that `depth` arrays and maps enclose."""
        head = reader.u8()
        if head < 0x80:
            return head
        if head < 0x90:
            return self._map(reader, head & 0x0F, depth)
        if head < 0xA0:
            return self._array(reader, head & 0x0F, depth)
        if head < 0xC0:
            return reader.text(head & 0x1F)
        if head >= 0xE0:
            return head - 0x100
        if head in (0xC0, 0xC2, 0xC3):
            return {0xC0: None, 0xC2: False, 0xC3: True}[head]
        if head in (0xC4, 0xC5, 0xC6):
            self.count(OCTETS_COUNT)
            return reader.take(reader.uint(1 << head - 0xC4))
        if head in (0xC7, 0xC8, 0xC9):
            return self._extension(reader, reader.uint(1 << head - 0xC7), depth)
        if head in (0xCA, 0xCB):
            return _float(reader.unpack("f" if head == 0xCA else "d"))
        if 0xCC <= head <= 0xD3:
            return _integer(reader.unpack("BHIQbhiq"[head - 0xCC]))
        if 0xD4 <= head <= 0xD8:
            return self._extension(reader, 1 << head - 0xD4, depth)
        if head in (0xD9, 0xDA, 0xDB):
            return reader.text(reader.uint(1 << head - 0xD9))
        if head in (0xDC, 0xDD):
            return self._array(reader, reader.uint(2 << head - 0xDC), depth)
        if head in (0xDE, 0xDF):
            return self._map(reader, reader.uint(2 << head - 0xDE), depth)
        raise Malformed("0xc1, which begins nothing")

    def _array(self, reader: Reader, length: int, depth: int) -> list:
        if length > reader.remaining:
            raise Malformed(f"an array of {length}, and {reader.remaining} octets left")
        self._enter(length, depth)
        return [self.value(reader, depth + 1) for _ in range(length)]

    def _map(self, reader: Reader, length: int, depth: int) -> dict:
        if 2 * length > reader.remaining:
            raise Malformed(f"a map of {length} pairs, and {reader.remaining} octets left")
        self._enter(2 * length, depth)
        pairs: dict = {}
        for _ in range(length):
            key = self.value(reader, depth + 1)
            value = self.value(reader, depth + 1)
            if isinstance(key, str) and key != "__proto__":
                pairs[key] = value
                self._keys.add(key)
        # At its end, since what was refused inside it counts first.
        if len(pairs) < length:
            self.refuse("a map with a key that is no text, __proto__ or there twice")
        if len(self._keys) > KEYS_MAX:
            self.refuse(f"more than {KEYS_MAX} different keys in its maps")
        return pairs

    def _enter(self, amount: int, depth: int) -> None:
        self.count(amount)
        if depth >= DEPTH_MAX:
            raise Malformed(f"more than {DEPTH_MAX} arrays and maps inside each other")

    def _extension(self, reader: Reader, length: int, depth: int) -> object:
        kind = reader.unpack("b")
        body = reader.inner(length)
        value = self.extension(kind, body, depth)
        body.done(f"the value of an extension {kind}")
        return value


def _float(value: float) -> int | float:
    """A whole number in a float is the same value as in an integer form."""
    whole = math.isfinite(value) and value.is_integer() and abs(value) <= SAFE_MAX
    return int(value) if whole and (value != 0 or math.copysign(1, value) > 0) else value


def _integer(value: int) -> int:
    return value if abs(value) <= SAFE_MAX else BigInt(value)
