"""Cut a long stream of schemes into portions, each stored in one durable commit.

A scheme of 16x16x16 has 20 MiB of factors. A killed import loses the portion that it was
collecting.

Invariant: a portion ends with its 1,000th scheme, with the scheme that brings its factors to
32 MiB, or with the first scheme that arrives 5 seconds after its beginning.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from flipsearch.scheme import Scheme

MOST_SCHEMES = 1000
MOST_BYTES = 32 << 20
MOST_SECONDS = 5.0

_T = TypeVar("_T")


def bytes_of(scheme: Scheme | None) -> int:
    """Return the number of bytes of a scheme's factors in memory; 0 for None."""
    return 0 if scheme is None else sum(matrix.nbytes for matrix in scheme.factors)


def portions(
    items: Iterable[_T], weigh: Callable[[_T], int], *, most: int = MOST_SCHEMES
) -> Iterator[list[_T]]:
    """Yield the items in lists of at most `most`, in order.

    The items are read one at a time; `weigh` returns the bytes of one.
    """
    portion: list[_T] = []
    size, start = 0, time.monotonic()
    for item in items:
        portion.append(item)
        size += weigh(item)
        late = time.monotonic() - start > MOST_SECONDS
        if late or size >= MOST_BYTES or len(portion) >= most:
            yield portion
            portion, size, start = [], 0, time.monotonic()
    if portion:
        yield portion
