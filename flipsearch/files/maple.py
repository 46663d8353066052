"""Maple files of the Lille catalogue: ``TriadSet([Triad([Matrix(n, m, [[...]]), ...]), ...])``.

Only the triads are read. Coefficients are integers or fractions; files whose coefficients are
symbols, and placeholders without triads, are told apart from broken ones. The third matrix is
p x n or n x p; which orientation holds is found by verifying.

Invariant: the text is tokenized, never evaluated.
"""

from __future__ import annotations

import re
from typing import Any

from flipsearch.errors import FormatError
from flipsearch.files.braces import claim_of_triples, nested
from flipsearch.files.claims import Claim
from flipsearch.files.limits import LARGEST_RANK

_START = re.compile(r"TriadSet\s*\(\s*\[")
_TRIAD = re.compile(r"\s*,?\s*Triad\s*\(\s*\[")
_MATRIX = re.compile(r"\s*,?\s*Matrix\s*\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*")
_CLOSING = re.compile(r"\s*\)")
_END = re.compile(r"\s*\]\s*\)")
_LISTS = re.compile(r"\[\s*\[[^A-Za-z_()]*?\]\s*\]")
_SYMBOL = re.compile(r"\[\s*\[[^()]*?[A-Za-z_]")


def is_maple(text: str) -> bool:
    """Whether a text is a Maple worksheet of this kind (``:=`` or a triad set near its start)."""
    return re.search(r"^\s*\w+\s*:=|TriadSet\s*\(", text[:4000], re.MULTILINE) is not None


def claim_of(text: str) -> Claim:
    """Return what a Maple text claims.

    Raises
    ------
    FormatError
        There is no triad set, it is a placeholder, or its coefficients are symbols.
    """
    start = _START.search(text)
    if start is None:
        if re.search(r"Tensor\s*:=\s*Tensor", text):
            raise FormatError("it is a placeholder: the tensor is not given")
        raise FormatError("it has no TriadSet")
    position = start.end()
    triples: list[list[Any]] = []
    while (triad := _TRIAD.match(text, position)) is not None:
        position = triad.end()
        triple: list[Any] = []
        for _ in range(3):
            head = _MATRIX.match(text, position)
            if head is None:
                raise FormatError(f"triad {len(triples) + 1} is no triple of matrices")
            lists = _LISTS.match(text, head.end())
            if lists is None:
                if _SYMBOL.match(text, head.end()):
                    raise FormatError(
                        f"triad {len(triples) + 1} has symbols as coefficients; only integers "
                        "and fractions can be verified"
                    )
                raise FormatError(f"a matrix of triad {len(triples) + 1} is no list of rows")
            matrix = nested(lists[0], 2)
            if (len(matrix), len(matrix[0])) != (int(head[1]), int(head[2])):
                raise FormatError(
                    f"a matrix of triad {len(triples) + 1} is not {head[1]}x{head[2]} as it says"
                )
            triple.append(matrix)
            closing = _CLOSING.match(text, lists.end())
            if closing is None:
                raise FormatError(f"a matrix of triad {len(triples) + 1} does not close")
            position = closing.end()
        end = _END.match(text, position)
        if end is None:
            raise FormatError(f"triad {len(triples) + 1} does not close")
        position = end.end()
        triples.append(triple)
        if len(triples) > LARGEST_RANK:
            raise FormatError("it lists absurdly many triads")
    if _END.match(text, position) is None:
        raise FormatError(f"the triad set does not close after triad {len(triples)}")
    return claim_of_triples(triples)
