"""Foreign numbers into exact integers: lists, fractions as text, floats, (numerator, denominator).

Invariant: the result is exact or there is a `FormatError`. A float is taken only when it is a
finite multiple of 2^-20, text only as ``p`` or ``p/q`` of at most 19 digits each.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from flipsearch.errors import FormatError
from flipsearch.files.limits import LARGEST_NUMBER_DIGITS
from flipsearch.rings import IntArray
from flipsearch.scheme import LARGEST_COEFFICIENT

_FRACTION = re.compile(
    rf"\s*([+-]?\d{{1,{LARGEST_NUMBER_DIGITS}}})\s*(?:/\s*(\d{{1,{LARGEST_NUMBER_DIGITS}}})\s*)?"
)
_DYADIC = 1 << 20
_SMALL = 40
"""The common multiple of all numbers up to this one is below 2^53."""
_MOST_FRACTIONS = 1 << 18


def fraction(entry: Any) -> Fraction | int:
    """Return one coefficient, exact.

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
        if not math.isfinite(entry) or entry * _DYADIC != math.floor(entry * _DYADIC):
            raise FormatError(f"coefficient {entry!r} is not exact")
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


def matrix(rows: Any, columns: int, name: str) -> tuple[IntArray, list[int]]:
    """Return a factor of integers and the common denominator of each of its rows.

    Parameters
    ----------
    rows : list of lists of int, float, str or Fraction
        The factor, a row a product.
    columns : int
        How long each row has to be.
    name : str
        What to call it in messages.

    Returns
    -------
    int64 array, shape (R, columns), and R positive integers
        Entry (r, k) of the factor is ``array[r, k] / denominators[r]``.

    Raises
    ------
    FormatError
        Shape or entries are wrong.
    """
    if not isinstance(rows, list):
        raise FormatError(f"{name} is not a list of rows")
    integers = True
    for row in rows:
        if not isinstance(row, list) or len(row) != columns:
            found = len(row) if isinstance(row, list) else type(row).__name__
            raise FormatError(f"a row of {name} has {found} entries instead of {columns}")
        if integers and set(map(type, row)) != {int}:
            integers = False
    if integers:
        try:
            return np.array(rows, dtype=np.int64).reshape(-1, columns), [1] * len(rows)
        except OverflowError:
            raise FormatError(f"{name} has a coefficient beyond 64 bits") from None
    numerators, denominators = [], []
    for row in rows:
        above, below = over_common(row)
        numerators.append(above)
        denominators.append(below)
    return np.array(numerators, dtype=np.int64).reshape(-1, columns), denominators


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
    """Return the factor of numerators and denominators entry by entry, as `matrix` does.

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


def from_array(array: npt.NDArray[Any], name: str) -> tuple[IntArray, list[int]]:
    """Return a factor held as a numeric array, as `matrix` does.

    Raises
    ------
    FormatError
        Its entries are not exact: NaN, infinite, complex, or not multiples of 2^-20.
    """
    if array.dtype.kind == "u":
        if array.size and int(array.max()) >= LARGEST_COEFFICIENT:
            raise FormatError(f"{name} has a coefficient of 2^62 or more")
        return array.astype(np.int64), [1] * len(array)
    if array.dtype.kind == "i":
        return array.astype(np.int64), [1] * len(array)
    if array.dtype.kind != "f":
        raise FormatError(f"{name} holds {array.dtype} instead of numbers")
    if not np.isfinite(array).all():
        raise FormatError(f"{name} has entries that are not finite")
    numbers = array.astype(np.float64)
    if (np.abs(numbers) < 2**52).all() and (numbers == np.rint(numbers)).all():
        return numbers.astype(np.int64), [1] * len(array)
    return matrix(numbers.tolist(), array.shape[1], name)
