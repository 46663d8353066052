"""Find the formats that fit a file that does not name its own, by their dimensions.

Invariant: the answer depends on numbers in the file only, never on its name. Small and square
formats come first, because they are likely.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import compress

from flipsearch.formats import LARGEST_SIDE, OPERANDS, TABULATED_SIDE, Format, MatrixProduct


@lru_cache(maxsize=1)
def all_formats() -> tuple[tuple[MatrixProduct, tuple[int, int, int]], ...]:
    """Return every format of sides 1 to 16 with its dimensions, likely ones first."""
    found = []
    for operands in OPERANDS:
        left, right = operands[0], operands[1]
        for n in range(1, TABULATED_SIDE + 1):
            for m in (n,) if left != "g" else range(1, TABULATED_SIDE + 1):
                if right == "t":
                    thirds: range | tuple[int, ...] = (n,)
                else:
                    thirds = (m,) if right != "g" else range(1, TABULATED_SIDE + 1)
                for p in thirds:
                    square = n == m == p
                    for corner in ("", "a", "b", "c") if square else ("",):
                        form = MatrixProduct(n, m, p, operands, corner)
                        found.append((form, form.dimensions))
    found.sort(key=lambda item: (len(set(item[0].sides)), item[0].corner, item[0].n * item[0].m))
    return tuple(found)


def formats_of(lengths: Sequence[int], said: Format | None = None) -> Iterator[Format]:
    """Yield the formats with factors of these lengths: the one said, else the general one first.

    Its sides n, m, p follow from the lengths nm, mp and np.
    """
    if said is not None:
        if said.dimensions == tuple(lengths):
            yield said
        return
    if min(lengths) < 1 or max(lengths) > LARGEST_SIDE**2:
        return
    a, b, c = lengths
    sides = math.isqrt(a * c // b), math.isqrt(a * b // c), math.isqrt(b * c // a)
    if max(sides) <= LARGEST_SIDE and min(sides) > 0:
        general = MatrixProduct(*sides)
        if general.dimensions == (a, b, c):
            yield general
    for form, dimensions in all_formats():
        if dimensions == (a, b, c) and not form.is_general:
            yield form


def formats_of_length(total: int) -> Iterator[tuple[MatrixProduct, int]]:
    """Yield (format, rank) for which R (dU + dV + dW) is `total` and the rank is possible.

    A rank below a dimension is impossible: the tensor is concise (up to two corners left out).
    """
    fitting = [total % width == 0 for width in _widths()]
    for (form, dimensions), width in compress(zip(all_formats(), _widths(), strict=True), fitting):
        if _least_rank(form, dimensions) <= total // width <= form.naive_rank:
            yield form, total // width


@lru_cache(maxsize=1)
def _widths() -> list[int]:
    """Return dU + dV + dW of every format, at least 1."""
    return [max(1, sum(dimensions)) for _, dimensions in all_formats()]


def formats_with(rank: int, u: int, v: int, outputs: int) -> Iterator[MatrixProduct]:
    """Yield the formats of dU >= u, dV >= v, dW = outputs in which that rank is possible."""
    for form, (du, dv, dw) in all_formats():
        fits = du >= u and dv >= v and dw == outputs
        if fits and _least_rank(form, (du, dv, dw)) <= rank <= form.naive_rank:
            yield form


def _least_rank(form: MatrixProduct, dimensions: tuple[int, int, int]) -> int:
    """Return a rank below which there is no scheme; kk:2x2x2 alone has two equal outputs."""
    return 1 if form.operands == "kk" and form.n == 2 else max(dimensions) - 2
