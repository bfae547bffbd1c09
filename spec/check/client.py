"""A whole client: an access, a session, its calls, and the link that they travel over at the moment."""
from __future__ import annotations

import base64
import http.client
import os
import time
from dataclasses import dataclass
from typing import Callable, Optional

import frames
from address import Address
from calls import Call
from frames import Frame
from rpc import Peer
from session import Session
from websocket import WebSocket

WRITE_BYTES_MAX = 262_144
TIMEOUT_SECONDS = 5.0


class TooSlow(Exception):
    """Something that had to happen did not happen in time."""


@dataclass
class Answer:
    """An HTTP answer of the wire."""

    status: int
    headers: "dict[str, str]"
    body: bytes

    def frames(self) -> list[Frame]:
        return frames.decode(self.body)


def request(method: str, address: Address, path: str, body: bytes = b"", headers: Optional[dict] = None) -> Answer:
    """One HTTP request on a connection of its own. A redirect is not followed, as spec/access.md demands."""
    host = address.host[1:-1] if address.host.startswith("[") else address.host
    connection = http.client.HTTPConnection(host, address.port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body=body, headers={"Host": address.authority, **(headers or {})})
        answer = connection.getresponse()
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, names, answer.read())
    finally:
        connection.close()


def bearer(key: bytes) -> dict:
    """How the key is shown by a header."""
    return {"Authorization": f"Bearer {to_base64url(key)}"}


def to_base64url(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).decode("ascii").rstrip("=")


def from_base64url(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)


class Client:
    """One session with one process."""

    def __init__(self, fixed: Address, root: dict[str, Callable]) -> None:
        self.fixed = fixed
        self.session = Session()
        self.peer = Peer(root, self.session.limits)
        self.address: Optional[Address] = None
        self.link: Optional[WebSocket] = None

    def access(self, service: Optional[str] = None) -> Answer:
        """The first access with frames. The calls made so far travel with it."""
        fields: dict = {"nonce": os.urandom(16), "triedMsAgo": 0}
        if service is not None:
            fields["service"] = service
        octets = self.session.attach(access=fields) + self._outgoing()
        answer = request("POST", self.fixed, self.fixed.target, octets)
        for frame in answer.frames():
            # What would have to be sent now is kept, and goes over the next link.
            self._receive(frame)
        self.address = self.fixed.inherit(answer.headers.get("location"))
        return answer

    def adopt(self, notification: dict, address: Address) -> None:
        """Goes on from a first access in JSON."""
        self.address = address
        self.session.key = from_base64url(notification["key"])
        self.session.id = notification["id"]
        self.session.admission = notification["admission"]
        self.session.peer_limits = notification["limits"]
        self.peer.set_limits(notification["limits"])

    def attach(self) -> None:
        """Opens a link at the address of the process and attaches. All that is not acknowledged follows at once."""
        assert self.address is not None
        self.link = WebSocket(self.address, self.session.admission)
        self._write(self.session.attach(self.peer.ahead()) + self._outgoing())
        self.pump(lambda: self.session.welcome is not None, "WELCOME")

    def attach_by_post(self, key: Optional[bytes] = None) -> Answer:
        """The same without a WebSocket: the answer is the authority on what is the matter with the session."""
        assert self.address is not None
        kept, self.session.key = self.session.key, key or self.session.key
        octets = self.session.attach()
        self.session.key = kept
        return request("POST", self.address, self.address.path, octets)

    def call(self, method: str, *args: object) -> Call:
        """Makes a call; it leaves at once if there is a link."""
        call = self.peer.call(method, *args)
        self.flush()
        return call

    def result(self, call: Call) -> object:
        """Waits for the answer of a call."""
        self.pump(lambda: call.is_answered, f"the answer to call {call.number}")
        return call.result

    def cut(self) -> None:
        """Breaks the connection without a word."""
        assert self.link is not None
        self.link.cut()
        self.link = None

    def close(self) -> None:
        """Ends the session in good order."""
        self._write(self.session.close())
        self.pump(lambda: self.session.closed is not None, "CLOSED")
        if self.link is not None:
            self.link.close()
            self.link = None

    def flush(self) -> None:
        """Sends what there is to be sent, if there is a link."""
        octets = self._outgoing()
        if self.link is not None:
            self._write(octets)

    def pump(self, done: Callable[[], bool], what: str, seconds: float = TIMEOUT_SECONDS) -> None:
        """Takes what comes over the link until `done`."""
        end = time.monotonic() + seconds
        while not done():
            left = end - time.monotonic()
            octets = self.link.receive(max(left, 0.001)) if self.link is not None else None
            if octets is None:
                raise TooSlow(f"{what} did not come within {seconds:g} s")
            replies = b"".join(self._receive(frame) for frame in frames.decode(octets))
            self._write(replies + self._outgoing())

    def _receive(self, frame: Frame) -> bytes:
        replies, messages = self.session.receive(frame)
        if isinstance(frame, frames.Control) and frame.type == frames.WELCOME:
            self.peer.set_limits(self.session.peer_limits)
        if messages:
            self.peer.receive(messages, self.session.peer_clock_ms)
        return replies

    def _outgoing(self) -> bytes:
        """The frames of what the peer has to say."""
        octets = b"".join(self.session.send(message) for message in self.peer.out)
        self.peer.out.clear()
        urgent = self.peer.urgent() if self.session.is_idle else b""
        return octets + (self.session.send_urgent(urgent) if urgent else b"")

    def _write(self, octets: bytes) -> None:
        """Whole frames, in messages of at most 262,144 octets."""
        assert self.link is not None
        start = end = 0
        while end < len(octets):
            length = frames.length_at(octets, end) or 0
            if end + length - start > WRITE_BYTES_MAX:
                self.link.send(octets[start:end])
                start = end
            end += length
        if octets:
            self.link.send(octets[start:])
