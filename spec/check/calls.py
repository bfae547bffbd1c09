"""A call, at the side that makes it and at the side that answers it: spec/rpc.md, section 2."""
from __future__ import annotations

from typing import Callable, Optional

from references import Stub
from values import ErrorValue

# What a FAILURE may say in the name of the protocol.
CODES = frozenset(
    "method_unknown invalid_argument message_too_large queue_full cancelled deadline_exceeded reference_unknown "
    "reference_released reference_quota stream_broken internal_error".split()
)


class RemoteError(Exception):
    """A call failed: `value` is what the far side threw, `code` one of CODES when the protocol itself refused."""

    def __init__(self, value: object, code: Optional[str] = None) -> None:
        super().__init__(f"{value.name}: {value.message}" if isinstance(value, ErrorValue) else repr(value))
        self.value = value
        self.code = code


class Later:
    """What a method returns that answers later. By default, cancelling it ends it."""

    def __init__(self) -> None:
        self.settle: Callable[[object], None] = lambda value: None
        self.cancelled: Callable[[], None] = lambda: self.settle(None)


class Call:
    """A call of this side."""

    def __init__(self, number: int, pinned: list[Stub]) -> None:
        self.number = number
        self.pinned = pinned
        self.is_answered = False
        self.answered: Callable[[], None] = lambda: None
        self.is_cancelled = False
        self.value: object = None
        self.error: Optional[RemoteError] = None

    @property
    def result(self) -> object:
        if self.error is not None:
            raise self.error
        return self.value


class Incoming:
    """A call of the far side, until its answer."""

    def __init__(self, number: int, target: int, method: str) -> None:
        self.number = number
        self.target = target
        self.method = method
        self.args: list = []
        self.taken: list[Stub] = []
        self.refusal: Optional[str] = None
        self.deadline_ms: Optional[float] = None
        self.metadata: Optional[dict] = None
        self.later: Optional[Later] = None
        # The results that its arguments name, and what stands for them.
        self.named: dict[int, object] = {}
        # Its abort signals, and the calls that ask them for their reason.
        self.signals: list[Stub] = []
        self.watches: list[Call] = []
