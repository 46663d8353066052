"""The constructions of ``docs/structured.md`` for structured products, as one constructor.

Invariant: the formulas are those of the page, and hold from the least side given here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import comb

from flipsearch.constructors.columns import column_scheme, row_scheme
from flipsearch.constructors.constructor import Constructor
from flipsearch.constructors.skew import skew_scheme
from flipsearch.constructors.symmetric import symmetric_scheme
from flipsearch.constructors.triples import triple_scheme
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme


@dataclass(frozen=True)
class _Formula:
    """A rank by the sides n and p, from the least n where it holds, and what makes the scheme."""

    rank: Callable[[int, int], int]
    build: Callable[[Format], Scheme]
    least: int = 2


def _pyramid(n: int) -> int:
    return n * (n + 1) * (2 * n + 1) // 6


_FORMULAS = {
    "ss": _Formula(lambda n, p: _pyramid(n), symmetric_scheme),
    "st": _Formula(lambda n, p: comb(n + 2, 3), symmetric_scheme),
    "kk": _Formula(lambda n, p: _pyramid(n) - n, skew_scheme, 4),
    "sk": _Formula(lambda n, p: _pyramid(n) - 2, skew_scheme),
    "sw": _Formula(lambda n, p: 2 * comb(n, 3) + 4 * comb(n, 2) + 2 * n - 1, triple_scheme),
    "ww": _Formula(lambda n, p: 2 * comb(n, 3) + 4 * comb(n, 2) + 2 * n, triple_scheme),
    "wt": _Formula(lambda n, p: comb(n, 3) + 3 * comb(n, 2) + n, triple_scheme),
    "kt": _Formula(lambda n, p: comb(n, 3) + 3 * comb(n, 2) - 4, triple_scheme, 3),
    "us": _Formula(lambda n, p: _pyramid(n), row_scheme),
    "uw": _Formula(lambda n, p: _pyramid(n), row_scheme),
    "uk": _Formula(lambda n, p: _pyramid(n) - n, row_scheme),
    "sg": _Formula(lambda n, p: p * comb(n + 1, 2), column_scheme),
    "wg": _Formula(lambda n, p: p * comb(n + 1, 2), column_scheme),
    "kg": _Formula(lambda n, p: p * (n + 2) * (n - 1) // 2, column_scheme),
}


def _rank(format_: Format, ring: Ring) -> int | None:
    if not isinstance(format_, MatrixProduct) or format_.corner or ring is not Ring.Q:
        return None
    formula = _FORMULAS.get(format_.operands)
    if formula is None or format_.n < formula.least:
        return None
    return formula.rank(format_.n, format_.p)


def _build(format_: Format, ring: Ring) -> Scheme:
    assert isinstance(format_, MatrixProduct)
    return _FORMULAS[format_.operands].build(format_).over(ring)


STRUCTURED = Constructor(f"products over Q of operands {' '.join(_FORMULAS)}", _rank, _build)
