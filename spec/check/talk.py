"""What a client does against a running server, step by step. README.md says which service the server must have."""
from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Callable

import frames
from address import Address
from assertions import Differs, same
from client import Client, bearer, from_base64url, request, to_base64url
from websocket import UpgradeRefused, WebSocket

JSON = {"Content-Type": "application/json"}
WIRE_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


def steps(fixed: Address, vectors: Path) -> list[tuple[str, Callable[[], None]]]:
    """All steps in order; a later one may need what an earlier one did."""
    talk = Talk(fixed)
    refusals = json.loads((vectors / "access.json").read_text("utf-8"))
    return [
        ("refusals of a first access in JSON, as in vectors/access.json", lambda: talk.refusals(refusals["refusals"])),
        ("first access in JSON, and a repeat of it", lambda: talk.json_access(refusals["notification"])),
        ("attach with the key from JSON, and a call", talk.json_attach),
        ("DELETE ends it: 410 to the holder, 404 to others", talk.json_end),
        ("first access with frames: a call and its result in one round trip", talk.frames_access),
        ("attach over a WebSocket with the key, and a call", talk.attach),
        ("the server calls a function that was passed as an argument", talk.call_back),
        ("the server calls what the client exposes", talk.exposed),
        ("an error arrives as what was thrown; an unknown method is refused", talk.errors),
        ("a value of 300,000 octets goes and comes in fragments", talk.fragments),
        ("cut while a call runs: its answer comes once, over the next link", talk.cut_while_running),
        ("cut right behind a call: it runs once", talk.cut_behind_call),
        ("attach by POST, then go on over a WebSocket", talk.attach_by_post),
        ("PING is answered, also before ATTACH", talk.probe),
        ("close in good order", talk.close),
        ("afterwards: 410 to the holder, 404 to everybody else", talk.afterwards),
    ]


class Talk:
    """The conversation, with what one step leaves for the next."""

    def __init__(self, fixed: Address) -> None:
        self.fixed = fixed
        self.asked: list = []
        self.client = Client(fixed, {"answer": self._answer})

    def _answer(self, question: object) -> object:
        self.asked.append(question)
        return f"{question}? yes"

    # The JSON form.

    def refusals(self, vectors: list) -> None:
        for vector in vectors:
            answer = request("POST", self.fixed, self.fixed.target, json.dumps(vector["body"]).encode(), JSON)
            body = json.loads(answer.body)
            same((answer.status, body["code"], type(body["message"])), (vector["status"], vector["code"], str))
            same({name: answer.headers.get(name) for name in WIRE_HEADERS}, WIRE_HEADERS)

    def json_access(self, vector: dict) -> None:
        asked = json.dumps({"nonce": to_base64url(os.urandom(16)), "triedMsAgo": 0}).encode()
        first, again = (request("POST", self.fixed, self.fixed.target, asked, JSON) for _ in range(2))
        same(first.status, vector["status"])
        same({name: first.headers.get(name) for name in WIRE_HEADERS}, WIRE_HEADERS)
        same(first.headers.get("content-type"), "application/json")
        told, told_again = json.loads(first.body), json.loads(again.body)
        same(set(vector["keys"]) - set(told), set())
        same(told["id"], first.headers.get("location"))
        same(len(from_base64url(told["key"])), 32)
        same((told_again["id"], told_again["key"]), (told["id"], told["key"]))
        self.json_client = Client(self.fixed, {})
        self.json_client.adopt(told, self.fixed.inherit(told["id"]))

    def json_attach(self) -> None:
        client = self.json_client
        client.attach()
        same(client.result(client.call("greet", "JSON")), "hello, JSON")

    def json_end(self) -> None:
        client = self.json_client
        key = client.session.key or b""
        self._delete(client, bearer(os.urandom(32)), 404)
        self._delete(client, {}, 404)
        self._delete(client, bearer(key), 204)
        # The process ends in good order: it says CLOSE, and is gone when CLOSED has answered that.
        client.pump(lambda: client.session.closed is not None, "CLOSE")
        assert client.link is not None
        client.link.close()
        self._delete(client, bearer(key), 410)
        self._delete(client, bearer(os.urandom(32)), 404)

    # The form with frames.

    def frames_access(self) -> None:
        client = self.client
        early = client.call("greet", "frames")
        answer = client.access()
        same(answer.status, 201)
        same(answer.headers.get("content-type"), "application/octet-stream")
        same(client.session.id, answer.headers.get("location"))
        same(len(client.session.key or b""), 32)
        same(early.is_answered and early.result, "hello, frames")

    def attach(self) -> None:
        self.client.attach()
        same(self._call("greet", "WebSocket"), "hello, WebSocket")

    def call_back(self) -> None:
        heard: list = []

        def double(value: int) -> int:
            heard.append(value)
            return 2 * value

        same(self._call("relay", double, 21), 42)
        same(heard, [21])

    def exposed(self) -> None:
        same(self._call("ask", "really"), "really? yes")
        same(self.asked, ["really"])

    def errors(self) -> None:
        thrown = self.client.call("fail", "too bad")
        self.client.pump(lambda: thrown.is_answered, "the answer")
        same((str(thrown.error), thrown.error and thrown.error.code), ("Error: too bad", None))
        for name in ("no such method", "constructor", ""):
            unknown = self.client.call(name)
            self.client.pump(lambda one=unknown: one.is_answered, "the answer")
            same(unknown.error and unknown.error.code, "method_unknown")

    def fragments(self) -> None:
        octets = os.urandom(300_000)
        same(self._call("echo", octets) == octets, True)

    def cut_while_running(self) -> None:
        client = self.client
        call = client.call("later", 300)
        client.pump(lambda: client.session.outbox.acked == client.session.outbox.last, "the acknowledgement")
        client.cut()
        time.sleep(0.5)
        client.attach()
        same(client.result(call), 1)
        # An answer that came twice would be a violation here, and would come before the answer to this.
        same(self._call("runs"), 1)

    def cut_behind_call(self) -> None:
        client = self.client
        for expected in (2, 3, 4):
            call = client.call("later", 20)
            client.cut()
            client.attach()
            same(client.result(call), expected)
        same(self._call("runs"), 4)

    def attach_by_post(self) -> None:
        client = self.client
        client.cut()
        answer = client.attach_by_post()
        same((answer.status, answer.headers.get("content-type")), (200, "application/octet-stream"))
        for frame in answer.frames():
            client._receive(frame)
        same(client.session.welcome is not None, True)
        client.attach()
        same(self._call("runs"), 4)

    def probe(self) -> None:
        client = self.client
        assert client.address is not None
        probe = WebSocket(client.address, client.session.admission)
        probe.send(frames.encode(frames.Ping(b"before")))
        same(frames.decode(probe.receive(2.0) or b""), [frames.Pong(b"before")])
        probe.close()
        # The attached link did not notice.
        same(self._call("greet", "again"), "hello, again")

    def close(self) -> None:
        self.client.close()
        same(self.client.session.closed, "closed")

    def afterwards(self) -> None:
        client = self.client
        assert client.address is not None and client.session.key is not None
        for key, status, code in ((None, 410, "session_ended"), (os.urandom(32), 404, "session_unknown")):
            answer = client.attach_by_post(key)
            same(answer.status, status)
            [refused] = answer.frames()
            same(isinstance(refused, frames.Control) and refused.fields.get("code"), code)
        self._delete(client, bearer(client.session.key), 410)
        self._delete(client, {}, 404)
        unknown = request("POST", self.fixed, client.address.path + "x", b"")
        known = request("POST", self.fixed, client.address.path, b"")
        same((unknown.status, known.status), (404, 404))
        same(_without_date(known.headers), _without_date(unknown.headers))
        same(known.body, unknown.body)
        try:
            WebSocket(client.address, client.session.admission)
        except UpgradeRefused as refused:
            return same(refused.status, 404)
        raise Differs("an upgrade at the address of a session that has ended was accepted")

    def _call(self, method: str, *args: object) -> object:
        return self.client.result(self.client.call(method, *args))

    def _delete(self, client: Client, headers: dict, status: int) -> None:
        assert client.address is not None
        same(request("DELETE", self.fixed, client.address.path, b"", headers).status, status)


def _without_date(headers: dict) -> dict:
    return {name: value for name, value in headers.items() if name != "date"}
