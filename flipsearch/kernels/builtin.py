"""Construct Strassen's scheme, which `matmul` uses when nothing is stored.

Its seven products stand here as integers and are proved like those of any other scheme.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from flipsearch.formats import Format, parse_format
from flipsearch.kernels.plan import algorithm_of
from flipsearch.kernels.runtime.algorithm import Algorithm
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

_STRASSEN = (
    # coefficients of (11, 12, 21, 22): of A, of B, of C
    ((1, 0, 0, 1), (1, 0, 0, 1), (1, 0, 0, 1)),
    ((0, 0, 1, 1), (1, 0, 0, 0), (0, 0, 1, -1)),
    ((1, 0, 0, 0), (0, 1, 0, -1), (0, 1, 0, 1)),
    ((0, 0, 0, 1), (-1, 0, 1, 0), (1, 0, 1, 0)),
    ((1, 1, 0, 0), (0, 0, 0, 1), (-1, 1, 0, 0)),
    ((-1, 0, 1, 0), (1, 1, 0, 0), (0, 0, 0, 1)),
    ((0, 1, 0, -1), (0, 0, 1, 1), (1, 0, 0, 0)),
)

_WINOGRAD = (
    ((1, 0, 0, 0), (1, 0, 0, 0), (1, 1, 1, 1)),
    ((0, 1, 0, 0), (0, 0, 1, 0), (1, 0, 0, 0)),
    ((0, 0, 0, 1), (1, -1, -1, 1), (0, 0, -1, 0)),
    ((1, 0, -1, 0), (0, -1, 0, 1), (0, 0, 1, 1)),
    ((0, 0, 1, 1), (-1, 1, 0, 0), (0, 1, 0, 1)),
    ((1, 1, -1, -1), (0, 0, 0, 1), (0, 1, 0, 0)),
    ((-1, 0, 1, 1), (1, -1, 0, 1), (0, 1, 1, 1)),
)


def _two_by_two(rows: tuple[tuple[tuple[int, ...], ...], ...]) -> Scheme:
    u, v, c = (np.array([row[slot] for row in rows], dtype=np.int64) for slot in range(3))
    return Scheme(parse_format("2x2x2"), Ring.ZT, u, v, c[:, [0, 2, 1, 3]])


@lru_cache(maxsize=1)
def strassen() -> Scheme:
    """Return Strassen's scheme (1969): 7 products, 18 additions."""
    return _two_by_two(_STRASSEN)


@lru_cache(maxsize=1)
def winograd() -> Scheme:
    """Return Winograd's form: 7 products, 15 additions once common sums are shared."""
    return _two_by_two(_WINOGRAD)


@lru_cache(maxsize=3)
def strassen_algorithm(ring: Ring = Ring.ZT) -> Algorithm:
    """Return the tables of Strassen's scheme over ZT, F2 or F3, proved once a process."""
    return algorithm_of(strassen().over(ring))


def builtin_scheme(format_: Format) -> Scheme | None:
    """Return the scheme that is known without a catalogue for that format, if any."""
    return strassen() if format_.name == "2x2x2" else None
