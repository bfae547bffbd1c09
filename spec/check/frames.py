"""The frames of spec/frame.md: octets to frames and back."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Iterator, Optional, Union

from messagepack import Decoder, Encoder, Refused
from octets import SAFE_MAX, Malformed, Reader, varint

HEAD_BYTES = 4
BATCH_BYTES_MAX = 66_560
FRAME_BYTES_MAX = BATCH_BYTES_MAX + 64
PING_BYTES_MAX = 4_096
AHEAD_BYTES_MAX = 32_768
TEXT_UNITS_MAX = 256
REASON_UNITS_MAX = 1_024
OPTIONAL_TYPES_FROM = 0x80

ACCESS, ATTACH, WELCOME, REFUSED, CLOSE, CLOSED = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
BATCH, FRAGMENT, ACK, PING, PONG, EXCHANGE = 0x10, 0x11, 0x12, 0x13, 0x14, 0x15
GOAWAY = 0x80
NAMES = {
    ACCESS: "access", ATTACH: "attach", WELCOME: "welcome", REFUSED: "refused", CLOSE: "close", CLOSED: "closed",
    BATCH: "batch", FRAGMENT: "fragment", ACK: "ack", PING: "ping", PONG: "pong", EXCHANGE: "exchange",
    GOAWAY: "goaway",
}  # fmt: skip
TYPES = {name: octet for octet, name in NAMES.items()}

DEFAULT_LIMITS = {
    "windowBytes": 1_048_576, "callsInFlightMax": 1_024, "messageBytesMax": 4_194_304,
    "assemblyBytesMax": 8_388_608, "referencesMax": 10_000,
}  # fmt: skip
LEAST_LIMITS = {
    "windowBytes": 2 * FRAME_BYTES_MAX, "callsInFlightMax": 1, "messageBytesMax": BATCH_BYTES_MAX,
    "assemblyBytesMax": BATCH_BYTES_MAX, "referencesMax": 1,
}  # fmt: skip


@dataclass(frozen=True)
class Batch:
    """BATCH, a numbered run of whole messages."""

    sequence: int
    clock_ms: int
    messages: bytes


@dataclass(frozen=True)
class Fragment:
    """FRAGMENT, a numbered piece of one long message, of which `left` octets follow."""

    sequence: int
    clock_ms: int
    message: int
    left: int
    octets: bytes


@dataclass(frozen=True)
class Ack:
    sequence: int


@dataclass(frozen=True)
class Ping:
    octets: bytes


@dataclass(frozen=True)
class Pong:
    octets: bytes


@dataclass(frozen=True)
class Control:
    """A frame whose payload is a map. CLOSED has none."""

    type: int
    fields: dict = field(default_factory=dict)

    def __getitem__(self, name: str):  # type: ignore[no-untyped-def]
        return self.fields[name]


Frame = Union[Batch, Fragment, Ack, Ping, Pong, Control]
Check = Callable[[object, str], object]


def encode(frame: Frame) -> bytes:
    """The octets of one frame."""
    kind, payload = _payload(frame)
    return bytes([kind]) + len(payload).to_bytes(3, "big") + payload


def _payload(frame: Frame) -> tuple[int, bytes]:
    if isinstance(frame, Batch):
        return BATCH, varint(frame.sequence) + varint(frame.clock_ms) + frame.messages
    if isinstance(frame, Fragment):
        numbers = (frame.sequence, frame.clock_ms, frame.message, frame.left)
        return FRAGMENT, b"".join(map(varint, numbers)) + frame.octets
    if isinstance(frame, Ack):
        return ACK, varint(frame.sequence)
    if isinstance(frame, (Ping, Pong)):
        return (PING if isinstance(frame, Ping) else PONG), frame.octets
    if frame.type == CLOSED:
        return CLOSED, b""
    encoder = Encoder()
    encoder.encode({name: frame.fields[name] for name in FIELDS[frame.type] if name in frame.fields})
    return frame.type, bytes(encoder.out)


def length_at(octets: bytes, offset: int) -> Optional[int]:
    """The length of the frame at `offset`, head included; None while its head is not complete."""
    if len(octets) - offset < HEAD_BYTES:
        return None
    length = int.from_bytes(octets[offset + 1 : offset + HEAD_BYTES], "big")
    if length > FRAME_BYTES_MAX:
        raise Malformed(f"a frame of {length} octets")
    return HEAD_BYTES + length


def decode(octets: bytes) -> list[Frame]:
    """The frames of one write. Optional types that are not known are left out."""
    return list(each(octets))


def each(octets: bytes) -> Iterator[Frame]:
    """The same one by one: those before what is malformed count."""
    offset = 0
    while offset < len(octets):
        length = length_at(octets, offset)
        if length is None or offset + length > len(octets):
            raise Malformed("a frame that is cut off")
        frame = _decode_one(octets[offset], Reader(octets, offset + HEAD_BYTES, offset + length))
        if frame is not None:
            yield frame
        offset += length


class Splitter:
    """Whole frames from octets that come in arbitrary pieces, as in the body of an HTTP answer."""

    def __init__(self) -> None:
        self.rest = b""

    def push(self, piece: bytes) -> list[Frame]:
        octets = self.rest + piece
        end = 0
        while True:
            length = length_at(octets, end)
            if length is None or end + length > len(octets):
                break
            end += length
        self.rest = octets[end:]
        return decode(octets[:end])


def _decode_one(kind: int, reader: Reader) -> Optional[Frame]:
    if kind not in NAMES:
        if kind >= OPTIONAL_TYPES_FROM:
            return None
        raise Malformed(f"an unknown frame type 0x{kind:02x}")
    if kind == BATCH:
        return Batch(_positive(reader), reader.varint(), _messages(reader))
    if kind == FRAGMENT:
        return Fragment(_positive(reader), reader.varint(), _positive(reader), reader.varint(), _messages(reader))
    if kind in (PING, PONG):
        if reader.remaining > PING_BYTES_MAX:
            raise Malformed(f"a ping of {reader.remaining} octets")
        octets = reader.take(reader.remaining)
        return Ping(octets) if kind == PING else Pong(octets)
    frame: Frame
    if kind == ACK:
        frame = Ack(reader.varint())
    elif kind == CLOSED:
        frame = Control(CLOSED)
    else:
        frame = Control(kind, _fields(kind, reader))
    reader.done("a frame's payload")
    return frame


def _positive(reader: Reader) -> int:
    value = reader.varint()
    if value == 0:
        raise Malformed("0, where numbers begin at 1")
    return value


def _messages(reader: Reader) -> bytes:
    if not 1 <= reader.remaining <= BATCH_BYTES_MAX:
        raise Malformed(f"{reader.remaining} octets of messages in one frame")
    return reader.take(reader.remaining)


def _fields(kind: int, reader: Reader) -> dict:
    try:
        stated = Decoder().decode(reader)
    except Refused as refusal:
        raise Malformed(f"a control frame with what does not belong there: {refusal}") from refusal
    if not isinstance(stated, dict):
        raise Malformed("a control frame that is no map")
    fields = {}
    for name, (check, optional) in FIELDS[kind].items():
        if name in stated or not optional:
            fields[name] = check(stated.get(name), name)
        elif name == "limits":
            fields[name] = dict(DEFAULT_LIMITS)
    return fields


def _count(value: object, name: str) -> object:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= SAFE_MAX:
        raise Malformed(f"{name} is not a number of 0 to 2^53 - 1")
    return value


def _at_least_one(value: object, name: str) -> object:
    if not _count(value, name):
        raise Malformed(f"{name} is 0")
    return value


def _text(value: object, name: str) -> object:
    if not isinstance(value, str) or len(value.encode("utf-16-le")) > 2 * TEXT_UNITS_MAX:
        raise Malformed(f"{name} is not a short text")
    return value


def _reason(value: object, name: str) -> object:
    if not isinstance(value, str):
        raise Malformed(f"{name} is not a text")
    return value.encode("utf-16-le")[: 2 * REASON_UNITS_MAX].decode("utf-16-le", "ignore")


def _octets(length: int) -> Check:
    def check(value: object, name: str) -> object:
        if not isinstance(value, bytes) or len(value) != length:
            raise Malformed(f"{name} is not {length} octets")
        return value

    return check


def _ahead(value: object, name: str) -> object:
    if not isinstance(value, bytes) or len(value) > AHEAD_BYTES_MAX:
        raise Malformed(f"{name} is not octets within the limit")
    return value


def _texts(value: object, name: str) -> object:
    if not isinstance(value, list) or len(value) > 16:
        raise Malformed(f"{name} is not a short list")
    return [_text(one, name) for one in value]


def _limits(value: object, name: str) -> object:
    if not isinstance(value, dict):
        raise Malformed(f"{name} is not a map")
    return {key: max(LEAST_LIMITS[key], _count(value.get(key, DEFAULT_LIMITS[key]), key)) for key in DEFAULT_LIMITS}


_NONCE, _KEY = _octets(16), _octets(32)
_ATTACH_FIELDS: dict[str, tuple[Check, bool]] = {
    "version": (_count, False), "incarnation": (_NONCE, False), "attach": (_at_least_one, False),
    "received": (_count, False), "clockMs": (_count, False), "limits": (_limits, True), "ahead": (_ahead, True),
}  # fmt: skip
# The fields of each control frame, in the order in which they are sent, and which may be left out.
FIELDS: dict[int, dict[str, tuple[Check, bool]]] = {
    ACCESS: {
        **_ATTACH_FIELDS, "nonce": (_NONCE, False), "service": (_text, True), "triedMsAgo": (_count, False),
        "roundTripMs": (_count, True),
    },
    ATTACH: {**_ATTACH_FIELDS, "key": (_KEY, False), "companion": (_at_least_one, True)},
    WELCOME: {
        "version": (_count, False), "attach": (_at_least_one, False), "received": (_count, False),
        "clockMs": (_count, False), "limits": (_limits, True), "leaseMs": (_count, False),
        "admission": (_text, False), "id": (_text, True), "key": (_KEY, True), "links": (_texts, True), "heldMs": (_count, True),
        "ahead": (_ahead, True),
    },
    REFUSED: {"code": (_text, False), "message": (_reason, False), "retryAfterMs": (_count, True)},
    CLOSE: {"code": (_text, False), "message": (_reason, False), "last": (_count, False)},
    GOAWAY: {"code": (_text, False), "message": (_reason, False), "endsInMs": (_count, False)},
    EXCHANGE: {
        "link": (_NONCE, False), "key": (_KEY, True), "number": (_at_least_one, False),
        "confirmed": (_count, False), "parkMs": (_count, False), "holdMs": (_count, False),
        "paceMs": (_count, True),
    },
}  # fmt: skip
