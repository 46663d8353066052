"""Nested lists: the ``.m`` files of the flip graph papers, ``{{U}, {V}, {W}}`` a product.

Each factor is a matrix in braces; U is n x m, V is m x p, W is p x n (C transposed) or n x p. The
sizes of the matrices give the format. Entries are integers or fractions ``p/q``.

Invariant: the text is tokenized, never evaluated; nesting other than four levels is refused
before anything is built.
"""

from __future__ import annotations

import re
from typing import Any

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, TRANSPOSED, Claim, terms_of
from flipsearch.files.limits import LARGEST_RANK, check_sides
from flipsearch.formats import LARGEST_SIDE, MatrixProduct

_TOKEN = re.compile(r"\s*(?:[{\[]([-\d\s,/]*)[}\]]|([{}\[\],]))\s*", re.ASCII)
_NUMBER = re.compile(r"\s*(-?)\s*(\d{1,19})(?:\s*/\s*(\d{1,19}))?\s*", re.ASCII)
_DEPTH = 4
_LARGEST_ROWS = 3 * LARGEST_SIDE * LARGEST_RANK
Matrix = list[list[Any]]


def claim_of(text: str) -> Claim:
    """Return what a text of nested braces claims.

    Raises
    ------
    FormatError
        It is not a list of triples of matrices.
    """
    return claim_of_triples(nested(text, _DEPTH))


def nested(text: str, depth: int) -> list[Any]:
    """Return nested lists of numbers, `depth` levels at most.

    Raises
    ------
    FormatError
        Braces do not match, nest deeper, or hold anything but numbers.
    """
    stack: list[list[Any]] = [[]]
    position, length = 0, len(text.rstrip().rstrip(";"))
    after_value = False
    rows = 0
    while position < length:
        match = _TOKEN.match(text, position)
        if match is None:
            shown = text[position : position + 12].strip()
            raise FormatError(f"unexpected {shown!r} in the lists")
        position = match.end()
        row, sign = match.groups()
        if row is not None:
            if after_value or len(stack) >= depth + 1:
                raise FormatError("the lists nest too deeply, or a comma is missing")
            rows += 1
            if rows > _LARGEST_ROWS:
                raise FormatError("it holds absurdly many rows")
            stack[-1].append(_row(row))
            after_value = True
        elif sign in "{[":
            if after_value or len(stack) >= depth:
                shown = text[match.start() : position + 12].strip()
                raise FormatError(f"at {shown!r} the lists nest too deeply, or hold no numbers")
            stack.append([])
        elif sign == ",":
            if not after_value:
                raise FormatError("a comma stands where none belongs")
            after_value = False
        else:
            if len(stack) == 1:
                raise FormatError("a closing brace has no opening one")
            done = stack.pop()
            stack[-1].append(done)
            after_value = True
    if len(stack) != 1 or len(stack[0]) != 1:
        raise FormatError("the braces do not close")
    result: list[Any] = stack[0][0]
    return result


def _row(text: str) -> list[Any]:
    """Return the numbers of an innermost list."""
    if text.count(",") >= LARGEST_SIDE:
        raise FormatError(f"a row has more than {LARGEST_SIDE} entries")
    row: list[Any] = []
    for part in text.split(","):
        match = _NUMBER.fullmatch(part)
        if match is None:
            raise FormatError(f"{part.strip()[:20]!r} is no integer and no fraction")
        if match[3] is None:
            row.append(int(match[1] + match[2]))
        else:
            row.append(numbers.fraction(f"{match[1]}{match[2]}/{match[3]}"))
    return row


def claim_of_triples(triples: list[Any], sides: tuple[int, int, int] | None = None) -> Claim:
    """Return what a list of triples of matrices claims.

    Parameters
    ----------
    triples : list
        A product each: three matrices as lists of rows.
    sides : three integers, optional
        (n, m, p) where the file says so elsewhere; found from the matrices otherwise.

    Raises
    ------
    FormatError
        Their shapes are not those of a matrix product.
    """
    if not triples:
        raise FormatError("it has no products")
    u, v, w = (_shape(_factor(triples[0], slot)) for slot in range(3))
    found = (u[0], u[1], v[1])
    if v[0] != u[1] or (sides is not None and sides != found):
        raise FormatError(f"matrices of {u[0]}x{u[1]} and {v[0]}x{v[1]} do not multiply")
    n, m, p = check_sides(found)
    if w not in ((p, n), (n, p)):
        raise FormatError(f"the third matrix is {w[0]}x{w[1]}, which is no output of {n}x{m}x{p}")
    form = MatrixProduct(n, m, p)
    shapes = (u, v, w)
    rows: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for triple in triples:
        for slot in range(3):
            matrix = _factor(triple, slot)
            if _shape(matrix) != shapes[slot]:
                raise FormatError("its matrices differ in shape from product to product")
            rows[slot].append([entry for row in matrix for entry in row])
    factors = (numbers.matrix(rows[slot], form.dimensions[slot], "UVW"[slot]) for slot in range(3))
    return terms_of(form, *factors, order=TRANSPOSED if w == (p, n) else PLAIN)


def _factor(triple: Any, slot: int) -> Matrix:
    if not isinstance(triple, list) or len(triple) != 3:
        raise FormatError("a product is no triple of matrices")
    matrix = triple[slot]
    if not isinstance(matrix, list) or not matrix or not all(isinstance(r, list) for r in matrix):
        raise FormatError("a factor is no matrix in braces")
    return matrix


def _shape(matrix: Matrix) -> tuple[int, int]:
    columns = len(matrix[0])
    if any(len(row) != columns for row in matrix):
        raise FormatError("a matrix has rows of several lengths")
    return len(matrix), columns
