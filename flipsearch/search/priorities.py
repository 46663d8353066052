"""Priorities of formats in a search of many, from a file that is read again when it changes.

Invariant: a file that cannot be read, or names a format that the search lacks, changes nothing and
is reported in one line.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from flipsearch.errors import FlipsearchError, FormatError, UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.search.strategies.meta import MetaStrategy
from flipsearch.search.strategy import Strategy

if TYPE_CHECKING:
    from flipsearch.search.study import Study


def read_priorities(path: str | os.PathLike[str]) -> dict[str, float]:
    """Return the factor of each format that a file names, by sorted name.

    A line is a format and a factor, such as ``3x4x6 5``; ``#`` begins a comment. Raises
    `FormatError`, which names the line, if a line is something else; `OSError` if the file cannot
    be read.
    """
    factors: dict[str, float] = {}
    for number, line in enumerate(Path(path).read_text("utf-8").splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        try:
            name, factor = words
            format_, value = parse_format(name), float(factor)
        except (FlipsearchError, ValueError):
            format_, value = None, -1.0
        if not (isinstance(format_, MatrixProduct) and format_.is_general and 0 <= value < 1e9):
            raise FormatError(f"{path}, line {number}: write a format and a factor: 3x4x6 5")
        factors[format_.sorted.name] = value
    return factors


class Priorities:
    """A callback of a study that applies a file of priorities, and again whenever it changes.

    `announce` is told in a line of text that the file was read, or why not.
    """

    def __init__(self, path: str | os.PathLike[str], announce: Callable[[str], None]) -> None:
        self.path, self.announce = Path(path), announce
        self._read: tuple[int, int] | None = None

    def apply(self, strategy: Strategy) -> None:
        """Give a strategy the priorities in the file.

        Raises `UsageError` if the strategy has no priorities, the file cannot be read, or a format
        is not searched; `FormatError` if a line is wrong.
        """
        if not isinstance(strategy, MetaStrategy):
            raise UsageError(
                f"--priority has no effect with --strategy {strategy.name}: leave it out, or take "
                "--within 2..8"
            )
        try:
            self._read = self._stamp()
            factors = read_priorities(self.path)
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--priority {self.path}: {error}") from None
        strategy.prioritise(factors)

    def __call__(self, study: Study) -> None:
        """Read the file again if it has changed."""
        try:
            if self._stamp() == self._read:
                return
            self.apply(study.strategy)
            self.announce(f"{self.path} was read again")
        except (FlipsearchError, OSError) as error:
            self.announce(f"the priorities stay as they are: {error}")

    def _stamp(self) -> tuple[int, int] | None:
        """Return what changes when the file does, or None while there is none."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size
