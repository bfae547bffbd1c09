"""A WebSocket client in the part of RFC 6455 that a link needs: binary messages, no extensions."""
from __future__ import annotations

import base64
import hashlib
import os
import socket
import struct
from typing import Optional

from address import Address

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
_HEAD_BYTES_MAX = 16_384
# What this end takes in one message; spec/access.md, section 4.1, allows 262,144 octets.
_MESSAGE_BYTES_MAX = 262_144


class UpgradeRefused(Exception):
    """The server answered the upgrade with something else than 101."""

    def __init__(self, status: int, body: bytes) -> None:
        super().__init__(f"the upgrade was answered with {status}")
        self.status = status
        self.body = body


class Disconnected(Exception):
    """The connection is over."""


class WebSocket:
    """One WebSocket, opened when it is made."""

    def __init__(self, address: Address, admission: str, timeout: float = 5.0) -> None:
        """Opens a link at the address of a process: spec/access.md, section 4.1."""
        host = address.host[1:-1] if address.host.startswith("[") else address.host
        self._socket = socket.create_connection((host, address.port), timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = b""
        self._parts: list[bytes] = []
        self.close_code: Optional[int] = None
        try:
            self._shake_hands(address, admission)
        except BaseException:
            self._socket.close()
            raise

    def send(self, octets: bytes) -> None:
        """One binary message."""
        self._send_frame(_BINARY, octets)

    def receive(self, timeout: float) -> Optional[bytes]:
        """The next binary message, or None when none came in time. Raises Disconnected at the end."""
        self._socket.settimeout(timeout)
        try:
            while True:
                final, opcode, octets = self._read_frame()
                message = self._take(final, opcode, octets)
                if message is not None:
                    return message
        except socket.timeout:
            return None
        except OSError as error:
            raise Disconnected(str(error)) from error

    def cut(self) -> None:
        """Breaks the TCP connection without a word, as a network would: with a reset."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._socket.close()

    def close(self) -> None:
        """Ends the WebSocket in good order, as far as the other end is still there."""
        try:
            self._send_frame(_CLOSE, struct.pack(">H", 1_000))
            while self.close_code is None and self.receive(1.0) is not None:
                pass
        except Disconnected:
            pass
        self._socket.close()

    def _shake_hands(self, address: Address, admission: str) -> None:
        key = base64.b64encode(os.urandom(16))
        request = (
            f"GET {address.path} HTTP/1.1\r\nHost: {address.authority}\r\n"
            f"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: {key.decode()}\r\n"
            f"Sec-WebSocket-Protocol: duowire.1, duowire.admission.{admission}\r\n\r\n"
        )
        self._socket.sendall(request.encode("ascii"))
        while b"\r\n\r\n" not in self._buffer:
            if len(self._buffer) > _HEAD_BYTES_MAX:
                raise UpgradeRefused(0, self._buffer)
            self._fill()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        status = int(status_line.split(" ")[1])
        if status != 101:
            raise UpgradeRefused(status, self._read(int(headers.get("content-length", "0"))))
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest()).decode()
        extensions = headers.get("sec-websocket-extensions")
        agreed = headers.get("sec-websocket-accept") == accept and headers.get("upgrade", "").lower() == "websocket"
        if not agreed or extensions or headers.get("sec-websocket-protocol") != "duowire.1":
            raise UpgradeRefused(status, head)

    def _send_frame(self, opcode: int, octets: bytes) -> None:
        length = len(octets)
        head = bytes([0x80 | opcode])
        if length < 126:
            head += bytes([0x80 | length])
        elif length < 0x10000:
            head += struct.pack(">BH", 0x80 | 126, length)
        else:
            head += struct.pack(">BQ", 0x80 | 127, length)
        mask = os.urandom(4)
        try:
            self._socket.sendall(head + mask + _masked(octets, mask))
        except OSError as error:
            raise Disconnected(str(error)) from error

    def _read_frame(self) -> tuple[bool, int, bytes]:
        """One frame. Nothing is taken from the buffer before all of it is there, so that a timeout loses nothing."""
        first, second = self._peek(2)
        size = {126: 2, 127: 8}.get(second & 0x7F, 0)
        length = int.from_bytes(self._peek(2 + size)[2:], "big") if size else second & 0x7F
        if second & 0x80 or first & 0x70 or length > _MESSAGE_BYTES_MAX:
            raise Disconnected("a frame that a server must not send")
        octets = self._peek(2 + size + length)[2 + size :]
        self._buffer = self._buffer[2 + size + length :]
        return bool(first & 0x80), first & 0x0F, octets

    def _take(self, final: bool, opcode: int, octets: bytes) -> Optional[bytes]:
        """What one frame does; a whole message if it ends one."""
        if opcode == _PING:
            self._send_frame(_PONG, octets)
        elif opcode == _CLOSE:
            self.close_code = int.from_bytes(octets[:2], "big") if len(octets) >= 2 else 1_005
            self._send_frame(_CLOSE, octets[:2])
            raise Disconnected(f"closed with code {self.close_code}: {octets[2:].decode('utf-8', 'replace')}")
        elif opcode in (_BINARY, _CONTINUATION) and (opcode == _CONTINUATION) == bool(self._parts):
            self._parts.append(octets)
            if final:
                message, self._parts = b"".join(self._parts), []
                return message
        elif opcode != _PONG:
            raise Disconnected(f"a frame with opcode {opcode} that does not belong here")
        return None

    def _peek(self, count: int) -> bytes:
        while len(self._buffer) < count:
            self._fill()
        return self._buffer[:count]

    def _read(self, count: int) -> bytes:
        octets = self._peek(count)
        self._buffer = self._buffer[count:]
        return octets

    def _fill(self) -> None:
        octets = self._socket.recv(65_536)
        if not octets:
            raise Disconnected("the connection was closed without a word")
        self._buffer += octets


def _masked(octets: bytes, mask: bytes) -> bytes:
    count = len(octets)
    repeated = (mask * (count // 4 + 1))[:count]
    return (int.from_bytes(octets, "big") ^ int.from_bytes(repeated, "big")).to_bytes(count, "big")
