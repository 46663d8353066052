"""Plain numbers: the text files of ternary_flip_graph.

``n m p rank``, then the entries of U, of V and of W, row after row (usually a line each), W
holding C transposed. Files of several schemes, a count first, are cut by
`flipsearch.files.stream`. In the fractional variant every entry is a pair, numerator and
denominator. Only the number of integers tells the variants apart, so it has to fit exactly.

Invariant: integers only, at most 18 digits each; the parse is linear in the length.
"""

from __future__ import annotations

import re

import numpy as np

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import Claim, terms_of
from flipsearch.files.limits import check_rank, check_sides
from flipsearch.formats import MatrixProduct

_WELL_FORMED = re.compile(r"[\s\d-]*", re.ASCII)
_ILL_FORMED = re.compile(r"\d{19}|-(?!\d)|[\d-]-", re.ASCII)


def is_numeric(text: str) -> bool:
    """Whether a text starts with four integers."""
    return re.match(r"\s*\d{1,18}\s+\d{1,18}\s+\d{1,18}\s+\d{1,18}\s", text[:200]) is not None


def claim_of(text: str) -> Claim:
    """Return what a numeric text claims: ``n m p rank``, then exactly as many numbers as fit.

    Raises
    ------
    FormatError
        Something is no integer, or the number of integers fits no variant.
    """
    if _WELL_FORMED.fullmatch(text) is None or _ILL_FORMED.search(text):
        raise FormatError("it holds something that is no integer of at most 18 digits")
    values = np.fromstring(text, dtype=np.int64, sep=" ")
    header, body = values[:4].tolist(), values[4:]
    if len(header) < 4:
        raise FormatError("it ends within the header n m p rank")
    form = MatrixProduct(*check_sides(header[:3]))
    rank = header[3]
    check_rank(form, rank)
    sizes = [rank * d for d in form.dimensions]
    total = sum(sizes)
    if len(body) < total:
        raise FormatError(f"{form} at rank {rank} needs {total} coefficients; {len(body)} follow")
    if len(body) not in (total, 2 * total):
        raise FormatError(f"{len(body) - total} integers are left over after the scheme")
    below = np.ones(total, dtype=np.int64)
    if len(body) == 2 * total:
        body, below = body[::2], body[1::2]
    factors, at = [], 0
    for size, dimension in zip(sizes, form.dimensions, strict=True):
        part = slice(at, at + size)
        factors.append(
            numbers.pairs(body[part].reshape(rank, dimension), below[part].reshape(rank, -1))
        )
        at += size
    return terms_of(form, *factors)
