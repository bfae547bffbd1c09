"""What a check may say."""
from __future__ import annotations

from typing import Callable


class Differs(Exception):
    """Not what the vector says."""


def same(actual: object, expected: object) -> None:
    if actual != expected:
        raise Differs(f"{actual!r:.300} instead of {expected!r:.300}")


def fails(kind: type, run: Callable[[], object]) -> Exception:
    """`run` must raise `kind`."""
    try:
        value = run()
    except kind as error:
        return error
    raise Differs(f"{value!r:.300} instead of {kind.__name__}")
