"""Report the compilations of numba to watchers.

The first use of a walk, a proof or a kernel compiles it for up to a minute, and the program would
seem to hang. `flipsearch.algebra.jit` reports every compilation here, after numba has searched for
the code on disk and before it compiles.

Invariant: a watcher gets a text when compiling begins and None when it has ended, alternately. A
function that is loaded from disk is not reported.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger("flipsearch.compile")

LONG = 2.0
"""Shortest duration of a compilation, in seconds, that is logged."""


class Compilations:
    """The compilations in this process; each of `watchers` is called at begin and end."""

    def __init__(self) -> None:
        self.watchers: list[Callable[[str | None], None]] = []
        self._functions = self._depth = 0
        self._name: str | None = None
        self._told = False

    def begin(self) -> None:
        """Count a compilation that begins, perhaps within another one."""
        self._functions += 1
        self._depth += 1
        self._tell(self._name or "numba code (once)")

    def end(self) -> None:
        """Count a compilation that ended or failed."""
        self._depth -= 1
        if not (self._depth or self._name):
            self._tell(None)

    @contextmanager
    def named(self, name: str, about: float) -> Iterator[None]:
        """Report all compilations in a block under one name, such as ``the walk over F2``.

        `about` is their estimated duration in seconds.
        """
        before, started, outer = self._functions, time.perf_counter(), self._name
        self._name = f"{name} (once, about {about:.0f} s)"
        try:
            yield
        finally:
            self._name = outer
            if outer is None:
                self._tell(None)
        seconds = time.perf_counter() - started
        if self._functions > before and seconds > LONG:
            logger.info("compiled %s in %.0f s; kept for next time", name, seconds)

    def _tell(self, text: str | None) -> None:
        if self._told != (text is not None):
            self._told = text is not None
            for watcher in self.watchers:
                watcher(text)


compilations = Compilations()
