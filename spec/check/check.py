#!/usr/bin/env python3
"""Checks that spec/ alone is enough: `check.py vectors`, or `check.py talk <connection address>`.

Exit code 0: everything is as the specification says. 1: something is not. 2: not called as above.
"""
from __future__ import annotations

import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True

import address  # noqa: E402
import talk  # noqa: E402
import vectors  # noqa: E402

VECTORS = Path(__file__).resolve().parent.parent / "vectors"


def main(arguments: list[str]) -> int:
    if arguments == ["vectors"]:
        return run_vectors()
    if len(arguments) == 2 and arguments[0] == "talk":
        try:
            return run_talk(address.parse(arguments[1]))
        except address.AddressError as error:
            print(error, file=sys.stderr)
            return 2
    print("usage: check.py vectors | check.py talk http://127.0.0.1:9000/WAO", file=sys.stderr)
    return 2


def run_vectors() -> int:
    wrong = vectors.run(VECTORS, print)
    print("all vectors agree" if wrong == 0 else f"{wrong} wrong")
    return 1 if wrong else 0


def run_talk(fixed: address.Address) -> int:
    """Every step needs those before it, so the first that fails is the last."""
    for name, step in talk.steps(fixed, VECTORS):
        start = time.monotonic()
        try:
            step()
        except Exception as error:  # whatever it is, the step failed
            print(f"FAIL {name}: {type(error).__name__}: {error}")
            return 1
        print(f"ok   {name} ({(time.monotonic() - start) * 1_000:.0f} ms)")
    print(f"everything at {fixed.href} is as the specification says")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
