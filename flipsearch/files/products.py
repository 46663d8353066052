"""Read products and equations written out: ``.exp`` files, listings, appendices of papers.

A file has ``(a11+a12)*(b21)*(c11)``, one product a line, or ``m1 = (a11+a12)*(b21)`` and later
``c11 = m1 - m4``, perhaps with sums under names of their own. Entries are ``a12``, ``a_1_2``,
``A[1,2]``, counted from 1 or from 0, or parameters ``a1``, ``a2``, ... A file with parameters does
not name its format, and every format whose dimensions fit is tried. The third factor of a product
names C transposed usually, an equation names C.

Invariant: the grammar of `flipsearch.files.terms` parses the text, and nothing evaluates it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from flipsearch.errors import FormatError
from flipsearch.files import numbers
from flipsearch.files.claims import PLAIN, TRANSPOSED, Claim, terms_of
from flipsearch.files.limits import LARGEST_RANK, check_rank, check_sides, lines_of
from flipsearch.files.matrices import Said
from flipsearch.files.shapes import formats_with
from flipsearch.files.terms import Combination, Form, Reader, factors_of, numbered, variable
from flipsearch.formats import LARGEST_SIDE, Format, MatrixProduct

_ENTRY = re.compile(
    r"([abc])_?(?:(\d)(\d)|(\d{1,2})_(\d{1,2})|[ ]?\[ *(\d{1,2}) *, *(\d{1,2}) *\])", re.IGNORECASE
)
_PARAMETER = re.compile(r"([abc])_?(\d{1,4})", re.IGNORECASE)
_EQUATION = re.compile(r"\s*[A-Za-z]\w*[\[\], \d]{0,20}:?=")
_PRODUCT = re.compile(r"[-+()\d/*.·⋅×\s]*a[ _\[]*\d", re.IGNORECASE)
_ONE_DIGIT = re.compile(r"(?<![A-Za-z0-9_])[ab]_?\d(?![\d_])")
Products = list[list[Combination]]


def is_products(text: str) -> bool:
    """Return whether a text starts with a written-out product or an equation."""
    lines = (line for line in text[:20_000].splitlines() if line.strip(" \t\r("))
    line = next((line for line in lines if not line.lstrip().startswith("#")), "")
    return bool(_PRODUCT.match(line) or _EQUATION.match(line))


def claims_in(text: str, _: Said) -> Iterator[Claim]:
    """Yield the alternative claims of a written-out scheme."""
    lines = enumerate(map(str.strip, lines_of(text)), 1)
    steps = [(n, line) for n, line in lines if line and not line.startswith("#")]
    if len(steps) > 4 * LARGEST_RANK:
        raise FormatError(f"{len(steps)} lines are absurdly many products")
    # where a parameter has one digit, a11 is the eleventh, not row 1 and column 1
    entry = _parameter if any(_ONE_DIGIT.search(line) for _, line in steps) else _entry
    if any("=" in line for _, line in steps):
        products, order = _equations(steps, entry), PLAIN
    else:
        products, order = [], TRANSPOSED
        for number, line in steps:
            with numbered(number):
                form = Reader(line.rstrip(" \t\r,;+"), entry).whole()
                products.append(factors_of(form, "abc"))
    if len(products) > LARGEST_RANK:
        raise FormatError(f"{len(products)} are absurdly many products")
    if all(len(place) == 1 for place in _places(products)):
        yield from _by_parameters(products)
    else:
        yield _by_entries(products, order)


@lru_cache(maxsize=1 << 12)
def _entry(name: str) -> Form:
    """Return the form of an entry, the variable (letter, place)."""
    match = _ENTRY.fullmatch(name)
    if match is not None:
        row, column = (int(part) for part in match.groups()[1:] if part is not None)
        if row > LARGEST_SIDE or column > LARGEST_SIDE:
            raise FormatError(f"{name[:20]!r} is out of range: sides are 1 to {LARGEST_SIDE}")
        return variable((match[1].lower(), (row, column)))
    return _parameter(name)


def _parameter(name: str) -> Form:
    """Return the form of a parameter, the variable (letter, place)."""
    match = _PARAMETER.fullmatch(name)
    if match is None:
        return _entry(name) if _ENTRY.fullmatch(name) else _unknown(name)
    if not 1 <= int(match[2]) <= LARGEST_SIDE**2:
        raise FormatError(f"{name!r} is none of {match[1]}1 to {match[1]}{LARGEST_SIDE**2}")
    return variable((match[1].lower(), (int(match[2]),)))


def _unknown(name: str) -> Form:
    raise FormatError(f"{name[:20]!r} is no entry of a, b or c")


def _equations(steps: list[tuple[int, str]], entry: Callable[[str], Form]) -> Products:
    """Return the products of a straight-line program, their third factors from its outputs."""
    values: dict[str, Form] = {}
    products: Products = []

    def value_of(name: str) -> Form:
        if name[:1] == "m" and name not in values:
            raise FormatError(f"{name[:20]!r} is none of m1 to m{len(products)}")
        return values[name] if name in values else entry(name)

    for number, step in ((n, part) for n, line in steps for part in line.split(";")):
        if not step.strip(" \t\r,:"):
            continue
        with numbered(number):
            name, sign, right = step.rstrip(" \t\r,:").partition("=")
            name = name.rstrip(" :").strip()
            if not sign or not name or name in values:
                raise FormatError("expected an equation that gives a name its value, once")
            form = Reader(right, value_of).whole()
            if len(form.factors) == 2:
                products.append([*factors_of(form, "ab"), {}])
                values[name] = variable(("m", len(products) - 1))
                continue
            total = form.linear()
            letters = {letter for letter, _ in total}
            if len(letters) > 1:
                raise FormatError("it adds entries of different matrices")
            values[name] = Form(1, (total,))
            if name[0] in "cC" and letters <= {"m"} and _is_entry(name):
                ((key, _),) = entry(name).factors[0].items()
                for (_, product), coefficient in total.items():
                    products[product][2][key[1]] = coefficient
    return products


def _is_entry(name: str) -> bool:
    return bool(_ENTRY.fullmatch(name) or _PARAMETER.fullmatch(name))


def _places(products: Products) -> Iterator[tuple[int, ...]]:
    return (place for product in products for factor in product for place in factor)


def _by_entries(products: Products, order: str) -> Claim:
    """Return the claim of products whose variables have a row and a column."""
    if any(len(place) == 1 for place in _places(products)):
        raise FormatError("some entries have one index and others two")
    first = 0 if any(0 in place for place in _places(products)) else 1
    largest = [[0, 0], [0, 0], [0, 0]]
    for slot, sizes in enumerate(largest):
        for product in products:
            for place in product[slot]:
                sizes[:] = map(max, sizes, place)
    (n, m), (other, p), (rows, columns) = ([1 - first + x for x in pair] for pair in largest)
    n, m, p = check_sides((n, max(m, other), p))
    form = MatrixProduct(n, m, p)
    check_rank(form, len(products))
    wanted = {TRANSPOSED: (p, n), PLAIN: (n, p)}
    fitting = [way for way, (r, c) in wanted.items() if rows <= r and columns <= c]
    if not fitting:
        raise FormatError(f"c has {rows} rows and {columns} columns, which is no output of {form}")
    order = order if order in fitting else fitting[0]
    widths = (m, p, wanted[order][1])
    return _claim(
        form,
        [
            [
                {(row - first) * width + column - first: x for (row, column), x in factor.items()}
                for factor, width in zip(product, widths, strict=True)
            ]
            for product in products
        ],
        order,
    )


def _by_parameters(products: Products) -> Iterator[Claim]:
    """Yield the claims of products over numbered parameters: each format whose dimensions fit."""
    top = [max((p for product in products for (p,) in product[k]), default=0) for k in range(3)]
    placed = [[{k - 1: x for (k,), x in f.items()} for f in product] for product in products]
    for form in formats_with(len(products), *top):
        yield _claim(form, placed, PLAIN, said=False)


def _claim(form: Format, products: Products, order: str, *, said: bool = True) -> Claim:
    factors = []
    for slot, (name, dimension) in enumerate(zip("UVW", form.dimensions, strict=True)):
        entries = [(r, k, x) for r, row in enumerate(products) for k, x in row[slot].items()]
        rows, columns, values = zip(*entries, strict=True) if entries else ((), (), ())
        shape = len(products), dimension
        factors.append(numbers.scattered(shape, rows, columns, values, name))
    return terms_of(form, factors, order=order, said=said)
