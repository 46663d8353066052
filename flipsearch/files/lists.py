"""Nested lists of numbers: the ``.m`` files of the flip graph papers, and Maple's ``TriadSet``.

A product is a triple of matrices: ``{{U}, {V}, {W}}``, or ``Triad([Matrix(n, m, [[...]]), ...])``
in the Lille catalogue. U is n x m, V is m x p, W is p x n (C transposed) or n x p; the sizes of
the matrices give the format. A list of three matrices holds U, V and W by rows or by columns.
Entries are integers, fractions or arithmetic with them.

Invariant: the text is tokenized, never evaluated; nesting other than four levels is refused
before anything is built.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, TRANSPOSED, Claim, terms_of
from flipsearch.files.limits import LARGEST_RANK, check_sides, check_time
from flipsearch.files.matrices import Said, claims_of
from flipsearch.files.terms import Number, constant
from flipsearch.formats import LARGEST_SIDE, MatrixProduct

_TOKEN = re.compile(r"\s*(?:[{\[]([^{}\[\]]*)[}\]]|([{}\[\],]))\s*", re.ASCII)
_MAPLE = re.compile(r"\s*(?:(Triad|Matrix)\s*\(\s*(?:(\d+)\s*,\s*(\d+)\s*,)?|(\)))\s*", re.ASCII)
_START = re.compile(r"TriadSet\s*\(\s*")
_MAPLE_FILE = re.compile(r"\b(?:TriadSet|Triad|Matrix)\s*\(|\bTensor\s*:=")
_MATRICES = re.compile(r"\s*(?:[{\[]\s*){3}[^{}\[\]]*[}\]]\s*,\s*[{\[][^{}\[\]]")
_DEPTH = 4
_LARGEST_ROWS = 3 * LARGEST_SIDE * LARGEST_RANK


def is_maple(text: str) -> bool:
    """Whether a text is a Maple worksheet of this kind (a matrix or a triad near its start)."""
    return _MAPLE_FILE.search(text[:4000]) is not None


def claims_in(text: str, known: Said) -> Iterator[Claim]:
    """Yield what nested lists claim: triples of matrices, or three matrices."""
    text = text.replace('"', "")  # fractions in JSON
    deep = _MATRICES.match(text) is None
    lists = _nested(text if deep else f"[{text.strip()}]", 0, maple=False)
    matrices = lists if deep else lists[0]
    if len(matrices) == 3 and not (deep and all(len(triple) == 3 for triple in lists)):
        tables = [numbers.exact(x, name) for x, name in zip(matrices, "UVW", strict=True)]
        yield from claims_of(tables, known)
    else:
        yield _claim_of_triples(lists)


def claims_in_maple(text: str, _: Said) -> Iterator[Claim]:
    """Yield what a Maple text claims; a placeholder and symbols as coefficients are refused."""
    start = _START.search(text)
    if start is None:
        if re.search(r"Tensor\s*:=\s*Tensor", text):
            raise FormatError("it is a placeholder: the tensor is not given")
        raise FormatError("it has no TriadSet")
    yield _claim_of_triples(_nested(text, start.end(), maple=True))


def _nested(text: str, position: int, *, maple: bool) -> list[Any]:
    """Return nested lists of numbers, four levels deep, the list that starts at a position."""
    stack: list[list[Any]] = []
    calls: list[tuple[str | None, str | None, int]] = []
    after_value = False
    rows = 0
    while True:
        if maple and (call := _MAPLE.match(text, position)):
            position = call.end()
            if call[1]:
                calls.append((call[2], call[3], len(stack)))
                after_value = False  # a comma is missing between calls in some files
            elif not calls or not after_value:
                raise FormatError(f"{_where(stack)} does not close")
            else:
                n, m, depth = calls.pop()
                if depth != len(stack):
                    raise FormatError(f"{_where(stack)} does not close")
                if n and m:
                    _check_shape(stack, int(n[:4]), int(m[:4]))
            continue
        match = _TOKEN.match(text, position)
        if match is None:
            shown = text[position : position + 12].strip()
            if maple:
                raise FormatError(f"{_where(stack)} is no triple of matrices")
            ended = not shown and "the braces do not close"
            raise FormatError(ended or f"unexpected {shown!r} in the lists: they hold no numbers")
        position = match.end()
        row, sign = match.groups()
        if row is not None:
            if after_value or len(stack) != _DEPTH - 1:
                shown = text[match.start() : match.start() + 20].strip()
                raise FormatError(
                    f"at {shown!r} the lists nest too deeply or too little, or a comma is missing"
                )
            rows += 1
            check_time()
            if rows > _LARGEST_ROWS:
                raise FormatError("it holds absurdly many rows")
            try:
                stack[-1].append(_row(row))
            except FormatError as error:
                shown = text[match.start() : match.start() + 20].strip()
                raise FormatError(
                    f"{_where(stack)}: at {shown!r} the lists hold no numbers: {error}"
                ) from None
            after_value = True
        elif sign in "{[":
            if after_value or len(stack) >= _DEPTH - 1:
                shown = text[match.start() : position + 12].strip()
                what = f"{_where(stack)} is no triple of matrices: " if maple else ""
                raise FormatError(
                    f"{what}at {shown!r} the lists nest too deeply, or hold no numbers"
                )
            stack.append([])
            if len(stack) == 2 and len(stack[0]) > LARGEST_RANK:
                raise FormatError("it lists absurdly many triads")
        elif sign == ",":
            if not after_value:
                raise FormatError("a comma stands where none belongs")
            after_value = False
        else:
            if not stack:
                raise FormatError("a closing brace has no opening one")
            done = stack.pop()
            after_value = True
            if not stack:
                if not maple and text[position:].strip(" \t\r\n;"):
                    raise FormatError("something follows the lists: a brace has no opening one")
                return done
            stack[-1].append(done)


def _where(stack: list[list[Any]]) -> str:
    """Return which product is being read."""
    return f"triad {len(stack[0]) + 1}" if stack else "the list"


def _check_shape(stack: list[list[Any]], rows: int, columns: int) -> None:
    matrix = stack[-1][-1]
    if len(matrix) != rows or any(not isinstance(r, list) or len(r) != columns for r in matrix):
        raise FormatError(f"a matrix of {_where(stack)} is not {rows}x{columns} as it says")


def _row(text: str) -> list[Number]:
    """Return the numbers of an innermost list."""
    if text.count(",") >= LARGEST_RANK:
        raise FormatError(f"a row has more than {LARGEST_RANK} entries")
    return list(map(constant, text.split(",")))


def _claim_of_triples(triples: list[Any]) -> Claim:
    """Return what a list of triples of matrices claims."""
    if not triples:
        raise FormatError("it has no products")
    shapes = [{_shape(_factor(triple, slot)) for triple in triples} for slot in range(3)]
    if any(len(found) > 1 for found in shapes):
        raise FormatError("its matrices differ in shape from product to product")
    (u,), (v,), (w,) = shapes
    if v[0] != u[1]:
        raise FormatError(f"matrices of {u[0]}x{u[1]} and {v[0]}x{v[1]} do not multiply")
    n, m, p = check_sides((u[0], u[1], v[1]))
    if w not in ((p, n), (n, p)):
        raise FormatError(f"the third matrix is {w[0]}x{w[1]}, which is no output of {n}x{m}x{p}")
    factors = (
        numbers.exact([triple[slot] for triple in triples], name)
        for slot, name in enumerate("UVW")
    )
    order = TRANSPOSED if w == (p, n) else PLAIN
    return terms_of(MatrixProduct(n, m, p), factors, order=order)


def _factor(triple: Any, slot: int) -> list[list[Number]]:
    if not isinstance(triple, list) or len(triple) != 3:
        raise FormatError("a product is no triple of matrices")
    matrix = triple[slot]
    if not isinstance(matrix, list) or not matrix or not all(isinstance(r, list) for r in matrix):
        raise FormatError("a factor is no matrix in braces")
    return matrix


def _shape(matrix: list[list[Number]]) -> tuple[int, int]:
    columns = len(matrix[0])
    if any(len(row) != columns for row in matrix):
        raise FormatError("a matrix has rows of several lengths")
    return len(matrix), columns
