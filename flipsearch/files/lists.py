"""Read nested lists of numbers: ``.m`` files of the flip graph papers, and Maple's ``TriadSet``.

A product is a triple of matrices: ``{{U}, {V}, {W}}``, or ``Triad([Matrix(n, m, [[...]]), ...])``
in the Lille catalogue. U is n x m, V is m x p, W is p x n (C transposed) or n x p; the sizes of
the matrices give the format. A list of three matrices holds U, V and W by rows or by columns.
Entries are integers, fractions or arithmetic with them.

Invariant: the text becomes JSON by replacing brackets, calls and entries, and is never evaluated.
Nesting of other than three or four levels is refused before anything is built.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, TRANSPOSED, Claim, terms_of
from flipsearch.files.fmm import check_json
from flipsearch.files.limits import check_sides, check_time
from flipsearch.files.matrices import Said, claims_of
from flipsearch.files.terms import Number, constant
from flipsearch.formats import MatrixProduct

_START = re.compile(r"TriadSet\s*\(\s*")
_MAPLE_FILE = re.compile(r"\b(?:TriadSet|Triad|Matrix)\s*\(|\bTensor\s*:=")
_CALL = re.compile(r"\b(?:Triad|Matrix)\s*+\(\s*+(?:(\d{1,4})\s*,\s*(\d{1,4})\s*,)?")
_CLOSED = re.compile(r"\]\s*+\)(?:\s*\))*+")
_NEXT = re.compile(r"\](?=\s*+\[)")
_TOO_DEEP = re.compile(r"(?:\[\s*+){5}")
_ENTRY = re.compile(r"([\[,])\s*+(?!-?(?:0|[1-9]\d{0,17})\s*+[,\]])([^\s\[\],][^\[\],]*)")
_BRACKETS = str.maketrans("{}", "[]", '"')


def is_maple(text: str) -> bool:
    """Return whether a text is such a Maple worksheet (a matrix or a triad near its start)."""
    return _MAPLE_FILE.search(text[:4000]) is not None


def claims_in(text: str, known: Said) -> Iterator[Claim]:
    """Yield the claims of nested lists: triples of matrices, or three matrices."""
    lists, rest = _nested(text.translate(_BRACKETS).lstrip())
    if rest.strip(" \t\r\n;"):
        raise FormatError("something follows the lists: a brace has no opening one")
    triples = all(isinstance(triple, list) and len(triple) == 3 for triple in lists)
    if len(lists) == 3 and not (triples and _depth(lists) == 4):
        tables = [numbers.exact(x, name) for x, name in zip(lists, "UVW", strict=True)]
        yield from claims_of(tables, known)
    else:
        yield _claim_of_triples(lists)


def claims_in_maple(text: str, _: Said) -> Iterator[Claim]:
    """Yield the claim of a Maple text; a placeholder and symbols as coefficients are refused."""
    start = _START.search(text)
    if start is None:
        if re.search(r"Tensor\s*:=\s*Tensor", text):
            raise FormatError("it is a placeholder: the tensor is not given")
        raise FormatError("it has no TriadSet")
    text = text[start.end() :]
    sizes = [match for match in _CALL.findall(text) if match[0]]
    text = _NEXT.sub("],", _CLOSED.sub("]", _CALL.sub("", text)))  # a comma is missing in some
    lists, _rest = _nested(text)
    claim = _claim_of_triples(lists)
    shapes = (_shape(matrix) for triple in lists for matrix in triple)
    for number, (said, shape) in enumerate(zip(sizes, shapes, strict=False)):
        if tuple(map(int, said)) != shape:
            raise FormatError(
                f"a matrix of triad {number // 3 + 1} is not {'x'.join(said)} as it says"
            )
    yield claim


def _nested(text: str) -> tuple[list[Any], str]:
    """Return the nested lists of numbers with which a text begins, and the rest of the text."""
    check_json(text)
    if _TOO_DEEP.search(text):
        raise FormatError("the lists nest too deeply")
    try:
        try:
            value, end = json.JSONDecoder().raw_decode(text)
        except ValueError:  # entries that are no plain integers become strings
            text = _ENTRY.sub(lambda match: match[1] + json.dumps(match[2].strip()), text)
            value, end = json.JSONDecoder().raw_decode(text)
            value = _valued(value)
    except json.JSONDecodeError as error:
        shown = text[error.pos : error.pos + 20].strip()
        reason = f"at {shown!r} they hold no numbers, or a comma is missing"
        raise FormatError(
            f"the lists are broken: {reason if shown else 'they do not close'}"
        ) from None
    if not isinstance(value, list) or _depth(value) not in (3, 4):
        raise FormatError("the lists nest too little to be matrices")
    return value, text[end:]


def _valued(value: Any) -> Any:
    """Return lists with the values of arithmetic in the place of its text."""
    if isinstance(value, list):
        return [_valued(item) for item in value]
    if not isinstance(value, str):
        return value
    check_time()
    try:
        return constant(value)
    except FormatError as error:
        raise FormatError(f"at {value[:20]!r} the lists hold no numbers: {error}") from None


def _depth(value: Any) -> int:
    depth = 0
    while isinstance(value, list):
        value = value[0] if value else None
        depth += 1
    return depth


def _claim_of_triples(triples: list[Any]) -> Claim:
    """Return the claim of a list of triples of matrices."""
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
