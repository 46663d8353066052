"""Products written out: ``.exp`` files, and the ``m1 = (...)(...)`` listings of flip-cpd.

``(a11+a12)*(b21)*(c11)``, one product a line; ``c11`` names the third factor in the transposed
orientation usually, verification decides. The sizes are the largest indices that occur. The
listing gives the first two factors and then ``c1 = m1 - m4``, parameters numbered from 1; its
format is not written in it, so every format whose dimensions fit is tried.

Invariant: parsed by the tokenizer of `flipsearch.files.terms`, never evaluated.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, TRANSPOSED, Claim, terms_of
from flipsearch.files.limits import LARGEST_RANK, check_rank, check_sides
from flipsearch.files.shapes import formats_with
from flipsearch.files.terms import Combination, Reader
from flipsearch.formats import MatrixProduct

_ENTRY = re.compile(r"([abc])(?:(\d)(\d)|_?(\d{1,2})_(\d{1,2}))", re.IGNORECASE)
_LISTING = re.compile(r"\s*m1\s*=")
_PLAIN_NAME = re.compile(r"([abcm])(\d{1,5})")


def is_products(text: str) -> bool:
    """Whether a text starts with a written-out product or a listing."""
    line = next((line for line in text[:4000].splitlines() if line.strip()), "")
    return bool(_LISTING.match(line)) or bool(
        re.match(r"\s*[-+(\d]*\s*\*?\s*\(?\s*[-+]?\s*[\d/*\s]*a_?\d", line, re.IGNORECASE)
    )


def claims_in(text: str) -> Iterator[Claim]:
    """Yield the alternative claims of a written-out scheme.

    Raises
    ------
    FormatError
        A line is no product.
    """
    if _LISTING.match(text):
        yield from _listing(text)
        return
    yield _expanded(text)


def _expanded(text: str) -> Claim:
    """Return the claim of an ``.exp`` text."""
    terms: list[list[Combination]] = []
    sides = [1, 1, 1, 1, 1]
    lines = [(k, line) for k, line in enumerate(text.splitlines(), 1) if line.strip()]
    if len(lines) > LARGEST_RANK:
        raise FormatError(f"{len(lines)} lines are absurdly many products")
    for number, line in lines:
        if line.lstrip().startswith("#"):
            continue
        try:
            terms.append(_product(line.rstrip().rstrip(",;"), sides))
        except FormatError as error:
            raise FormatError(f"line {number}: {error}") from None
    n, m, p = check_sides(tuple(sides[:3]))
    form = MatrixProduct(n, m, p)
    check_rank(form, len(terms))
    rows, entries = sides[3:]
    transposed = rows <= p and entries <= n
    if not transposed and not (rows <= n and entries <= p):
        raise FormatError(f"c has {rows} rows and {entries} columns, which is no output of {form}")
    columns = (m, p, n if transposed else p)
    factors = []
    for slot, dimension in enumerate(form.dimensions):
        width = columns[slot]
        dense = [
            _dense({key // 100 * width + key % 100: x for key, x in term[slot].items()}, dimension)
            for term in terms
        ]
        factors.append(numbers.matrix(dense, dimension, "UVW"[slot]))
    return terms_of(form, *factors, order=TRANSPOSED if transposed else PLAIN)


def _product(line: str, sides: list[int]) -> list[Combination]:
    """Return the three factors of one line, coordinates 100 row + column, and widen `sides`."""
    reader = Reader(line)
    factors: list[Combination] = []
    scale = 1 if reader.kind != "number" else None
    if scale is None:
        factor = reader.number()
        reader.accept("*")
        if reader.kind == "name":
            raise FormatError("a product starts with a number: write it inside the brackets")
    for slot, letter in enumerate("abc"):
        if slot:
            reader.accept("*")
        bracket = reader.accept("(")

        def index_of(name: str, letter: str = letter) -> int:
            match = _ENTRY.fullmatch(name)
            if match is None or match[1].lower() != letter:
                raise FormatError(f"{name[:20]!r} is no entry of {letter}")
            row, column = int(match[2] or match[4]), int(match[3] or match[5])
            if not (1 <= row <= 16 and 1 <= column <= 16):
                raise FormatError(f"{name[:20]!r} is out of range: sides are 1 to 16")
            _widen(sides, letter, row, column)
            return 100 * (row - 1) + column - 1

        if bracket:
            factors.append(reader.combination(index_of))
            reader.expect(")")
        else:
            factors.append(_bare(reader, index_of))
    if reader.kind != "end":
        raise FormatError(f"unexpected {reader.text!r} after the third factor")
    if scale is None:
        factors[2] = {key: x * factor for key, x in factors[2].items()}
    return factors


def _bare(reader: Reader, index_of: Callable[[str], int]) -> Combination:
    """Read a factor without brackets: one entry, with a sign or a coefficient perhaps."""
    sign = -1 if reader.accept("-") else 1
    coefficient = reader.number() if reader.kind == "number" else 1
    if coefficient != 1:
        reader.accept("*")
    if reader.kind != "name":
        raise FormatError(f"expected a factor but found {reader.text or 'the end'!r}")
    index = index_of(reader.take())
    return {index: sign * coefficient} if coefficient else {}


def _widen(sides: list[int], letter: str, row: int, column: int) -> None:
    """Raise the sizes n, m, p and those of the third matrix so that an entry fits."""
    if letter == "a":
        sides[0], sides[1] = max(sides[0], row), max(sides[1], column)
    elif letter == "b":
        sides[1], sides[2] = max(sides[1], row), max(sides[2], column)
    else:
        sides[3], sides[4] = max(sides[3], row), max(sides[4], column)


def _listing(text: str) -> Iterator[Claim]:
    """Yield the claims of a listing: each format whose dimensions fit."""
    products: list[tuple[Combination, Combination]] = []
    outputs: list[Combination] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        if len(products) > LARGEST_RANK:
            raise FormatError("it lists absurdly many products")
        try:
            reader = Reader(line)
            name = _PLAIN_NAME.fullmatch(reader.take())
            expected = len(outputs if name and name[1] == "c" else products) + 1
            if name is None or name[1] not in "mc" or int(name[2]) != expected:
                raise FormatError("expected the next product m.. or output c..")
            reader.expect("=")
            if name[1] == "m":
                if outputs:
                    raise FormatError("a product stands after an output")
                products.append((_bracketed(reader, "a"), _bracketed(reader, "b")))
            else:
                outputs.append(reader.combination(_numbered("m", len(products))))
            if reader.kind != "end":
                raise FormatError(f"unexpected {reader.text!r}")
        except FormatError as error:
            raise FormatError(f"line {number}: {error}") from None
    largest = [
        max((k for product in products for k in product[slot]), default=-1) + 1
        for slot in range(2)
    ]
    for form in formats_with(len(products), largest[0], largest[1], len(outputs)):
        du, dv, dw = form.dimensions
        u = [_dense(product[0], du) for product in products]
        v = [_dense(product[1], dv) for product in products]
        w = [
            _dense({c: row[r] for c, row in enumerate(outputs) if r in row}, dw)
            for r in range(len(products))
        ]
        yield terms_of(
            form,
            numbers.matrix(u, du, "U"),
            numbers.matrix(v, dv, "V"),
            numbers.matrix(w, dw, "W"),
            order=PLAIN,
        )


def _bracketed(reader: Reader, letter: str) -> Combination:
    reader.accept("*")
    reader.expect("(")
    result = reader.combination(_numbered(letter, 256))
    reader.expect(")")
    return result


def _numbered(letter: str, count: int) -> Callable[[str], int]:
    def index_of(name: str) -> int:
        match = _PLAIN_NAME.fullmatch(name)
        if match is None or match[1] != letter or not 1 <= int(match[2]) <= count:
            raise FormatError(f"{name[:20]!r} is none of {letter}1 to {letter}{count}")
        return int(match[2]) - 1

    return index_of


def _dense(combination: Combination, dimension: int) -> list[object]:
    row: list[object] = [0] * dimension
    for index, coefficient in combination.items():
        if index >= dimension:
            raise FormatError("an index of the third factor is larger than the sizes allow")
        row[index] = coefficient
    return row
