"""What two sides lend each other: spec/rpc.md, section 5."""
from __future__ import annotations

from typing import Callable, Optional

from messagepack import CannotBeSent, Refused
from octets import Malformed
from streams import Sink, Source, Streams
from values import HOME, LENT, STREAM, Reference

FUNCTION, TARGET, SIGNAL = 0, 1, 3
EARLY_MAX = 64


class Lent:
    """An object that the far side may call: methods by name, or one function by the empty name."""

    def __init__(self, methods: dict[str, Callable]) -> None:
        self._methods = methods

    def method(self, name: str) -> Callable:
        if name not in self._methods:
            raise Refused("method_unknown", "there is no such method to call")
        return self._methods[name]


class Stub:
    """The far view of something that the other side lent."""

    def __init__(self, number: int, kind: int) -> None:
        self.number = number
        self.kind = kind
        # How often it was received, and how many calls that name it are not answered.
        self.count = 0
        self.pins = 0
        self.is_released = False


class _Loan:
    def __init__(self, number: int, value: object) -> None:
        self.number = number
        self.value = value
        self.count = 0
        self.is_revoked = False


class References:
    """Both tables of one peer: what it has lent, and what it holds."""

    def __init__(self, held_max: int) -> None:
        self.streams: Optional[Streams] = None
        self.lent_max = EARLY_MAX
        self._held_max = held_max
        self._last_number = 0
        self._loans: dict[int, _Loan] = {}
        self._held: dict[int, Stub] = {}
        # Of the message being written or read.
        self._new_loans: list[_Loan] = []
        self._sent_home: list[Stub] = []
        self._taken: list[Stub] = []

    def send(self, value: object) -> Optional[Reference]:
        """The reference by which `value` crosses, if it does."""
        if isinstance(value, Stub):
            if value.is_released or self._held.get(value.number) is not value:
                raise CannotBeSent("a reference that was released")
            self._sent_home.append(value)
            return Reference(HOME, value.number)
        if isinstance(value, (Source, Sink)) and self.streams:
            return self.streams.lend(value)
        if not isinstance(value, Lent) and not callable(value):
            return None
        loan = next((one for one in self._loans.values() if one.value is value and not one.is_revoked), None)
        if loan is None:
            if len(self._loans) >= self.lent_max:
                raise Refused("reference_quota", "as much is lent as the far side takes")
            self._last_number += 1
            loan = self._loans[self._last_number] = _Loan(self._last_number, value)
        loan.count += 1
        self._new_loans.append(loan)
        return Reference(LENT, loan.number, TARGET if isinstance(value, Lent) else FUNCTION)

    def take_back(self) -> None:
        """The message being written is not sent."""
        for loan in self._new_loans:
            self._subtract(loan, 1)
        self._new_loans, self._sent_home = [], []

    def sent(self) -> list[Stub]:
        """The message being written is sent. Returns what it sends home."""
        home, self._new_loans, self._sent_home = self._sent_home, [], []
        return home

    def receive(self, one: Reference) -> object:
        """What stands in a value for a reference that came."""
        if one.type == HOME:
            return self._loan(one.number).value
        if one.type == STREAM and self.streams:
            return self.streams.take(one)
        if one.type != LENT:
            raise Refused("invalid_argument", "signals and results of calls stand only in arguments")
        return self._take(one.number, one.kind)

    def _take(self, number: int, kind: int) -> Stub:
        stub = self._held.get(number)
        if stub is None:
            if number == 0 or len(self._held) >= self._held_max:
                raise Malformed("a reference with number 0, or one too many")
            stub = self._held[number] = Stub(number, kind)
        if stub.kind != kind:
            raise Malformed("a reference that changes its kind")
        # A release that is due and was not sent is off: it was received once more. One that is in use stays in use.
        if stub.count == 0 or stub.is_released:
            self._taken.append(stub)
        stub.count += 1
        stub.is_released = False
        return stub

    def receive_signal(self, number: int) -> Stub:
        """The stub of an abort signal that came."""
        return self._take(number, SIGNAL)

    def keep(self) -> list[Stub]:
        """The message being read is delivered. Returns the stubs that are new with it."""
        taken, self._taken = self._taken, []
        return taken

    def give_back(self) -> None:
        """The message being read is not delivered: what is new with it is released."""
        for stub in self.keep():
            stub.is_released = True

    def release(self, stub: Stub) -> None:
        """This side does not use a stub any more."""
        stub.is_released = True

    def due(self) -> list[tuple[int, int]]:
        """Number and count of what may be released now: no unanswered call names it."""
        due = [stub for stub in self._held.values() if stub.is_released and stub.pins == 0]
        for stub in due:
            del self._held[stub.number]
        return [(stub.number, stub.count) for stub in due]

    def lent(self, number: int) -> Lent:
        """What a call is to be made of."""
        value = self._loan(number).value
        return value if isinstance(value, Lent) else Lent({"": value})  # type: ignore[dict-item]

    def check_lent(self, value: object) -> None:
        """Refuses what was lent and is not any more."""
        if not any(loan.value is value and not loan.is_revoked for loan in self._loans.values()):
            raise Refused("reference_released", "that is not lent any more")

    def revoke(self, value: object) -> Optional[int]:
        """Takes something back; the number that REVOKE must name."""
        for loan in self._loans.values():
            if loan.value is value and not loan.is_revoked:
                loan.is_revoked = True
                return loan.number
        return None

    def receive_release(self, number: int, count: int) -> None:
        loan = self._loans.get(number)
        if loan is None or count > loan.count:
            raise Malformed(f"release of reference {number}, more than it was lent")
        self._subtract(loan, count)

    def receive_revoke(self, number: int) -> None:
        stub = self._held.get(number)
        if stub is not None:
            stub.is_released = True

    def _loan(self, number: int) -> _Loan:
        loan = self._loans.get(number)
        if loan is not None and not loan.is_revoked:
            return loan
        if number > self._last_number or number < 1:
            raise Refused("reference_unknown", "that was never lent")
        raise Refused("reference_released", "that is not lent any more")

    def _subtract(self, loan: _Loan, count: int) -> None:
        loan.count -= count
        if loan.count == 0:
            del self._loans[loan.number]
