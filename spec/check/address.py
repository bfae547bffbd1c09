"""Connection addresses: spec/access.md, section 1."""
from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Optional

DEFAULT_PORTS = {"http": 80, "https": 443}
SCHEMES = {"http": "http", "https": "https", "ws": "http", "wss": "https"}
IDENTIFICATION = re.compile(r"[A-Za-z0-9\-._~]{1,256}")
SEGMENT = re.compile(r"(?:[A-Za-z0-9\-._~!$&'()*+,;=:@]|%[0-9A-Fa-f]{2})+")
ADDRESS = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[^/?#:@\[\]\\]+)(?::(?P<port>[0-9]+))?"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?(?:#.*)?",
    re.DOTALL,
)
FORBIDDEN = re.compile(r"[\s\x00-\x1f\x7f\\]")


class AddressError(Exception):
    """An address, or a notified identification, that is none."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code


@dataclass(frozen=True)
class Address:
    """Host, port and identification, and the prefix between them."""

    scheme: str
    host: str
    port: int
    prefix: str
    id: str
    query: str = ""

    @property
    def authority(self) -> str:
        return self.host if self.port == DEFAULT_PORTS[self.scheme] else f"{self.host}:{self.port}"

    @property
    def path(self) -> str:
        return f"{self.prefix}/{self.id}"

    @property
    def target(self) -> str:
        """What the first access names in its request line."""
        return self.path + self.query

    @property
    def href(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"

    @property
    def web_socket_href(self) -> str:
        return "ws" + self.href[len("http") :]

    def inherit(self, identification: Optional[str]) -> Address:
        """The address of the process: everything as it is, but the identification."""
        if identification is None or not is_identification(identification):
            raise AddressError("not_duowire", f"{identification!r} is no bare identification")
        return Address(self.scheme, self.host, self.port, self.prefix, identification)


def is_identification(text: str) -> bool:
    return IDENTIFICATION.fullmatch(text) is not None and text not in (".", "..")


def parse(text: str) -> Address:
    """The address that `text` says, or `bad_address`."""
    match = ADDRESS.fullmatch(text)
    if match is None or FORBIDDEN.search(text):
        raise AddressError("bad_address", f"{text!r} is no address")
    scheme = SCHEMES.get(match["scheme"].lower())
    if scheme is None:
        raise AddressError("bad_address", f"the scheme {match['scheme']}")
    prefix, identification, path_port = _path(match["path"] or "")
    ports = {_port(one) for one in (match["port"], path_port) if one is not None}
    if len(ports) > 1:
        raise AddressError("bad_address", "two ports that differ")
    port = ports.pop() if ports else DEFAULT_PORTS[scheme]
    query = match["query"] or ""
    return Address(scheme, _host(match["host"]), port, prefix, identification, "" if query == "?" else query)


def _path(path: str) -> tuple[str, str, Optional[str]]:
    """Prefix, identification, and the port behind it. Without a path they are empty."""
    if path in ("", "/"):
        return "", "", None
    *segments, last = (path[:-1] if path.endswith("/") else path)[1:].split("/")
    identification, colon, port = last.partition(":")
    if not is_identification(identification) or any(not SEGMENT.fullmatch(one) for one in segments):
        raise AddressError("bad_address", f"the path {path!r}")
    return "".join(f"/{one}" for one in segments), identification, port if colon else None


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) > 65_535:
        raise AddressError("bad_address", f"the port {text!r}")
    return int(text)


def _host(text: str) -> str:
    """As RFC 3986 and IDNA write it."""
    try:
        if text.startswith("["):
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        return text.lower().encode("idna").decode("ascii")
    except (ValueError, UnicodeError) as error:
        raise AddressError("bad_address", f"the host {text!r}") from error
