"""Runs spec/vectors/rpc.json: messages, violations, and exchanges with a callee."""
from __future__ import annotations

from typing import Callable, Iterator, Optional

from assertions import fails, same
from calls import Later
from messagepack import UNDEFINED
from octets import Malformed
from references import Lent, Stub
from rpc import Peer
from streams import Incoming, Outgoing, Sink, Source
from values import ErrorValue

# What the caller's session clock says: any moment does, since a deadline of 0 has passed at 0.
PEER_CLOCK_MS = 0


class Callee:
    """The callee that rpc.json speaks of."""

    def __init__(self, limits: dict) -> None:
        self.stubs: dict[int, Stub] = {}
        self._filled: list[tuple[Outgoing, int]] = []
        lent = Lent({"hi": lambda *_: "hi"})
        root = {"echo": self._echo, "lend": lambda *_: lent, "wait": lambda *_: Later()}
        root.update({"count": lambda to: Source(iter(range(1, to + 1))), "sum": self._sum, "fill": self._fill})
        root["sink"] = lambda: Sink(lambda value: None)
        self.peer = Peer(root, limits)
        self.peer.set_limits(limits)

    def _echo(self, value: object = UNDEFINED, *_: object) -> object:
        if isinstance(value, Stub):
            self.stubs[value.number] = value
        return value

    def _sum(self, stream: Incoming) -> Later:
        later = Later()
        items: list = []
        stream.read(items.append, lambda error: later.settle(sum(items) if error is None else items))
        return later

    def _fill(self, stream: Outgoing, to: int) -> object:
        self._filled.append((stream, to))
        return UNDEFINED

    def receive(self, octets: str) -> None:
        self.peer.receive(bytes.fromhex(octets), PEER_CLOCK_MS)
        while self._filled:
            stream, to = self._filled.pop()
            self.peer.streams.fill(stream, iter(range(1, to + 1)))

    def step(self, step: dict) -> None:
        out = self.peer.out
        if "in" in step:
            self.receive(step["in"])
        if "out" in step:
            expected = bytes.fromhex(step["out"])
            sent = b""
            while out and len(sent) < len(expected):
                sent += out.pop(0)
            same(sent.hex(), expected.hex())
            if not expected:
                same(out, [])
        if "outFailure" in step:
            call, code = step["outFailure"]
            caller = _caller(call)
            caller.receive(out.pop(0), 0)
            error = caller.last.error  # type: ignore[attr-defined]
            same(error and error.code, code)
        if "call" in step:
            made = step["call"]
            on = self.stubs[made["reference"]] if "reference" in made else None
            self.peer.call(made.get("method", ""), *made["args"], on=on)
        if "release" in step:
            self.peer.references.release(self.stubs[step["release"]])
        if "urgent" in step:
            same(self.peer.urgent().hex(), bytes.fromhex(step["urgent"]).hex())


def _caller(number: int, limits: Optional[dict] = None) -> Peer:
    """A peer whose call with this number is open."""
    peer = Peer({}, limits or {"callsInFlightMax": 1_024, "referencesMax": 10_000})
    peer._last_call = number - 1
    peer.last = peer.call("any")  # type: ignore[attr-defined]
    peer.out.clear()
    return peer


def rpc_vectors(document: dict) -> Iterator:
    limits = document["limits"]
    for one in document["messages"]:
        yield f"message: {one['name']}", lambda one=one: _message(one, limits)
    for one in document["violations"]:
        callee = Callee(limits)
        yield f"violation: {one['name']}", lambda one=one, c=callee: fails(Malformed, lambda: c.receive(one["octets"]))
    for one in document["exchanges"]:
        yield f"exchange: {one['name']}", lambda one=one: _exchange(one["steps"], limits)


def _exchange(steps: list, limits: dict) -> None:
    callee = Callee(limits)
    for step in steps:
        callee.step(step)
    same(callee.peer.out, [])


def _message(one: dict, limits: dict) -> None:
    octets = bytes.fromhex(one["octets"])
    read, write = _MESSAGES[one["type"]]
    read(one, octets, limits)
    if write is not None and not one.get("isOtherForm"):
        same(write(one, limits).hex(), octets.hex())


def _read_call(one: dict, octets: bytes, limits: dict) -> None:
    """A callee that expects this number hears of exactly this call."""
    peer = Peer({}, limits)
    peer._next = one["call"]
    heard: list = []
    peer._start = lambda call: heard.append(call)  # type: ignore[method-assign]
    peer.receive(octets, 0)
    [call] = heard
    same((call.number, call.target, call.method, call.args), (one["call"], one["target"], one["method"], one["args"]))
    same(call.deadline_ms, one.get("deadlineMs"))
    same(call.metadata, one.get("metadata"))


def _write_call(one: dict, limits: dict) -> bytes:
    peer = _caller(1, limits)
    peer._last_call = one["call"] - 1
    on = Stub(one["target"], 0) if one["target"] else None
    peer.call(one["method"], *one["args"], on=on, deadline_ms=one.get("deadlineMs"), metadata=one.get("metadata"))
    return peer.out[0]


def _read_answer(one: dict, octets: bytes, limits: dict) -> None:
    peer = _caller(one["call"], limits)
    peer.receive(octets, 0)
    call = peer.last  # type: ignore[attr-defined]
    if one["type"] == 2:
        return same((call.error, call.value), (None, one["value"]))
    error = call.error.value
    same((error.name, error.message), (one["errorName"], one["errorMessage"]))


def _write_answer(one: dict, limits: dict) -> bytes:
    peer = Peer({}, limits)
    if one["type"] == 2:
        peer._answer(one["call"], one["value"])
        return peer.out[0]
    return peer._message([3, one["call"]], [ErrorValue(one["errorName"], one["errorMessage"])])[0]


def _read_cancel(one: dict, octets: bytes, limits: dict) -> None:
    peer = Peer({}, limits)
    peer.receive(octets, 0)
    same(peer._cancelled, {one["call"]})


def _write_cancel(one: dict, limits: dict) -> bytes:
    peer = _caller(one["call"], limits)
    peer.cancel(peer.last)  # type: ignore[attr-defined]
    return peer.urgent()


def _read_release(one: dict, octets: bytes, limits: dict) -> None:
    peer = Peer({}, limits)
    heard: list = []
    peer.references.receive_release = lambda *numbers: heard.extend(numbers)  # type: ignore[method-assign]
    peer.receive(octets, 0)
    same(heard, [one["reference"], one["count"]])


def _write_release(one: dict, limits: dict) -> bytes:
    peer = Peer({}, limits)
    stub = peer.references._held[one["reference"]] = Stub(one["reference"], 0)
    stub.count = one["count"]
    peer.references.release(stub)
    return peer.urgent()


def _read_revoke(one: dict, octets: bytes, limits: dict) -> None:
    peer = Peer({}, limits)
    stub = peer.references._held[one["reference"]] = Stub(one["reference"], 0)
    peer.receive(octets, 0)
    same(stub.is_released, True)


def _write_revoke(one: dict, limits: dict) -> bytes:
    peer = Peer({}, limits)
    peer.references._last_number = one["reference"] - 1
    function: Callable = lambda: None
    peer.references.send(function)
    peer.revoke(function)
    return peer.out[0]


def _read_of_stream(one: dict, octets: bytes, limits: dict) -> None:
    """The part of a peer that streams are for hears of this message."""
    peer = Peer({}, limits)
    heard: list = []
    streams = peer.streams
    streams.receive_credit = lambda number, octets: heard.extend([number, octets])  # type: ignore[method-assign]
    streams.receive_item = lambda number, read, _: heard.extend([number, read()])  # type: ignore[method-assign]
    streams.receive_end = lambda number, error: heard.extend([number, error])  # type: ignore[method-assign]
    streams.receive_open = lambda number, name: heard.extend([number, name])  # type: ignore[method-assign]
    streams.receive_stop = lambda number: heard.append(number)  # type: ignore[method-assign]
    peer.receive(octets, 0)
    same(heard[0], one["stream"])
    if one["type"] == 7:
        same(heard[1], one["credit"])
    if one["type"] in (8, 12):
        same(heard[1], one["value"])
    if one["type"] == 10:
        same((heard[1].name, heard[1].message), (one["errorName"], one["errorMessage"]))


def _write_of_stream(one: dict, limits: dict) -> bytes:
    peer = Peer({}, limits)
    head = [one["type"], one["stream"]]
    if one["type"] == 7:
        return peer._message(head + [one["credit"]], [])[0]
    if "errorName" in one:
        return peer._message(head, [ErrorValue(one["errorName"], one["errorMessage"])])[0]
    return peer._message(head, [one["value"]] if "value" in one else [])[0]


_MESSAGES: dict = {
    1: (_read_call, _write_call),
    2: (_read_answer, _write_answer),
    3: (_read_answer, _write_answer),
    4: (_read_cancel, _write_cancel),
    5: (_read_release, _write_release),
    6: (_read_revoke, _write_revoke),
    **{kind: (_read_of_stream, _write_of_stream) for kind in (7, 8, 9, 10, 11, 12)},
}
