"""Calls, references and streams: spec/rpc.md, one of two equal sides.

A peer is handed whole messages and appends what it has to say to `out` (in order) and to `urgent()`.
"""
from __future__ import annotations

from typing import Callable, Optional, Union

from calls import CODES, Call, Incoming, Later, RemoteError
from messagepack import CannotBeSent, Encoder, Refused
from octets import SAFE_MAX, Malformed, Reader
from pipelining import Results
from references import Lent, References, Stub
from streams import BREAK, CREDIT, END, ITEM, OPEN, STOP, Streams
from values import ErrorValue, ValueDecoder, ValueEncoder

CALL, RESULT, FAILURE, CANCEL, RELEASE, REVOKE = 1, 2, 3, 4, 5, 6
ELEMENTS = {CALL: (5, 6), RESULT: (3,), FAILURE: (3,), CANCEL: (2,), RELEASE: (3,), REVOKE: (2,)}
ELEMENTS.update({CREDIT: (3,), ITEM: (3,), END: (2,), BREAK: (3,), STOP: (2, 3), OPEN: (3,)})
EARLY_MAX = 64
MESSAGE_BYTES_LEAST = 66_560

class Peer:
    """One side's calls, both ways. `root` holds the methods that the far side may call by name."""

    def __init__(self, root: dict[str, Callable], limits: dict[str, int]) -> None:
        self.out: list[bytes] = []
        self.references = References(max(limits["referencesMax"], EARLY_MAX))
        self._results = Results(self.references)
        self.streams = Streams(lambda head, parts: self._message(head, parts)[0], self.out, limits["referencesMax"])
        self.references.streams = self.streams
        self._root = Lent(root)
        self._limits = limits
        self._calls_max = EARLY_MAX
        self._message_bytes_max = MESSAGE_BYTES_LEAST
        self._last_call = 0
        self._open: dict[int, Call] = {}
        self._cancels: list[int] = []
        self._next = 1
        self._highest = 0
        self._parked: dict[int, Incoming] = {}
        self._waiting: dict[int, Incoming] = {}
        self._running: dict[int, Incoming] = {}
        self._cancelled: set[int] = set()

    def set_limits(self, limits: dict[str, int]) -> None:
        """What the far side announced."""
        self._calls_max = limits["callsInFlightMax"]
        self._message_bytes_max = limits["messageBytesMax"]
        self.references.lent_max = limits["referencesMax"]

    def call(self, method: str, *args: object, on: Optional[Stub] = None, deadline_ms: Optional[int] = None,
             metadata: Optional[dict] = None) -> Call:
        """Makes a call: of the far root's method, or of what a stub stands for (the method "": the function itself)."""
        if len(self._open) >= self._calls_max:
            raise CannotBeSent("as many calls are open as the far side takes")
        number = self._last_call + 1
        head = [CALL, number, on.number if on else 0, method]
        options = {key: value for key, value in (("d", deadline_ms), ("m", metadata)) if value is not None}
        parts: list = [list(args), options] if options else [list(args)]
        octets, pinned = self._message(head, parts)
        self._last_call = number
        call = self._open[number] = Call(number, pinned + ([on] if on else []))
        for stub in call.pinned:
            stub.pins += 1
        self.out.append(octets)
        return call

    def cancel(self, call: Call) -> None:
        """Asks to stop a call; it is answered all the same."""
        if not call.is_answered and not call.is_cancelled:
            call.is_cancelled = True
            self._cancels.append(call.number)

    def revoke(self, value: object) -> None:
        """Takes back what is lent: from now on calls of it are answered `reference_released`."""
        number = self.references.revoke(value)
        if number is not None:
            self.out.append(_plain(REVOKE, number))

    def ahead(self) -> bytes:
        """What an attach states ahead of the replay: CANCEL of every unanswered call that was cancelled."""
        return b"".join(_plain(CANCEL, number) for number, call in self._open.items() if call.is_cancelled)

    def urgent(self) -> bytes:
        """CANCEL and RELEASE that are due. To be asked only when nothing waits to be sent: no RELEASE may overtake."""
        cancels, self._cancels = self._cancels, []
        releases = [_plain(RELEASE, *one) for one in self.references.due()]
        return b"".join([_plain(CANCEL, one) for one in cancels] + releases + [_plain(*one) for one in self.streams.urgent()])

    def receive(self, messages: bytes, peer_clock_ms: float) -> None:
        """Takes whole messages. Malformed is a violation: the session ends with `protocol_error`."""
        reader = Reader(messages)
        while reader.remaining:
            head, kind = reader.u8(), reader.u8()
            if kind not in ELEMENTS or head - 0x90 not in ELEMENTS[kind]:
                raise Malformed(f"no message begins with {head:02x} {kind:02x}")
            if kind == CALL:
                self._receive_call(reader, head - 0x90 == 6)
            elif kind in (RESULT, FAILURE):
                self._receive_answer(reader, kind == FAILURE)
            elif kind == CANCEL:
                self._receive_cancel(_number(reader))
            elif kind == RELEASE:
                self.references.receive_release(_number(reader), _number(reader))
            elif kind == REVOKE:
                self.references.receive_revoke(_number(reader))
            elif kind == OPEN:
                self.streams.receive_open(_number(reader), _text(reader))
            else:
                self._receive_of_stream(reader, kind, head)
            self._start_calls(peer_clock_ms)

    def _receive_call(self, reader: Reader, has_options: bool) -> None:
        call = Incoming(_number(reader), _integer(reader), _text(reader))
        if call.number < self._next or call.number in self._parked or not self._is_allowed(call.number):
            raise Malformed(f"call {call.number}, which was there already or is above the window")
        if -call.target >= call.number:
            raise Malformed("the result of a call that does not come before")
        args = self._value(reader, list, call, self._results.reader(call))
        call.taken = self.references.keep()
        if has_options:
            options = self._value(reader, dict, call, self.references.receive)
            self.references.give_back()
            if options is not None and "d" in options:
                call.deadline_ms = options["d"]
                is_number = isinstance(call.deadline_ms, (int, float)) and not isinstance(call.deadline_ms, bool)
                if not is_number or not call.deadline_ms >= 0:
                    raise Malformed("a deadline that is no point in time")
            if options is not None and "m" in options:
                call.metadata = options["m"]
                if not _is_metadata(call.metadata) and call.refusal is None:
                    call.refusal = "invalid_argument"
        call.args = args or []
        self._parked[call.number] = call
        self._highest = max(self._highest, call.number)
        unanswered = len(self._running) + len(self._waiting)
        if unanswered + self._highest - self._next + 1 > max(self._limits["callsInFlightMax"], EARLY_MAX):
            raise Malformed("more calls are open than were announced")

    def _value(self, reader: Reader, kind: type, call: Incoming, receive: Callable) -> Union[list, dict, None]:
        """The arguments or the options; None when they are refused, which is answered when the call's turn comes."""
        head = reader.octets[reader.offset] if reader.remaining else 0xC1
        if not (head >> 4 == 9 or head >> 1 == 0x6E if kind is list else head >> 4 == 8 or head >> 1 == 0x6F):
            raise Malformed(f"no {kind.__name__} where one belongs")
        try:
            return ValueDecoder(receive).decode(reader)  # type: ignore[return-value]
        except Refused as refusal:
            self.references.give_back()
            call.refusal = call.refusal or refusal.code
            return None

    def _receive_answer(self, reader: Reader, is_failure: bool) -> None:
        call = self._open.pop(_number(reader), None)
        if call is None:
            raise Malformed("an answer to no call")
        try:
            value = ValueDecoder(self.references.receive).decode(reader)
            self.references.keep()
            if is_failure:
                own = isinstance(value, ErrorValue) and value.name == "DuowireError"
                code = value.fields.get("code") if own else None  # type: ignore[union-attr]
                call.error = RemoteError(value, code if code in CODES else None)
            elif isinstance(value, dict) and isinstance(value.get("then"), Stub):
                call.error = RemoteError("a result with a function under the key then", "invalid_argument")
            call.value = value
        except Refused as refusal:
            self.references.give_back()
            call.error = RemoteError(str(refusal), refusal.code)
        call.is_answered = True
        call.answered()
        for stub in call.pinned:
            stub.pins -= 1

    def _receive_of_stream(self, reader: Reader, kind: int, head: int) -> None:
        start = reader.offset - 2
        number = _integer(reader)
        if number == 0:
            raise Malformed("a stream with number 0")
        if kind == CREDIT:
            self.streams.receive_credit(number, _number(reader))
        elif kind == ITEM:
            self.streams.receive_item(number, lambda: self._taken_value(reader), lambda: reader.offset - start)
        elif kind == STOP:
            if head == 0x93:
                self._taken_value(reader)
            self.streams.receive_stop(number)
        else:
            self.streams.receive_end(number, self._taken_value(reader) if kind == BREAK else None)

    def _taken_value(self, reader: Reader) -> object:
        value = ValueDecoder(self.references.receive).decode(reader)
        self.references.keep()
        return value

    def _receive_cancel(self, number: int) -> None:
        call = self._running.get(number)
        if call is not None and call.later is not None:
            call.refusal = call.refusal or "cancelled"
            call.later.cancelled()
        elif number in self._parked:
            self._parked[number].refusal = "cancelled"
        elif number in self._waiting:
            self._waiting[number].refusal = "cancelled"
            self._start_ready()
        elif number >= self._next:
            if not self._is_allowed(number):
                raise Malformed(f"CANCEL of call {number}, which is above the window")
            self._cancelled.add(number)

    def _is_allowed(self, number: int) -> bool:
        return number < self._next + self._limits["callsInFlightMax"] or number <= EARLY_MAX

    def _start_calls(self, peer_clock_ms: float) -> None:
        while self._next in self._parked:
            call = self._parked.pop(self._next)
            self._next += 1
            # The order of the reasons: cancelled, too late, refused, and then what `_start` finds.
            if call.number in self._cancelled:
                self._cancelled.remove(call.number)
                call.refusal = "cancelled"
            elif call.refusal != "cancelled" and call.deadline_ms is not None and call.deadline_ms <= peer_clock_ms:
                call.refusal = "deadline_exceeded"
            self._waiting[call.number] = call
            self._start_ready()

    def _start_ready(self) -> None:
        """Starts what waits for no result (any more), the lowest number first."""
        for call in list(self._waiting.values()):
            needs = {-call.target, *call.named} if call.target < 0 else set(call.named)
            is_ready = call.refusal or not any(one in self._running or one in self._waiting for one in needs)
            if is_ready and self._waiting.pop(call.number, None):
                self._start(call)

    def _start(self, call: Incoming) -> None:
        try:
            if call.refusal is not None:
                raise Refused(call.refusal, "not started")
            args = self._results.fill(call.args, call)
            method = self._method(self._target(call), call.method)
        except Refused as error:
            for stub in call.taken:
                self.references.release(stub)
            return self._fail(call.number, error)
        try:
            value = method(*args)  # type: ignore[misc]
        except Exception as error:  # whatever the method raises is its answer
            return self._fail(call.number, error)
        if not isinstance(value, Later):
            self._leave_signals(call)
            return self._answer(call.number, value)
        call.later = value
        call.watches = [self.call("", on=one) for one in call.signals]
        self._running[call.number] = call
        value.settle = lambda result: self._settle(call, result)

    def _method(self, target: object, name: str) -> Callable:
        if isinstance(target, Lent):
            return target.method(name)

        def forward(*args: object) -> Later:
            later, call = Later(), self.call(name, *args, on=target)  # type: ignore[arg-type]
            call.answered = lambda: later.settle(call.value)
            return later

        return forward

    def _target(self, call: Incoming) -> object:
        if call.target < 0:
            return self._results.target(call)
        return self.references.lent(call.target) if call.target else self._root

    def _settle(self, call: Incoming, result: object) -> None:
        del self._running[call.number]
        self._leave_signals(call)
        if call.refusal is not None:
            self._fail(call.number, Refused(call.refusal, "stopped"))
        else:
            self._answer(call.number, result)
        self._start_ready()

    def _leave_signals(self, call: Incoming) -> None:
        for one in call.watches:
            self.cancel(one)
        # Signals that calls share would have to be counted; this client is handed none.
        for stub in call.signals:
            self.references.release(stub)

    def _answer(self, number: int, value: object) -> None:
        try:
            if isinstance(value, dict) and (callable(value.get("then")) or isinstance(value.get("then"), Stub)):
                raise CannotBeSent("a result with a function under the key then")
            octets = self._message([RESULT, number], [value])[0]
            self.out.append(octets)
            self._results.keep(number, value, len(octets))
        except (CannotBeSent, Refused) as error:
            self._fail(number, error)

    def _fail(self, number: int, error: Exception) -> None:
        thrown = ErrorValue(type(error).__name__, str(error))
        if isinstance(error, (Refused, CannotBeSent)):
            code = error.code if isinstance(error, Refused) else "invalid_argument"
            thrown = ErrorValue("DuowireError", str(error), {"code": code})
        self.out.append(self._message([FAILURE, number], [thrown])[0])

    def _message(self, head: list, parts: list) -> tuple[bytes, list[Stub]]:
        """A message's octets and the stubs that it sends home. One that cannot be sent lends nothing."""
        octets = bytes([0x90 + len(head) + len(parts)])
        for one in head:
            octets += _encoded(Encoder(), one)
        try:
            for one in parts:
                octets += _encoded(ValueEncoder(self.references.send), one)
            if len(octets) > self._message_bytes_max:
                raise Refused("message_too_large", f"a message of {len(octets)} octets")
        except (CannotBeSent, Refused):
            self.references.take_back()
            raise
        return octets, self.references.sent()


def _encoded(encoder: Encoder, value: object) -> bytes:
    encoder.encode(value)
    return bytes(encoder.out)


def _plain(*elements: int) -> bytes:
    return bytes([0x90 + len(elements)]) + b"".join(_encoded(Encoder(), one) for one in elements)


def _integer(reader: Reader) -> int:
    head = reader.u8()
    if head < 0x80 or head >= 0xE0:
        return head if head < 0x80 else head - 0x100
    if not 0xCC <= head <= 0xD3:
        raise Malformed("no integer where one belongs")
    value = reader.unpack("BHIQbhiq"[head - 0xCC])
    if abs(value) > SAFE_MAX:
        raise Malformed("an integer beyond 2^53 - 1")
    return value


def _is_metadata(value: object) -> bool:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        return False
    chars = sum(len(text.encode("utf-16-le", "surrogatepass")) // 2 for pair in value.items() for text in pair)
    return len(value) <= 64 and chars <= 8192


def _number(reader: Reader) -> int:
    head = reader.octets[reader.offset] if reader.remaining else 0xC1
    value = _integer(reader)
    if value < 1 or not (head < 0x80 or 0xCC <= head <= 0xCF):
        raise Malformed("no integer of 1 or more in an unsigned form")
    return value


def _text(reader: Reader) -> str:
    head = reader.u8()
    if 0xA0 <= head < 0xC0:
        return reader.text(head & 0x1F)
    if 0xD9 <= head <= 0xDB:
        return reader.text(reader.uint(1 << head - 0xD9))
    raise Malformed("no text where one belongs")
