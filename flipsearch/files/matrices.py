"""Find the schemes that three matrices under any of the usual names mean, by rows or columns.

Arrays, JSON objects, sparse matrices and tables of numbers all come here. A factor of R products
over d entries is an R x d matrix or a d x R one. The lengths d give the format if the file does
not.

Invariant: a reading is offered if the shapes allow it, for any name of the file.
`flipsearch.files.claims.settle` proves which one holds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from flipsearch.errors import FormatError, UsageError
from flipsearch.files.claims import TRANSPOSED, Claim, terms_of
from flipsearch.files.limits import check_rank, check_sides
from flipsearch.files.numbers import Table
from flipsearch.files.shapes import formats_of
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.formats.sparse import parse_tensor
from flipsearch.rings import Ring, parse_ring

_NAMES = (
    *("u v w", "a b c", "alpha beta gamma", "l r p", "x y z"),
    *("0 1 2", "1 2 3", "arr0 arr1 arr2"),
)
_USUAL = re.compile(r"(?:^(?:factor|matrix|mat|f)s?|[^a-z0-9]|(?:factor|matrix|mat)s?$)")
_SIZES = ("format", "n", "sizes", "size", "dims", "dimensions", "shape")
Ways = tuple[tuple[int, int, int], ...]
ROWS, COLUMNS, LINEAR = (0, 0, 0), (1, 1, 1), (0, 0, 1)
"""Axis of the products in U, V and W; the last one is that of sparse L, R and P."""
EITHER = (ROWS, COLUMNS, LINEAR, (1, 1, 0))


@dataclass(frozen=True)
class Said:
    """The statements of a file about its scheme, apart from the factors."""

    format: Format | None = None
    rank: int | None = None
    ring: Ring | None = None
    meta: Mapping[str, str] = field(default_factory=dict)
    named: bool = False
    """Whether the factors stand under their names."""


def said_in(value: Mapping[str, Any]) -> Said:
    """Return the statements of an object's entries under any of their usual names."""
    rank = value.get("rank", value.get("r"))
    for letters in ("nmp", "mkn"):
        sides = [value.get(letter) for letter in letters]
        if all(_is_integer(side) for side in sides):
            form: Format | None = MatrixProduct(*check_sides(sides))
            break
    else:
        rank = value.get("m", rank)
        form = _format(value)
    if rank is not None and not _is_integer(rank):
        raise FormatError("the rank 'm' is no integer")
    ring = Ring.F2 if value.get("z2") is True else None
    for key in ("field", "ring"):
        if value.get(key) is not None:
            try:
                ring = parse_ring(str(value[key])[:20])
            except UsageError as error:
                if key == "ring":
                    raise FormatError(str(error)) from None
    return Said(form, rank, ring)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _format(value: Mapping[str, Any]) -> Format | None:
    """Return the format that an object names in one of its entries."""
    named = value.get("format")
    if isinstance(named, str) and named.startswith("tensor:"):
        tensor = parse_tensor(str(value.get("tensor", "")))
        if tensor.name != named:
            raise FormatError(f"'tensor' defines {tensor.name} instead of {named[:80]}")
        return tensor
    found: MatrixProduct | None = None
    for key in _SIZES:
        sizes = value.get(key)
        if key == "n" and _is_integer(sizes):
            sizes = [sizes] * 3
        if sizes is None or (key not in ("n", "format") and not _are_sizes(sizes)):
            continue
        try:
            text = sizes if isinstance(sizes, str) else "x".join(map(str, check_sides(sizes)))
            form = parse_format(text)
        except UsageError as error:
            raise FormatError(str(error)[:200]) from None
        if found is not None and form.sides != found.sides:
            raise FormatError(f"its sizes {key!r} are not those of {found}")
        found = found or form
    return found


def _are_sizes(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(map(_is_integer, value))


def triple_in(value: Mapping[str, Any]) -> list[Any] | None:
    """Return the three factors of a mapping, under any of the usual names; None without them."""
    plain = {_USUAL.sub("", str(key)[:40].lower()): item for key, item in value.items()}
    for names in _NAMES:
        found = [plain.get(name) for name in names.split()]
        if all(item is not None for item in found):
            return found
    return None


def claims_of(
    factors: Sequence[Table], said: Said, order: str = TRANSPOSED, ways: Ways = EITHER
) -> Iterator[Claim]:
    """Yield the readings of three matrices.

    `factors` are U, V and W, each R x d or d x R, or with a matrix for each product. `order` is
    the usual orientation of W. `ways` are the axes along which the products may lie in U, V and W.
    """
    if len(factors) != 3 or any(len(factor.shape) not in (2, 3) for factor in factors):
        raise FormatError("it does not hold three factor matrices")
    if any(0 in factor.shape for factor in factors):
        raise FormatError("a factor is empty")
    count = 0
    for way in ways:
        tables = [factor.along(axis) for factor, axis in zip(factors, way, strict=True)]
        ranks = {table.shape[0] for table in tables}
        lengths = [table.shape[1] for table in tables]
        if len(ranks) > 1 or (said.rank is not None and said.rank not in ranks):
            continue
        for form in formats_of(lengths, said.format):
            check_rank(form, *ranks)
            yield terms_of(
                form,
                tables,
                ring=said.ring,
                order=order,
                meta=said.meta,
                said=said.format is not None or said.named,
            )
            count += 1
    if not count:
        raise FormatError(_misfit(factors, said))


def _misfit(factors: Sequence[Table], said: Said) -> str:
    """Say why three matrices are no factors."""
    shapes = " and ".join("x".join(map(str, factor.shape)) for factor in factors)
    if said.format is None:
        text = f"matrices of {shapes} are the factors of no matrix product, by rows or by columns"
        return text + ": name the format with --format if it is another one"
    u, v, w = said.format.dimensions
    rank = "R" if said.rank is None else said.rank
    return (
        f"matrices of {shapes} are no factors of {said.format}, which has {rank} rows of {u}, {v} "
        f"and {w} entries"
    )
