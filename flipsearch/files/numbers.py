"""Foreign numbers into exact integers: lists, fractions as text, floats, (numerator, denominator).

Invariant: the result is exact or there is a `FormatError`. A float stands for a fraction of
denominator up to 1,000 whose nearest float it is, or else for a multiple of 2^-20; text stands for
``p`` or ``p/q`` of at most 19 digits each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError
from flipsearch.files.limits import LARGEST_NUMBER_DIGITS
from flipsearch.rings import IntArray
from flipsearch.scheme import LARGEST_COEFFICIENT, Scheme

_FRACTION = re.compile(
    rf"\s*([+-]?\d{{1,{LARGEST_NUMBER_DIGITS}}})\s*(?:/\s*(\d{{1,{LARGEST_NUMBER_DIGITS}}})\s*)?"
)
_DYADIC = 1 << 20
_LARGEST_DENOMINATOR = 1000
_SMALL = 40
"""The common multiple of all numbers up to this one is below 2^53."""
_MOST_FRACTIONS = 1 << 18
_MOST_VALUES = 1 << 12
Array = npt.NDArray[Any]
Row = list[Fraction | int]


def fraction(entry: Any, rounded: Callable[[float], float] = float) -> Fraction | int:
    """Return one coefficient, exact.

    Parameters
    ----------
    entry : int, float, str or Fraction
        The coefficient.
    rounded : callable
        Gives the value that the precision of a float `entry` has nearest to a number.

    Raises
    ------
    FormatError
        It is no finite exact number.
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
    if isinstance(entry, str):
        return _from_text(entry)
    raise FormatError(f"a coefficient is a {type(entry).__name__} instead of a number")


@lru_cache(maxsize=1 << 12)
def _from_text(text: str) -> Fraction:
    match = _FRACTION.fullmatch(text)
    if match is None:
        raise FormatError(f"coefficient {text[:20]!r} is no integer and no fraction p/q")
    below = int(match[2] or 1)
    if below == 0:
        raise FormatError(f"coefficient {text[:20]!r} divides by 0")
    return Fraction(int(match[1]), below)


def array_of(rows: Any, name: str) -> Array:
    """Return lists of foreign numbers as an array with a row a list, exact.

    Parameters
    ----------
    rows : list of lists, or list of lists of lists
        Of int, float, str or Fraction; the lists within a row are joined.
    name : str
        What to call it in messages.

    Returns
    -------
    array, shape (rows, columns)
        int64 or float64 where that is exact, otherwise of Python's objects.

    Raises
    ------
    FormatError
        It is no list of rows of one length.
    """
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise FormatError(f"{name} is not a list of rows")
    if all(isinstance(entry, list) for row in rows for entry in row):
        rows = [list(chain.from_iterable(row)) for row in rows]
    columns = len(rows[0])
    for row in rows:
        if len(row) != columns:
            raise FormatError(f"{name} has a row of {columns} entries and one of {len(row)}")
    kinds = set(map(type, chain.from_iterable(rows)))
    if kinds <= {int}:
        try:
            return np.array(rows, dtype=np.int64)
        except OverflowError:
            raise FormatError(f"{name} has a coefficient beyond 64 bits") from None
    if kinds <= {int, float}:
        try:
            floats = np.array(rows, dtype=np.float64)
        except OverflowError:
            raise FormatError(f"{name} has a coefficient beyond 64 bits") from None
        if (np.abs(floats) < 2**52).all():
            return floats
    array = np.empty((len(rows), columns), dtype=object)
    for k, row in enumerate(rows):
        array[k] = [fraction(entry) for entry in row]
    return array


def from_array(array: Array, name: str) -> tuple[IntArray, list[int]]:
    """Return a factor of integers and the common denominator of each of its rows.

    Parameters
    ----------
    array : array, shape (R, d)
        Of integers, floats, or objects as `array_of` makes them.
    name : str
        What to call it in messages.

    Returns
    -------
    int64 array, shape (R, d), and R positive integers
        Entry (r, k) of the factor is ``array[r, k] / denominators[r]``.

    Raises
    ------
    FormatError
        An entry is not exact, or 2^62 or more once on the common denominator of its row.
    """
    kind = array.dtype.kind
    if kind == "c":
        raise FormatError(
            f"{name} holds complex numbers, which no ring here has: save the real parts if all "
            "others are 0"
        )
    if kind not in "biufO":
        raise FormatError(f"{name} holds {array.dtype} instead of numbers")
    ones = [1] * len(array)
    if kind == "u" and array.size and int(array.max()) >= LARGEST_COEFFICIENT:
        raise FormatError(f"{name} has a coefficient of 2^62 or more")
    if kind in "biu":
        return array.astype(np.int64), ones
    if kind == "f":
        whole = array.astype(np.float64)
        if (np.abs(whole) < 2**52).all() and (whole == np.rint(whole)).all():
            return whole.astype(np.int64), ones
        return _from_floats(array, name)
    rows = [over_common(row) for row in array.tolist()]
    above = np.array([row for row, _ in rows], dtype=np.int64).reshape(array.shape)
    return above, [below for _, below in rows]


def _from_floats(array: Array, name: str) -> tuple[IntArray, list[int]]:
    values, places = np.unique(array, return_inverse=True)
    places = places.reshape(array.shape)
    exact: list[Fraction | int] = []
    for k, value in enumerate(values[:_MOST_VALUES].tolist()):
        try:
            exact.append(fraction(value, lambda x: float(array.dtype.type(x))))
            over_common(exact[-1:])
        except FormatError as error:
            row, column = (int(x) for x in np.argwhere(places == k)[0])
            raise FormatError(f"{name}[{row}, {column}]: {error}") from None
    if len(values) > _MOST_VALUES:
        raise FormatError(f"{name} has {len(values)} different entries, too many to be exact")
    above, below = (
        np.array([getattr(x, part) for x in exact], dtype=np.int64)
        for part in ("numerator", "denominator")
    )
    return pairs(above[places], below[places])


def over_common(row: Sequence[Any]) -> tuple[list[int], int]:
    """Return integers and the common denominator of a row of foreign numbers.

    Raises
    ------
    FormatError
        An entry is no exact number, or 2^62 or more once on the common denominator.
    """
    entries = [entry if type(entry) is int else fraction(entry) for entry in row]
    common = 1
    for below in {entry.denominator for entry in entries}:
        common = math.lcm(common, below)
        if common >= LARGEST_COEFFICIENT:
            raise FormatError("the common denominator of a row is 2^62 or more")
    above = [entry.numerator * (common // entry.denominator) for entry in entries]
    if any(abs(number) >= LARGEST_COEFFICIENT for number in above):
        raise FormatError("a coefficient is 2^62 or more in absolute value")
    return above, common


def pairs(above: IntArray, below: IntArray) -> tuple[IntArray, list[int]]:
    """Return the factor of numerators and denominators entry by entry, as `from_array` does.

    Raises
    ------
    FormatError
        A denominator is 0, a coefficient too large, or absurdly many denominators are large.
    """
    if (below == 0).any():
        raise FormatError("a denominator is 0")
    if (below == 1).all():
        return above, [1] * len(above)
    for part in (above, below):
        if part.min() <= -LARGEST_COEFFICIENT or part.max() >= LARGEST_COEFFICIENT:
            raise FormatError("a coefficient is 2^62 or more in absolute value")
    shared = np.gcd(above, below) * np.sign(below)
    above, below = above // shared, below // shared
    if below.max() <= _SMALL:
        rows = np.lcm.reduce(below, axis=1)
        if int(np.abs(above).max()) * int(rows.max()) < LARGEST_COEFFICIENT:
            return above * (rows[:, None] // below), rows.tolist()
    elif below.size > _MOST_FRACTIONS:
        raise FormatError("it has absurdly many fractions with large denominators")
    numerators, denominators = [], []
    for top, bottom in zip(above.tolist(), below.tolist(), strict=True):
        row, common = over_common([Fraction(x, y) for x, y in zip(top, bottom, strict=True)])
        numerators.append(row)
        denominators.append(common)
    return np.array(numerators, dtype=np.int64).reshape(above.shape), denominators


def matrix(rows: Any, name: str) -> tuple[IntArray, list[int]]:
    """Return the factor that lists of foreign numbers hold: `array_of`, then `from_array`."""
    return from_array(array_of(rows, name), name)


def scattered(
    shape: tuple[int, int], rows: Any, columns: Any, values: Sequence[Any], name: str
) -> Array:
    """Return a matrix that is given by its entries, as `array_of` does.

    Parameters
    ----------
    shape : (rows, columns)
        Of the matrix.
    rows, columns : sequences of int
        Places from 0, each at most once.
    values : sequence of int or Fraction
        The entries there.
    name : str
        What to call it in messages.

    Raises
    ------
    FormatError
        A place is outside the matrix or stands twice, or the lists differ in length.
    """
    at = np.array(rows, dtype=np.int64), np.array(columns, dtype=np.int64)
    if not len(at[0]) == len(at[1]) == len(values):
        raise FormatError(f"{name} has entries without a place, or places without an entry")
    if any(((part < 0) | (part >= side)).any() for part, side in zip(at, shape, strict=True)):
        raise FormatError(f"{name} has an entry outside its {shape[0]} rows, {shape[1]} columns")
    if len(np.unique(at[0] * shape[1] + at[1])) < len(values):
        raise FormatError(f"{name} has two entries at one place")
    whole = all(type(x) is int and abs(x) < LARGEST_COEFFICIENT for x in values)
    array = np.zeros(shape, dtype=np.int64 if whole else object)
    array[at] = values
    return array


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
