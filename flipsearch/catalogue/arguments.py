"""Checks of the arguments of the catalogue's methods.

Invariant: a value of a wrong type is a TypeError that names the argument, raised before anything
is asked of the database, whose own complaint would read like a damaged catalogue.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

_T = TypeVar("_T")

Range = int | tuple[int | None, int | None]


def instance(name: str, value: Any, kind: type[_T] | tuple[type[_T], ...], words: str) -> _T:
    """Return an argument of one of the types given.

    Raises
    ------
    TypeError
        It is of another type; the message says ``NAME must be WORDS``.
    """
    if not isinstance(value, kind):
        raise TypeError(f"{name} must be {words}, not {_shown(value)}")
    return value


def whole(name: str, value: Any, least: int | None = None) -> int:
    """Return an integer argument, NumPy's included and booleans excluded.

    Raises
    ------
    TypeError
        It is no integer.
    ValueError
        It is below `least`.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{name} must be a whole number, not {_shown(value)}")
    if least is not None and number < least:
        raise ValueError(f"{name} must be {least} or more, not {number}")
    return number


def real(name: str, value: Any) -> float:
    """Return an argument that is a real number; NaN is a ValueError."""
    try:
        number = None if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, OverflowError):
        number = None
    if number is None:
        raise TypeError(f"{name} must be a number, not {_shown(value)}")
    if math.isnan(number):
        raise ValueError(f"{name} must be a number, not NaN")
    return number


def flag(name: str, value: Any) -> bool:
    """Return an argument that is True or False."""
    return instance(name, value, bool, "True or False")


def text(name: str, value: Any) -> str:
    """Return an argument that is text."""
    return instance(name, value, str, "text")


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """Return an argument that is a mapping."""
    return instance(name, value, Mapping, "a mapping")


def collection(name: str, value: Any) -> Iterable[Any]:
    """Return an argument that can be iterated over and is not text."""
    if isinstance(value, str | bytes):
        raise TypeError(f"{name} must be several values, not {_shown(value)}")
    return instance(name, value, Iterable, "several values")


def range_of(name: str, value: Any) -> tuple[int | None, int | None]:
    """Return (low, high) of a number or a pair of ends, either of which may be None."""
    if isinstance(value, tuple | list):
        if len(value) != 2:
            raise ValueError(f"{name} must be a number or (low, high), not {_shown(value)}")
        low, high = value
        return (
            None if low is None else whole(name, low),
            None if high is None else whole(name, high),
        )
    number = whole(name, value)
    return number, number


def moment(name: str, value: Any) -> dt.datetime:
    """Return a point in time: of a date its beginning, in UTC unless it says otherwise."""
    day = instance(name, value, dt.date, "a date or a datetime")
    if not isinstance(day, dt.datetime):
        day = dt.datetime(day.year, day.month, day.day)
    if day.tzinfo is None:
        return day.replace(tzinfo=dt.UTC)
    try:
        return day.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError(f"{name} is beyond the calendar in UTC: {day}") from None


def _shown(value: Any) -> str:
    return f"{type(value).__name__} {repr(value)[:40]}"
