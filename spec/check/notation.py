"""How spec/vectors/values.json writes values down, both ways."""
from __future__ import annotations

from messagepack import UNDEFINED, BigInt, Undefined
from octets import SAFE_MAX
from values import Blob, Buffer, ErrorValue, MapValue, Reference, RegExp, SetValue, Time, Typed, Url

_FLOATS = {"NaN": float("nan"), "-0": -0.0, "Infinity": float("inf"), "-Infinity": float("-inf")}


def build(notation: object) -> object:
    """The value that a notation means."""
    if isinstance(notation, list):
        return [build(one) for one in notation]
    if isinstance(notation, dict):
        tag = notation.get("$")
        if tag is None:
            return {key: build(one) for key, one in notation.items()}
        return _tagged(tag, notation)
    if isinstance(notation, int) and not isinstance(notation, bool) and abs(notation) > SAFE_MAX:
        return float(notation)
    return notation


def _tagged(tag: str, fields: dict) -> object:
    if tag == "error":
        more = {key: build(one) for key, one in fields.items() if key not in ("$", "name", "message")}
        return ErrorValue(fields["name"], fields["message"], more)
    makers = {
        "undefined": lambda: UNDEFINED,
        "float": lambda: _FLOATS[fields["v"]],
        "repeat": lambda: (fields["text"] if "text" in fields else bytes.fromhex(fields["hex"])) * fields["times"],
        "bytes": lambda: bytes.fromhex(fields["hex"]),
        "object": lambda: {key: build(one) for key, one in fields["entries"]},
        "bigint": lambda: BigInt(fields["v"]),
        "date": lambda: Time(fields["ms"]),
        "map": lambda: MapValue([(build(key), build(one)) for key, one in fields["entries"]]),
        "set": lambda: SetValue([build(one) for one in fields["values"]]),
        "regexp": lambda: RegExp(fields["source"], fields["flags"]),
        "url": lambda: Url(fields["href"]),
        "typed": lambda: Typed(fields["kind"], bytes.fromhex(fields["hex"])),
        "buffer": lambda: Buffer(bytes.fromhex(fields["hex"])),
        "blob": lambda: Blob(
            fields["type"], bytes.fromhex(fields["hex"]), fields.get("name"), fields.get("lastModified", 0)
        ),
        "ref": lambda: Reference(fields["type"], fields["number"], fields.get("kind", 0)),
    }
    return makers[tag]()


def describe(value: object) -> object:
    """Something that differs wherever two values do, and can be printed."""
    if isinstance(value, list):
        return ["array", *map(describe, value)]
    if isinstance(value, dict):
        return ["object", *((key, describe(one)) for key, one in value.items())]
    if isinstance(value, MapValue):
        return ["map", *((describe(key), describe(one)) for key, one in value.entries)]
    if isinstance(value, SetValue):
        return ["set", *map(describe, value.values)]
    if isinstance(value, ErrorValue):
        fields = sorted((key, repr(describe(one))) for key, one in value.fields.items())
        return ["error", value.name, value.message, fields]
    if isinstance(value, Undefined):
        return ["undefined"]
    if isinstance(value, (Time, RegExp, Url, Typed, Buffer, Blob, Reference)):
        return [type(value).__name__, vars(value)]
    return [type(value).__name__, repr(value)]
