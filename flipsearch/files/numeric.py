"""Plain numbers: the text files of ternary_flip_graph, one scheme or several.

``n m p rank``, then the entries of U, of V and of W, row after row (usually a line each), W
holding C transposed. Several schemes: a count first. In the fractional variant every entry is a
pair, numerator and denominator. Only the number of integers tells the variants apart, so it has to
fit exactly.

Invariant: integers only, at most 18 digits each; the parse is linear in the length.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import Claim, terms_of
from flipsearch.files.limits import check_rank, check_sides
from flipsearch.formats import MatrixProduct
from flipsearch.rings import IntArray

_WELL_FORMED = re.compile(r"[\s\d-]*", re.ASCII)
_ILL_FORMED = re.compile(r"\d{19}|-(?!\d)|[\d-]-", re.ASCII)


def is_numeric(text: str) -> bool:
    """Whether a text starts with three integers or a count and three integers."""
    return re.match(r"\s*\d{1,18}\s+\d{1,18}\s+\d{1,18}\s+\d{1,18}\s", text[:200]) is not None


def claims_in(text: str) -> Iterator[tuple[str, Claim]]:
    """Yield (label, claim) of each scheme of a numeric text; the label of a lone one is empty.

    Raises
    ------
    FormatError
        Something is no integer, or the number of integers fits no variant.
    """
    if _WELL_FORMED.fullmatch(text) is None or _ILL_FORMED.search(text):
        raise FormatError("it holds something that is no integer of at most 18 digits")
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    several = len(text.strip().split("\n", 1)[0].split()) == 1
    if not several:
        claim, end = _one(values, 0, len(values))
        if end != len(values):
            raise FormatError(f"{len(values) - end} integers are left over after the scheme")
        yield "", claim
        return
    count, position = int(values[0]), 1
    for number in range(count):
        claim, position = _one(values, position, None)
        yield f"#{number + 1}", claim
    if position != len(values):
        raise FormatError(f"{len(values) - position} integers are left over after {count} schemes")


def _one(values: IntArray, start: int, end: int | None) -> tuple[Claim, int]:
    """Return the claim whose header stands at `start`, and where it ends."""
    header = values[start : start + 4].tolist()
    if len(header) < 4:
        raise FormatError("it ends within the header n m p rank")
    form = MatrixProduct(*check_sides(header[:3]))
    rank = header[3]
    check_rank(form, rank)
    sizes = [rank * d for d in form.dimensions]
    total = sum(sizes)
    left = len(values) - start - 4
    if end is not None:
        paired = left == 2 * total
    else:
        paired = _next_is_header(values, start + 4 + 2 * total) and not _next_is_header(
            values, start + 4 + total
        )
    needed = 2 * total if paired else total
    if left < needed:
        raise FormatError(f"{form} at rank {rank} needs {total} coefficients; {left} follow")
    body = values[start + 4 : start + 4 + needed]
    below = np.ones(total, dtype=np.int64)
    if paired:
        body, below = body[::2], body[1::2]
    factors, at = [], 0
    for size, dimension in zip(sizes, form.dimensions, strict=True):
        part = slice(at, at + size)
        factors.append(
            numbers.pairs(body[part].reshape(rank, dimension), below[part].reshape(rank, -1))
        )
        at += size
    return terms_of(form, *factors), start + 4 + needed


def _next_is_header(values: IntArray, position: int) -> bool:
    """Whether the values end here, or sizes and a rank stand here."""
    if position == len(values):
        return True
    here = values[position : position + 4].tolist()
    return len(here) == 4 and all(1 <= side <= 16 for side in here[:3]) and here[3] > 16
