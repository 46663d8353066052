"""Turn foreign numbers into exact fractions: lists, text, floats, (numerator, denominator).

Invariant: the result is exact or there is a `FormatError`. A float stands for a fraction of
denominator up to 1,000 whose nearest float it is, or else for a multiple of 2^-20. Text stands for
``p`` or ``p/q`` of at most 19 digits each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError
from flipsearch.files.limits import LARGEST_ENTRIES, LARGEST_NUMBER_DIGITS
from flipsearch.normal import LARGEST_COEFFICIENT, narrow
from flipsearch.scheme import Scheme

_FRACTION = re.compile(
    rf"\s*([+-]?\d{{1,{LARGEST_NUMBER_DIGITS}}})\s*(?:/\s*(\d{{1,{LARGEST_NUMBER_DIGITS}}})\s*)?"
)
_DYADIC = 1 << 20
_LARGEST_DENOMINATOR = 1000
_MOST_VALUES = 1 << 16
_TOO_LARGE = "a coefficient is 2^62 or more in absolute value"
Array = npt.NDArray[Any]
Row = list[Fraction | int]


@dataclass(frozen=True)
class Table:
    """An array of exact fractions: numerators, and denominators of that shape (None: all 1)."""

    above: Array
    below: Array | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """The sides of the array."""
        return self.above.shape

    def along(self, axis: int) -> Table:
        """Return a matrix with a row for each place of the first axis (0) or the last one (1)."""

        def turned(array: Array) -> Array:
            if axis == 0:
                return array.reshape(len(array), -1)
            return np.ascontiguousarray(array.reshape(-1, array.shape[-1]).T)

        return Table(turned(self.above), None if self.below is None else turned(self.below))

    def integers(self) -> tuple[Array, list[int]]:
        """Return a matrix of integers and the denominator of each of its rows.

        Numbers of 2^62 or more on the common denominator of a row are refused, and denominators 0.
        """
        above, below = self.above, self.below
        denominators = [1] * len(above)
        if below is None or (below == 1).all():
            return above, denominators
        if (below == 0).any():
            raise FormatError("a denominator is 0")
        for part in (above, below):
            if part.min() <= -LARGEST_COEFFICIENT or part.max() >= LARGEST_COEFFICIENT:
                raise FormatError(_TOO_LARGE)
        shared = np.gcd(above, below) * np.sign(below)
        above, below = above.astype(np.int64) // shared, below // shared
        for row in np.flatnonzero((below != 1).any(axis=1)).tolist():
            divisors = below[row].tolist()
            common = math.lcm(*set(divisors))
            if common >= LARGEST_COEFFICIENT:
                raise FormatError("the common denominator of a row is 2^62 or more")
            entries = zip(above[row].tolist(), divisors, strict=True)
            raised = [x * (common // y) for x, y in entries]
            if max(map(abs, raised)) >= LARGEST_COEFFICIENT:
                raise FormatError(_TOO_LARGE)
            above[row], denominators[row] = raised, common
        return narrow(above), denominators


def fraction(entry: Any, rounded: Callable[[float], float] = float) -> Fraction | int:
    """Return one coefficient, exact.

    Of a float, `rounded` gives the value of its precision that is nearest to a number.
    """
    if isinstance(entry, bool):
        raise FormatError("a coefficient is true or false instead of a number")
    if isinstance(entry, int | Fraction):
        return entry
    if isinstance(entry, float):
        if not abs(entry) < LARGEST_COEFFICIENT:
            raise FormatError(f"coefficient {entry!r} is not finite, or 2^62 or more")
        near = Fraction(entry).limit_denominator(_LARGEST_DENOMINATOR)
        if rounded(float(near)) == entry:
            return near
        if entry * _DYADIC != math.floor(entry * _DYADIC):
            raise FormatError(f"coefficient {entry!r} is not exact, nor a small fraction")
        return Fraction(entry)
    match = _FRACTION.fullmatch(entry) if isinstance(entry, str) else None
    if match is None:
        raise FormatError(f"coefficient {str(entry)[:20]!r} is no integer and no fraction p/q")
    if not int(match[2] or 1):
        raise FormatError(f"coefficient {entry[:20]!r} divides by 0")
    return Fraction(int(match[1]), int(match[2] or 1))


def exact(values: Any, name: str) -> Table:
    """Return foreign numbers as fractions.

    They are a numeric array, or a list of rows of int, float, str or Fraction; the lists within a
    row are joined. Messages call them `name`.
    """
    if isinstance(values, np.ndarray):
        return _from_array(values, name)
    if not isinstance(values, list) or not values or not all(isinstance(r, list) for r in values):
        raise FormatError(f"{name} is not a list of rows")
    if all(isinstance(entry, list) for row in values for entry in row):
        values = [list(chain.from_iterable(row)) for row in values]
    columns = len(values[0])
    for row in values:
        if len(row) != columns:
            raise FormatError(f"{name} has a row of {columns} entries and one of {len(row)}")
    kinds = set(map(type, chain.from_iterable(values)))
    try:
        if kinds <= {int}:
            return Table(narrow(np.array(values, dtype=np.int64)))
        if kinds <= {int, float}:
            floats = np.array(values, dtype=np.float64)
            if (np.abs(floats) < 2**52).all():
                return _from_array(floats, name)
    except OverflowError:
        raise FormatError(f"{name} has a coefficient beyond 64 bits") from None
    for kind in kinds - {bool, int, float, str, Fraction}:
        raise FormatError(f"{name} has a {kind.__name__} instead of a number")
    distinct: dict[tuple[type, Any], int] = {}
    entries = ((type(entry), entry) for row in values for entry in row)
    places = np.array([distinct.setdefault(x, len(distinct)) for x in entries])
    return _looked_up([x for _, x in distinct], places.reshape(-1, columns), float, name)


def _from_array(array: Array, name: str) -> Table:
    """Return the numbers of a numeric array, which are integers or stand for small fractions."""
    kind = array.dtype.kind
    if kind == "c":
        raise FormatError(
            f"{name} holds complex numbers, which no ring here has: save the real parts if all "
            "others are 0"
        )
    if kind not in "biuf":
        raise FormatError(f"{name} holds {array.dtype} instead of numbers")
    if kind == "u" and array.size and int(array.max()) >= LARGEST_COEFFICIENT:
        raise FormatError(f"{name} has a coefficient of 2^62 or more")
    if kind != "f":
        return Table(narrow(array.astype(np.int64)))
    whole = array.astype(np.float64)
    if (np.abs(whole) < 2**52).all() and (whole == np.rint(whole)).all():
        return Table(narrow(whole.astype(np.int64)))
    values, places = np.unique(array, return_inverse=True)
    precision = array.dtype.type
    places = places.reshape(array.shape)
    return _looked_up(values.tolist(), places, lambda x: float(precision(x)), name)


def _looked_up(
    values: Sequence[Any], places: Array, rounded: Callable[[float], float], name: str
) -> Table:
    """Return the fractions that few distinct numbers stand for, each where its place is."""
    found: list[Fraction | int] = []
    for k, value in enumerate(values[:_MOST_VALUES]):
        try:
            found.append(fraction(value, rounded))
            if max(abs(found[-1].numerator), found[-1].denominator) >= LARGEST_COEFFICIENT:
                raise FormatError(_TOO_LARGE)
        except FormatError as error:
            at = ", ".join(str(int(side[0])) for side in np.nonzero(places == k))
            raise FormatError(f"{name}[{at}]: {error}") from None
    if len(values) > _MOST_VALUES:
        raise FormatError(f"{name} has {len(values)} different entries, too many to be exact")
    above, below = (
        np.array([getattr(x, part) for x in found], dtype=np.int64)
        for part in ("numerator", "denominator")
    )
    return Table(above[places], below[places])


def split(above: Array, below: Array, rank: int, dimensions: Sequence[int]) -> list[Table]:
    """Return U, V and W, R x d each, of flat numerators and denominators, one after the other."""
    ends = np.cumsum([rank * dimension for dimension in dimensions])[:-1]
    parts = zip(np.split(above, ends), np.split(below, ends), strict=True)
    return [Table(x.reshape(rank, -1), y.reshape(rank, -1)) for x, y in parts]


def scattered(
    shape: tuple[int, int], rows: Any, columns: Any, values: Sequence[Any], name: str
) -> Table:
    """Return a matrix of a shape (rows, columns) by its entries, each at a place from 0, once."""
    at = np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64)
    if not len(at[0]) == len(at[1]) == len(values):
        raise FormatError(f"{name} has entries without a place, or places without an entry")
    if any(((part < 0) | (part >= side)).any() for part, side in zip(at, shape, strict=True)):
        raise FormatError(f"{name} has an entry outside its {shape[0]} rows, {shape[1]} columns")
    if len(np.unique(at[0] * shape[1] + at[1])) < len(values):
        raise FormatError(f"{name} has two entries at one place")
    arrays = []
    for part, empty in (("numerator", 0), ("denominator", 1)):
        try:
            numbers = narrow(np.array([getattr(x, part) for x in values], dtype=np.int64))
        except OverflowError:
            raise FormatError(_TOO_LARGE) from None
        if (size := shape[0] * shape[1] * numbers.itemsize) > LARGEST_ENTRIES:
            raise FormatError(
                f"{name} would take {size >> 20} MiB: its coefficients are too large"
            )
        if part == "numerator" or (numbers != 1).any():
            arrays.append(np.full(shape, empty, dtype=numbers.dtype))
            arrays[-1][at] = numbers
    return Table(*arrays)


def fractions_of(scheme: Scheme) -> tuple[list[Row], list[Row], list[Row]]:
    """Return U, V and W as lists, the denominators carried into W."""
    u: list[Row] = scheme.u.tolist()
    v: list[Row] = scheme.v.tolist()
    w: list[Row] = []
    for row, below in zip(scheme.w.tolist(), scheme.denominators.tolist(), strict=True):
        if below == 1:
            w.append(row)
        else:
            parts = [Fraction(entry, below) for entry in row]
            w.append([int(x) if x.denominator == 1 else x for x in parts])
    return u, v, w
