"""Set a deadline for a whole command, which every long loop of this package obeys.

The deadline is a context variable. Constructors and properties therefore obey it without an
argument. Compiled loops run in short pieces through `in_pieces`. Between two pieces Python acts on
Ctrl-C and checks the clock.

Invariant: no loop of this package runs on after a deadline for more than about half a second.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from flipsearch.errors import FlipsearchError

Result = TypeVar("Result")
PIECE = 0.1  # seconds that one piece of a compiled loop should take
MOST_STEPS = 1 << 24
"""A piece may end early for its own reasons; its time then says nothing about more steps."""
_until: ContextVar[float] = ContextVar("until", default=math.inf)


class OutOfTimeError(FlipsearchError):
    """The deadline passed before the exact answer was known."""


@contextmanager
def deadline(seconds: float) -> Iterator[None]:
    """Raise OutOfTimeError inside the block after `seconds`, or at an earlier deadline."""
    token = _until.set(min(_until.get(), time.monotonic() + seconds))
    try:
        yield
    finally:
        _until.reset(token)


def seconds_left() -> float:
    """Return the seconds until the deadline, infinite without one."""
    return _until.get() - time.monotonic()


def in_pieces(piece: Callable[[int], bool]) -> None:
    """Call ``piece(steps)`` until it returns False, with as many steps as `PIECE` seconds allow.

    Raises `OutOfTimeError` if the deadline passed.
    """
    steps = 64
    while True:
        begin = time.monotonic()
        if begin > _until.get():
            raise OutOfTimeError("the time was over before the answer was known")
        if not piece(steps):
            return
        seconds = time.monotonic() - begin
        steps = min(MOST_STEPS, max(1, int(steps * min(8.0, PIECE / max(seconds, 1e-6)))))


def waiting(work: Callable[[], Result]) -> Result:
    """Return ``work()``, computed in a thread: Ctrl-C is then heard while foreign code runs.

    The work has to release the interpreter's lock and to obey its own time limit.
    """
    done: list[Any] = []

    def run() -> None:
        try:
            done.append((work(), None))
        except BaseException as error:
            done.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(PIECE)
    result, error = done[0]
    if error is not None:
        raise error
    value: Result = result
    return value
