"""Bound the memory and the time that a foreign file may ask for, all in one place.

Invariant: these figures bound the memory and the time for one piece (a file, an archive member, an
element of a collection), for any content.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from flipsearch.errors import FormatError
from flipsearch.formats import LARGEST_SIDE, Format

LARGEST_PIECE = 32 << 20
"""Bytes of one scheme's file; the largest published one (16x16x16) has about 10 MB."""
PIECE_SECONDS = 120.0
"""Time that reading one piece may take; 32x32x32 at rank 16,807 takes 20 s."""
LARGEST_PIECES = 1_000_000
"""Pieces of one file or folder, with all archives in it."""
LARGEST_MEMBERS = 200_000
"""Members of one archive."""
LARGEST_COLLECTION = 100_000
"""Schemes of one collection."""
LARGEST_RATIO = 400
"""Unpacked bytes per packed byte of an archive, beyond the first `LARGEST_PIECE` bytes."""
LARGEST_NESTING = 3
"""Archives inside archives."""
LONGEST_LINE = 200_000
"""Characters of one written-out product; 16x16x16 with 19-digit coefficients needs 40,000."""
LARGEST_LINES = 1_000_000
"""Lines of one scheme's text; a sparse matrix of 16x16x16 at rank 2,400 has 600,000 entries."""
LARGEST_RANK = LARGEST_SIDE**3
"""Products of any scheme."""
LARGEST_ENTRIES = 1 << 26
"""Entries of the three factors of a scheme; 32x32x32 at rank 16,807 has 52 million."""
LARGEST_NUMBER_DIGITS = 19
"""Decimal digits of a coefficient: all of int64."""


_end: ContextVar[float] = ContextVar("end", default=float("inf"))


@contextmanager
def time_limit() -> Iterator[None]:
    """Let `check_time` fail in the block after `PIECE_SECONDS`."""
    before = _end.set(time.monotonic() + PIECE_SECONDS)
    try:
        yield
    finally:
        _end.reset(before)


def check_time() -> None:
    """Go on only within the time of the piece; every loop calls this that may take long."""
    if time.monotonic() > _end.get():
        raise FormatError(f"reading it takes more than {PIECE_SECONDS:.0f} s")


def lines_of(text: str) -> list[str]:
    """Return the lines of a text, whose ends are line feeds, carriage returns or both."""
    if text.count("\n") + text.count("\r") > LARGEST_LINES:
        raise FormatError(f"it has more than {LARGEST_LINES} lines")
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def check_rank(format_: Format, rank: int) -> None:
    """Refuse ranks that no search meets, before anything of that size is allocated.

    A walk that splits products stays far below twice the naive rank.
    """
    if rank < 1:
        raise FormatError("it has no products")
    if rank > min(2 * format_.naive_rank + 16, LARGEST_RANK):
        raise FormatError(
            f"rank {rank} is absurd for {format_}: the naive scheme has {format_.naive_rank}"
        )
    if rank * sum(format_.dimensions) > LARGEST_ENTRIES:
        raise FormatError(
            f"{format_} at rank {rank} has {rank * sum(format_.dimensions):,} coefficients: the "
            f"most is {LARGEST_ENTRIES:,}"
        )


def check_sides(sides: object) -> tuple[int, int, int]:
    """Return three sides, integers from 1 to 32."""
    if not isinstance(sides, list | tuple) or len(sides) != 3:
        raise FormatError("the sizes are not three integers n, m, p")
    for side in sides:
        if isinstance(side, bool) or not isinstance(side, int):
            raise FormatError("the sizes are not three integers n, m, p")
        if not 1 <= side <= LARGEST_SIDE:
            shown = side if abs(side) < 10**6 else "huge"
            raise FormatError(f"size {shown} is out of range: sides are 1 to {LARGEST_SIDE}")
    n, m, p = sides
    return n, m, p
