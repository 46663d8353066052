"""Check and convert the arguments of the catalogue's methods.

Invariant: a value of a wrong type is a TypeError that names the argument. It is raised before the
query, because the database's own complaint would read like a damaged catalogue.
"""

from __future__ import annotations

import datetime as dt
import math
import operator
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from flipsearch.formats import Format, MatrixProduct, is_product, parse_format
from flipsearch.formats.named import format_of
from flipsearch.rings import Ring, parse_ring

TENSOR_PREFIX = "tensor:"
LARGEST_NUMBER = 2**63 - 1
"""The largest integer of the databases; no row number, rank or count reaches it."""

_T = TypeVar("_T")


def instance(name: str, value: Any, kind: type[_T] | tuple[type[_T], ...], words: str) -> _T:
    """Return an argument of one of the types, or raise a TypeError: ``NAME must be WORDS``."""
    if not isinstance(value, kind):
        raise _wrong(name, value, words)
    return value


def _wrong(name: str, value: Any, words: str) -> TypeError:
    return TypeError(f"{name} must be {words}, not {type(value).__name__} {repr(value)[:40]}")


def whole(name: str, value: Any, least: int | None = None) -> int:
    """Return an integer argument; NumPy's integers count, booleans do not.

    Another type raises a TypeError, a number below `least` a ValueError.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise _wrong(name, value, "a whole number")
    try:
        number = operator.index(value)
    except TypeError:  # an array of several
        raise _wrong(name, value, "a whole number") from None
    if least is not None and number < least:
        raise ValueError(f"{name} must be {least} or more, not {number}")
    return number


def within_database(number: int) -> int:
    """Return the number, or the nearest integer that a database can hold (no row has it)."""
    return max(-LARGEST_NUMBER, min(LARGEST_NUMBER, number))


def page(name: str, value: Any) -> int:
    """Return the limit or offset of a page: 0 or more, at most `LARGEST_NUMBER`."""
    return within_database(whole(name, value, 0))


def real(name: str, value: Any) -> float:
    """Return an argument that is a real number; NaN is none."""
    try:
        number = math.nan if isinstance(value, bool | str | bytes) else float(value)
    except (TypeError, OverflowError):
        number = math.nan
    if math.isnan(number):
        raise _wrong(name, value, "a number")
    return number


def flag(name: str, value: Any) -> bool:
    """Return an argument that is True or False."""
    return instance(name, value, bool, "True or False")


def text(name: str, value: Any) -> str:
    """Return an argument that is text."""
    return instance(name, value, str, "text")


def mapping(name: str, value: Any) -> dict[str, Any]:
    """Return a copy of an argument that is a mapping."""
    return dict(instance(name, value, Mapping, "a mapping"))


def collection(name: str, value: Any) -> Iterable[Any]:
    """Return an argument that can be iterated over and is not text."""
    if isinstance(value, str | bytes):
        raise _wrong(name, value, "several values")
    return instance(name, value, Iterable, "several values")


def range_of(name: str, value: Any) -> tuple[int | None, int | None]:
    """Return (low, high) for a number or a pair; an end of a pair may be None."""
    if not isinstance(value, tuple | list):
        value = (whole(name, value),) * 2
    if len(value) != 2:
        raise ValueError(f"{name} must be a number or (low, high), not {repr(value)[:40]}")
    low, high = (None if end is None else whole(name, end) for end in value)
    return low, high


def moment(name: str, value: Any) -> dt.datetime:
    """Return a point in time in UTC; a date stands for its beginning in UTC."""
    day = instance(name, value, dt.date, "a date or a datetime")
    if not isinstance(day, dt.datetime):
        day = dt.datetime(day.year, day.month, day.day)
    try:
        return day.astimezone(dt.UTC) if day.tzinfo else day.replace(tzinfo=dt.UTC)
    except OverflowError:
        raise ValueError(f"{name} is beyond the calendar in UTC: {day}") from None


def as_ring(given: str | Ring) -> Ring:
    """Return the ring, parsed if it is text."""
    return given if isinstance(given, Ring) else parse_ring(text("ring", given))


def names_of(given: str | Format) -> tuple[str, str]:
    """Return a format's name and its tabulated name, which has the sides in ascending order.

    Text that is no format raises a `UsageError`.
    """
    instance("format", given, (str, Format), "a format or its name")
    if isinstance(given, str):
        if given.strip().startswith(TENSOR_PREFIX):
            return given.strip(), given.strip()
        given = parse_format(given) if is_product(given) else format_of(given)
    return given.name, given.sorted.name if isinstance(given, MatrixProduct) else given.name


def is_hash(name: str) -> bool:
    """Return whether a name is made of hexadecimal digits, as hashes are."""
    return bool(name) and not set(name.strip().lower()) - set("0123456789abcdef")


def run_key(run: Any) -> int | str:
    """Return the number of a run given by a number or digits; otherwise its name."""
    if isinstance(run, str):
        return int(run) if run.isascii() and run.isdecimal() and len(run) < 1000 else run
    return whole("run", run)
