"""Runs spec/vectors/frames.json."""
from __future__ import annotations

from typing import Iterator, Union

import frames
from assertions import fails, same
from frames import Ack, Batch, Control, Fragment, Frame, Ping, Pong
from notation import build
from octets import Malformed


def frame_vectors(document: dict) -> Iterator:
    for one in document["written"]:
        yield f"written: {one['name']}", lambda one=one: _written(one)
    for one in document["accepted"]:
        yield f"accepted: {one['name']}", lambda one=one: _accepted(one)
    for one in document["malformed"]:
        yield f"malformed: {one['name']}", lambda one=one: _malformed(one)


def _written(one: dict) -> None:
    octets = _octets(one["hex"])
    same(b"".join(frames.encode(frame) for frame in _frames(one)).hex(), octets.hex())
    same(frames.decode(octets), _frames(one))


def _accepted(one: dict) -> None:
    same(frames.decode(_octets(one["hex"])), _frames(one))


def _malformed(one: dict) -> None:
    read: list = []

    def run() -> None:
        for frame in frames.each(_octets(one["hex"])):
            read.append(frame)

    fails(Malformed, run)
    same(read, _frames(one))


def _octets(notation: Union[str, list]) -> bytes:
    if isinstance(notation, str):
        return bytes.fromhex(notation)
    return b"".join(
        bytes.fromhex(one) if isinstance(one, str) else bytes.fromhex(one["hex"]) * one["times"] for one in notation
    )


def _frames(vector: dict) -> list:
    return [_frame(one) for one in vector.get("frames", [])]


def _frame(notation: dict) -> Frame:
    fields = {name: build(one) for name, one in notation.items() if name != "type"}
    kind = notation["type"]
    if kind == "batch":
        return Batch(fields["sequence"], fields["clockMs"], fields["messages"])
    if kind == "fragment":
        return Fragment(*(fields[name] for name in ("sequence", "clockMs", "message", "left", "octets")))
    if kind == "ack":
        return Ack(fields["sequence"])
    if kind in ("ping", "pong"):
        return (Ping if kind == "ping" else Pong)(fields["octets"])
    return Control(frames.TYPES[kind], fields)
