"""The extension types of spec/values.md, section 4, each as a small class of its own."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Callable, Optional
from urllib.parse import urlsplit

from messagepack import OCTETS_COUNT, UNDEFINED, BigInt, CannotBeSent, Decoder, Encoder, Refused, Undefined
from octets import SAFE_MAX, Malformed, Reader, varint

EXTENSION_COUNT, ERROR_COUNT, BLOB_COUNT = 16, 64, 112
BIGINT_BYTES_MAX, REGEXP_UNITS_MAX, ERRORS_DEPTH_MAX = 4_096, 4_096, 16
MESSAGE_UNITS_MAX, STACK_UNITS_MAX, CODE_UNITS_MAX = 16_384, 32_768, 64
TIME_MS_MAX = 8_640_000_000_000_000
ERROR_NAME = re.compile(r"[A-Za-z0-9_$.]{1,64}")
# Kinds of typed arrays, and how many octets an element has.
TYPED_KINDS = {
    "int8": (1, 1), "uint8clamped": (2, 1), "int16": (3, 2), "uint16": (4, 2), "int32": (5, 4), "uint32": (6, 4),
    "float32": (7, 4), "float64": (8, 8), "bigint64": (9, 8), "biguint64": (10, 8), "dataview": (11, 1),
}  # fmt: skip
LENT, HOME, STREAM, SIGNAL, EARLIER = 0x10, 0x11, 0x12, 0x13, 0x14
# How many kinds a reference of each type has; a type with none has no kind octet.
REFERENCE_KINDS = {LENT: 2, HOME: 0, STREAM: 4, SIGNAL: 2, EARLIER: 0}


@dataclass(frozen=True, eq=False)
class Time:
    """Milliseconds since 1970-01-01T00:00:00Z."""

    ms: int


@dataclass(frozen=True, eq=False)
class MapValue:
    entries: list


@dataclass(frozen=True, eq=False)
class SetValue:
    values: list


@dataclass(frozen=True, eq=False)
class RegExp:
    source: str
    flags: str


@dataclass(frozen=True, eq=False)
class Url:
    href: str


@dataclass(frozen=True, eq=False)
class Typed:
    kind: str
    octets: bytes


@dataclass(frozen=True, eq=False)
class Buffer:
    octets: bytes


@dataclass(frozen=True, eq=False)
class Blob:
    """Octets with a media type; `name` and `changed` are of a file."""

    type: str
    octets: bytes
    name: Optional[str] = None
    changed: int = 0


@dataclass(eq=False)
class ErrorValue:
    """An error of the far side, or one for it. Of `fields` those are there that were sent."""

    name: str = "Error"
    message: str = ""
    fields: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Reference:
    """Any of the types 0x10 to 0x14."""

    type: int
    number: int
    kind: int = 0


class ValueEncoder(Encoder):
    """Appends values of spec/values.md to `out`. `lend` says by which reference anything else crosses, if it does."""

    def __init__(self, lend: Optional[Callable[[object], Optional[Reference]]] = None) -> None:
        super().__init__()
        self._lend = lend or (lambda _: None)

    def extension(self, value: object, depth: int) -> tuple[int, bytes]:
        if isinstance(value, Time):
            return -1, _time_octets(value.ms)
        if isinstance(value, Undefined):
            return 0x00, b""
        if isinstance(value, BigInt):
            self.count(OCTETS_COUNT)
            size = (abs(value).bit_length() + 7) // 8
            if size > BIGINT_BYTES_MAX:
                raise CannotBeSent(f"a bigint of {size} octets")
            return 0x01, bytes([value < 0]) + abs(value).to_bytes(size, "big")
        self.count(EXTENSION_COUNT)
        if isinstance(value, MapValue):
            return 0x02, self.body([one for entry in value.entries for one in entry], depth)
        if isinstance(value, SetValue):
            return 0x03, self.body(value.values, depth)
        if isinstance(value, RegExp):
            return 0x04, self.body([value.source, value.flags], depth)
        if isinstance(value, Url):
            return 0x05, self.body(value.href, depth)
        if isinstance(value, (Typed, Buffer)):
            self.count(OCTETS_COUNT)
            typed = isinstance(value, Typed)
            return (0x06, bytes([TYPED_KINDS[value.kind][0]]) + value.octets) if typed else (0x07, value.octets)
        if isinstance(value, ErrorValue):
            self.count(ERROR_COUNT)
            name = value.name if ERROR_NAME.fullmatch(value.name) else "Error"
            message = _cut(value.message, MESSAGE_UNITS_MAX)
            return 0x08, self.body({"name": name, "message": message, **value.fields}, depth)
        if isinstance(value, Blob):
            self.count(BLOB_COUNT)
            about = [value.type] if value.name is None else [value.type, value.name, value.changed]
            return 0x09, self.body(about, depth) + value.octets
        one = value if isinstance(value, Reference) else self._lend(value)
        if one is None:
            raise CannotBeSent(f"a {type(value).__name__} cannot be sent")
        return one.type, varint(one.number) + (bytes([one.kind]) if REFERENCE_KINDS[one.type] else b"")


class ValueDecoder(Decoder):
    """Reads values of spec/values.md. `reference` may refuse a reference, and says what stands in its place."""

    def __init__(self, reference: Optional[Callable[[Reference], object]] = None) -> None:
        super().__init__()
        self._reference = reference or (lambda one: one)
        self._errors = 0

    def extension(self, kind: int, body: Reader, depth: int) -> object:
        if kind > 0x01:
            self.count(EXTENSION_COUNT)
        if kind in (0x01, 0x06, 0x07):
            self.count(OCTETS_COUNT)
        if kind in REFERENCE_KINDS:
            return self._reference_value(kind, body)
        readers = {
            -1: self._time, 0x00: lambda _: UNDEFINED, 0x01: self._bigint, 0x06: self._typed,
            0x07: lambda one: Buffer(one.take(one.remaining)),
        }  # fmt: skip
        if kind in readers:
            return readers[kind](body)
        if kind == 0x08:
            return self._error(body, depth)
        if kind == 0x09:
            return self._blob(body, depth)
        composed = {0x02: self._map_value, 0x03: self._set_value, 0x04: self._regexp, 0x05: self._url}
        if kind in composed:
            return composed[kind](self._body(body, depth))
        body.take(body.remaining)
        return self.refuse(f"extension {kind}")

    def _body(self, body: Reader, depth: int) -> object:
        """A body that is a value: never an extension, so that depth bounds everything."""
        first = body.octets[body.offset] if body.remaining else 0xC1
        if 0xC7 <= first <= 0xC9 or 0xD4 <= first <= 0xD8:
            raise Malformed("an extension whose body is an extension")
        return self.value(body, depth)

    def _time(self, body: Reader) -> Optional[Time]:
        if body.remaining == 4:
            nanoseconds, seconds = 0, body.uint(4)
        elif body.remaining == 8:
            both = body.uint(8)
            nanoseconds, seconds = both >> 34, both & (1 << 34) - 1
        elif body.remaining == 12:
            nanoseconds, seconds = body.uint(4), body.unpack("q")
        else:
            raise Malformed(f"a time of {body.remaining} octets")
        ms = seconds * 1_000 + nanoseconds // 1_000_000
        if nanoseconds >= 10**9 or nanoseconds % 1_000_000 or abs(ms) > TIME_MS_MAX:
            return self.refuse("a time that is no whole number of milliseconds, or out of range")
        return Time(ms)

    def _bigint(self, body: Reader) -> Optional[BigInt]:
        sign, magnitude = body.u8(), body.take(body.remaining)
        if sign > 1 or magnitude[:1] == b"\0" or (not magnitude and sign):
            raise Malformed("a bigint with another sign or a leading zero")
        if len(magnitude) > BIGINT_BYTES_MAX:
            return self.refuse(f"a bigint of {len(magnitude)} octets")
        value = int.from_bytes(magnitude, "big")
        return BigInt(-value if sign else value)

    def _map_value(self, values: object) -> MapValue:
        if not isinstance(values, list) or len(values) % 2:
            raise Malformed("a Map whose body is no array, or an odd one")
        self._check_keys(values[::2])
        return MapValue(list(zip(values[::2], values[1::2])))

    def _set_value(self, values: object) -> SetValue:
        if not isinstance(values, list):
            raise Malformed("a Set whose body is no array")
        self._check_keys(values)
        return SetValue(values)

    def _check_keys(self, keys: list) -> None:
        if len({_same(one) for one in keys}) < len(keys):
            self.refuse("a Map or Set with a key twice")

    def _regexp(self, parts: object) -> Optional[RegExp]:
        if not isinstance(parts, list) or len(parts) != 2 or not all(isinstance(one, str) for one in parts):
            raise Malformed("a regular expression that is not source and flags")
        source, flags = parts
        if _units(source) > REGEXP_UNITS_MAX or not _compiles(source, flags):
            return self.refuse("a regular expression that does not compile")
        return RegExp(source, flags)

    def _url(self, href: object) -> Optional[Url]:
        if not isinstance(href, str):
            raise Malformed("a URL that is no text")
        return Url(href) if urlsplit(href).scheme else self.refuse("a URL that is not absolute")

    def _typed(self, body: Reader) -> Optional[Typed]:
        kind, octets = body.u8(), body.take(body.remaining)
        name = next((name for name, (number, _) in TYPED_KINDS.items() if number == kind), None)
        if name is None:
            return self.refuse(f"a typed array of kind {kind}")
        if len(octets) % TYPED_KINDS[name][1]:
            raise Malformed("a typed array with part of an element")
        return Typed(name, octets)

    def _blob(self, body: Reader, depth: int) -> Blob:
        self.count(BLOB_COUNT)
        about = self._body(body, depth)
        octets = body.take(body.remaining)
        if not isinstance(about, list) or len(about) not in (1, 3) or not all(isinstance(one, str) for one in about[:2]):
            raise Malformed("a Blob whose body does not begin with its type, or type, name and time")
        if len(about) == 3 and not _is_whole(about[2]):
            raise Malformed("a File that was changed at no whole number")
        kind = about[0].lower() if all(" " <= one <= "~" for one in about[0]) else ""
        return Blob(kind, octets, *about[1:2], *(int(one) for one in about[2:]))

    def _error(self, body: Reader, depth: int) -> object:
        self.count(ERROR_COUNT)
        self._errors += 1
        try:
            stated = self._body(body, depth)
        finally:
            self._errors -= 1
        if not isinstance(stated, dict):
            raise Malformed("an error that is no map")
        if self._errors >= ERRORS_DEPTH_MAX:
            return UNDEFINED
        name, message, code, stack = (stated.get(key) for key in ("name", "message", "code", "stack"))
        error = ErrorValue()
        if isinstance(name, str) and ERROR_NAME.fullmatch(name):
            error.name = name
        error.message = _cut(message, MESSAGE_UNITS_MAX) if isinstance(message, str) else ""
        if isinstance(code, str) and _units(code) <= CODE_UNITS_MAX or _is_number(code):
            error.fields["code"] = code
        error.fields.update({key: stated[key] for key in ("data", "cause") if key in stated})
        if isinstance(stated.get("errors"), list):
            error.fields["errors"] = stated["errors"]
        if isinstance(stated.get("fields"), dict):
            error.fields["fields"] = stated["fields"]
        if isinstance(stack, str):
            error.fields["stack"] = _cut(stack, STACK_UNITS_MAX)
        return error

    def _reference_value(self, kind: int, body: Reader) -> object:
        kinds = REFERENCE_KINDS[kind]
        one = Reference(kind, body.varint(), body.u8() if kinds else 0)
        body.done("a reference")
        if kinds and one.kind >= kinds:
            return self.refuse(f"a reference of type {kind} and kind {one.kind}")
        try:
            value = self._reference(one)
            return self.refuse("a reference inside an error") if self._errors else value
        except Refused as refusal:
            return self.refuse(str(refusal), refusal.code)


def _time_octets(ms: int) -> bytes:
    if abs(ms) > TIME_MS_MAX:
        raise CannotBeSent("a time out of range")
    seconds, nanoseconds = ms // 1_000, ms % 1_000 * 1_000_000
    if nanoseconds == 0 and 0 <= seconds < 1 << 32:
        return seconds.to_bytes(4, "big")
    if 0 <= seconds < 1 << 34:
        return (nanoseconds << 34 | seconds).to_bytes(8, "big")
    return nanoseconds.to_bytes(4, "big") + seconds.to_bytes(8, "big", signed=True)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, (bool, BigInt))


def _is_whole(value: object) -> bool:
    return _is_number(value) and value == value and abs(value) <= SAFE_MAX and value == int(value)


def _same(value: object) -> tuple:
    """What two keys share when a JavaScript Map takes them for one."""
    if _is_number(value):
        return ("number", "NaN" if value != value else value)
    if isinstance(value, (str, bool, BigInt, Undefined)) or value is None:
        return (type(value).__name__, value)
    return ("object", id(value))


def _units(text: str) -> int:
    """The length in UTF-16 units."""
    return len(text) + sum(character > "\uffff" for character in text)


def _cut(text: str, units: int) -> str:
    return text if _units(text) <= units else text.encode("utf-16-le")[: 2 * units].decode("utf-16-le", "ignore")


def _compiles(source: str, flags: str) -> bool:
    """A look at what is plainly wrong: Python cannot compile the regular expressions of JavaScript."""
    known = len(set(flags)) == len(flags) and set(flags) <= set("dgimsuvy") and not {"u", "v"} <= set(flags)
    bare = re.sub(r"\[(?:\\.|[^\]\\])*\]", "", re.sub(r"\\.", "", source))
    return known and bare.count("(") == bare.count(")")
