"""Runs the golden octets of spec/vectors against the modules beside this one."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Callable, Iterator

import address
from assertions import fails, same
from frame_vectors import frame_vectors
from messagepack import Refused
from notation import build, describe
from octets import Malformed, Reader
from rpc_vectors import rpc_vectors
from values import Reference, ValueDecoder, ValueEncoder

UNKNOWN_NUMBER = 16_383
LOCATION_BASE = "https://h.example/apps/duo/WAO"


def _decoder() -> ValueDecoder:
    def reference(one: Reference) -> object:
        if one.number == UNKNOWN_NUMBER:
            raise Refused("reference_unknown", "a number that nobody has")
        return one

    return ValueDecoder(reference)


def _decode(octets: bytes) -> object:
    reader = Reader(octets)
    value = _decoder().decode(reader)
    reader.done("a value")
    return value


def _encode(value: object) -> str:
    encoder = ValueEncoder()
    encoder.encode(value)
    return encoder.out.hex()


def _refused(octets: bytes, code: str) -> None:
    reader = Reader(octets + b"\x2a")
    error = fails(Refused, lambda: _decoder().decode(reader))
    same(error.code, code)  # type: ignore[attr-defined]
    same(_decoder().decode(reader), 42)


def value_vectors(document: dict) -> Iterator:
    """Each list of values.json as its `notation` says."""
    for one in document["values"] + document["blobs"]:
        octets, value = bytes.fromhex(one["hex"]), one["value"]
        yield f"sent: {one['name']}", lambda o=octets, v=value: same(_encode(build(v)), o.hex())
        yield f"received: {one['name']}", lambda o=octets, v=value: same(describe(_decode(o)), describe(build(v)))
    for one in document["accepted"]:
        octets, value = bytes.fromhex(one["hex"]), one["value"]
        yield f"accepted: {one['name']}", lambda o=octets, v=value: same(describe(_decode(o)), describe(build(v)))
    for one in document["malformed"]:
        octets = bytes.fromhex(one["hex"])
        yield f"malformed: {one['name']}", lambda o=octets: fails(Malformed, lambda: _decode(o))
    for one in document["refused"]:
        yield f"refused: {one['name']}", lambda one=one: _refused(bytes.fromhex(one["hex"]), one["code"])


def access_vectors(document: dict) -> Iterator:
    """The addresses and locations of access.json. What needs a server is run by `talk`."""
    for one in document["addresses"]:
        yield f"address {one['address']!r}", lambda one=one: _address(one)
    for one in document["locations"]:
        yield f"location {one['location']!r}", lambda one=one: _location(one)


def _address(vector: dict) -> None:
    if "error" in vector:
        error = fails(address.AddressError, lambda: address.parse(vector["address"]))
        return same(error.code, vector["error"])  # type: ignore[attr-defined]
    read = address.parse(vector["address"])
    same(read.href, vector["href"])
    same(address.parse(read.href).href, vector["href"])
    same(read.inherit("WAO1").href, vector["inherited"])
    if "webSocketHref" in vector:
        same(read.web_socket_href, vector["webSocketHref"])
    if "firstAccessHref" in vector:
        same(f"{read.scheme}://{read.authority}{read.target}", vector["firstAccessHref"])


def _location(vector: dict) -> None:
    base = address.parse(LOCATION_BASE)
    if "error" in vector:
        error = fails(address.AddressError, lambda: base.inherit(vector["location"]))
        return same(error.code, vector["error"])  # type: ignore[attr-defined]
    same(base.inherit(vector["location"]).href, vector["inherited"])


RUNNERS = {
    "access.json": access_vectors,
    "frames.json": frame_vectors,
    "rpc.json": rpc_vectors,
    "values.json": value_vectors,
}


def run(folder: Path, show: Callable[[str], None]) -> int:
    """Runs all vectors of all files; returns how many are wrong. A file that nothing here can run is wrong."""
    wrong = 0
    for file in sorted(folder.glob("*.json")):
        runner = RUNNERS.get(file.name)
        if runner is None:
            wrong += 1
            show(f"FAIL {file.name}: nothing here can run it")
            continue
        before, count = wrong, 0
        for name, check in runner(json.loads(file.read_text("utf-8"))):
            count += 1
            try:
                check()
            except Exception as error:  # whatever is raised, the vector is wrong, and the others are run
                wrong += 1
                show(f"FAIL {file.name}: {name}: {type(error).__name__}: {error}")
        show(f"{'ok  ' if wrong == before else 'FAIL'} {file.name}: {count - (wrong - before)} of {count} vectors")
    return wrong
