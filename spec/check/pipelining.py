"""Results that are named before the caller has them: spec/rpc.md, section 4.4."""
from __future__ import annotations

import copy
from typing import Callable

from calls import Incoming
from messagepack import Refused
from octets import Malformed
from references import Lent, References, Stub
from values import EARLIER, SIGNAL, MapValue, Reference, SetValue

LENT_REACH, DATA_REACH = 1_024, 64
NAMED_BYTES_MAX = 1_024
NAMED_MAX = 64
SIGNALS_MAX = 16


class Named:
    """Stands in arguments where a result belongs."""

    def __init__(self, number: int) -> None:
        self.number = number


class Results:
    """What a callee keeps of its answers."""

    def __init__(self, references: References) -> None:
        self._references = references
        self._kept: dict[int, object] = {}

    def reader(self, call: Incoming) -> Callable[[Reference], object]:
        """Reads what stands for references in the arguments of a call, and notes the results that they name."""

        def receive(one: Reference) -> object:
            if one.type == SIGNAL:
                call.signals.append(self._references.receive_signal(one.number))
                if len(call.signals) > SIGNALS_MAX:
                    raise Refused("invalid_argument", "too many abort signals")
                return call.signals[-1]
            if one.type != EARLIER:
                return self._references.receive(one)
            if not 0 < one.number < call.number:
                raise Malformed("a result of a call that does not come before")
            if one.number not in call.named and len(call.named) == NAMED_MAX:
                raise Refused("invalid_argument", "too many results are named")
            return call.named.setdefault(one.number, Named(one.number))

        return receive

    def keep(self, number: int, value: object, octets: int) -> None:
        """A call was answered by RESULT, in so many octets."""
        if isinstance(value, Lent) or callable(value) or octets <= NAMED_BYTES_MAX:
            self._kept[number] = value

    def get(self, number: int, by: int) -> object:
        """The result of a call, as the call `by` may name it."""
        value = self._kept.get(number, self)
        is_lent = isinstance(value, Lent) or callable(value)
        if value is self or by - number > (LENT_REACH if is_lent else DATA_REACH):
            raise Refused("invalid_argument", "the call failed, or its result is data, and large or long ago")
        if is_lent:
            self._references.check_lent(value)
        return value if is_lent or isinstance(value, Stub) else copy.deepcopy(value)

    def target(self, call: Incoming) -> object:
        """What a call with a target below 0 calls: something lent, or a stub."""
        value = self.get(-call.target, call.number)
        if isinstance(value, (Lent, Stub)):
            return value
        if callable(value):
            return Lent({"": value})
        raise Refused("invalid_argument", "data has no methods")

    def fill(self, value: object, call: Incoming) -> object:
        """Arguments with the results that they name; one that is named twice is the same twice."""
        values = {number: self.get(number, call.number) for number in call.named}

        def filled(one: object) -> object:
            if isinstance(one, Named):
                return values[one.number]
            if isinstance(one, list):
                return [filled(each) for each in one]
            if isinstance(one, dict):
                return {key: filled(each) for key, each in one.items()}
            if isinstance(one, MapValue):
                return MapValue(filled(one.entries))  # type: ignore[arg-type]
            return SetValue(filled(one.values)) if isinstance(one, SetValue) else one  # type: ignore[arg-type]

        return filled(value)
