"""Questions to the catalogue: filters, order, pages.

Invariant: reading only. General formats are looked up under their sides in order, so a scheme
stored as 4x5x3 answers a question about 3x4x5; ZT counts as Z, and both as Q. What only reduces to
F2 or F3 passes no filter by that ring: `flipsearch.catalogue.best` counts it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    func,
    or_,
    select,
)
from sqlalchemy.engine import Connection
from sqlalchemy.orm import aliased

from flipsearch.catalogue import arguments
from flipsearch.catalogue.arguments import Range
from flipsearch.catalogue.models import BoundRow, ProvenanceRow, RunRow, SchemeRow
from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.rings import Ring, parse_ring

TENSOR_PREFIX = "tensor:"
LARGEST_NUMBER = 2**63 - 1
"""The largest integer that the databases hold; no row, rank or count reaches it."""

INCLUDED = {
    Ring.F2: (Ring.F2,),
    Ring.F3: (Ring.F3,),
    Ring.ZT: (Ring.ZT,),
    Ring.Z: (Ring.ZT, Ring.Z),
    Ring.Q: (Ring.ZT, Ring.Z, Ring.Q),
}
"""The stored rings that count as each ring, without changing a scheme."""

_bound = aliased(BoundRow)
_LABEL = (
    select(ProvenanceRow.label)
    .where(ProvenanceRow.scheme_id == SchemeRow.id)
    .order_by(ProvenanceRow.id)
    .limit(1)
    .correlate(SchemeRow)
    .scalar_subquery()
)
_GAP = SchemeRow.rank - _bound.value
SORTS: dict[str, tuple[Any, ...]] = {
    "format": (func.length(SchemeRow.tabulated), SchemeRow.tabulated, SchemeRow.format),
    "ring": (SchemeRow.ring,),
    "rank": (SchemeRow.rank,),
    "gap": (_GAP,),
    "additions": (SchemeRow.fewest,),
    "written": (SchemeRow.additions,),
    "nonzeros": (SchemeRow.nonzeros,),
    "growth": (SchemeRow.growth,),
    "omega": (SchemeRow.omega,),
    "calls": (SchemeRow.calls,),
    "gamma": (SchemeRow.gamma,),
    "stored": (SchemeRow.stored,),
    "verified": (SchemeRow.verified,),
    "scheme": (SchemeRow.hash,),
}


@dataclass(frozen=True)
class Filters:
    """What schemes to find; every condition given must hold.

    Parameters
    ----------
    format : str or Format
        In any order of its sides, unless `exact`.
    ring : str or Ring
        Z includes ZT, and Q both.
    rank, gap, additions : int or (low, high)
        A value, or a range with either end None; gap is rank minus known bound, additions are
        the fewest known: of the stored programs where there are any, else as written.
    growth : float
        Growth factor at most this; excludes finite fields, which have none.
    gamma : float
        Recursion factor at most this; only structured formats have one.
    front : bool
        Only schemes that no other of the same format and ring beats: the Pareto front over
        rank, recursive calls and additions (`flipsearch.formats.recursion.Merits`).
    source : str
        Any part of a source, whatever the case.
    run : int or str
        Number or name of a run that found it.
    since, until : datetime or date
        Stored on or after; before.
    """

    format: str | Format | None = None
    ring: str | Ring | None = None
    rank: Range | None = None
    gap: Range | None = None
    additions: Range | None = None
    growth: float | None = None
    gamma: float | None = None
    front: bool = False
    source: str | None = None
    run: int | str | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    exact: bool = False

    def __post_init__(self) -> None:
        """Check the type of every condition; a wrong one is a TypeError that names it."""
        for name, check in _CHECKS.items():
            value = getattr(self, name)
            if value is not None:
                check(name, value)

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions in SQL.

        Raises
        ------
        UsageError
            Unknown format or ring.
        """
        found: list[ColumnElement[bool]] = []
        if self.format is not None:
            name, tabulated = names_of(self.format)
            if self.exact:
                found.append(SchemeRow.format == name)
            else:
                found.append(SchemeRow.tabulated == tabulated)
        if self.ring is not None:
            found.append(SchemeRow.ring.in_([r.value for r in INCLUDED[as_ring(self.ring)]]))
        for column, name in (
            (SchemeRow.rank, "rank"),
            (_GAP, "gap"),
            (SchemeRow.fewest, "additions"),
        ):
            if (asked := getattr(self, name)) is not None:
                found += _between(column, *arguments.range_of(name, asked))
        if self.growth is not None:
            found.append(SchemeRow.growth <= float(self.growth))
        if self.gamma is not None:
            found.append(SchemeRow.gamma <= float(self.gamma))
        if self.front:
            found.append(~_beaten())
        if self.source is not None:
            found.append(_came_from(ProvenanceRow.label.icontains(self.source, autoescape=True)))
        if self.run is not None:
            found.append(_came_from(_of_run(self.run)))
        if self.since is not None:
            found.append(SchemeRow.stored >= arguments.moment("since", self.since))
        if self.until is not None:
            found.append(SchemeRow.stored < arguments.moment("until", self.until))
        return found


def filters_of(filters: Filters | None, conditions: Mapping[str, Any]) -> Filters:
    """Return filters given as such or as keyword arguments; both at once is a TypeError."""
    if filters is None:
        return Filters(**conditions)
    if conditions:
        names = ", ".join(conditions)
        raise TypeError(f"give filters or the conditions {names}, not both")
    return arguments.instance("filters", filters, Filters, "Filters")


def names_of(given: str | Format) -> tuple[str, str]:
    """Return a format's name, and the one it is tabulated under: its sides in order.

    Raises
    ------
    UsageError
        The text is no format.
    """
    _format_or_name("format", given)
    if isinstance(given, str):
        if given.strip().startswith(TENSOR_PREFIX):
            return given.strip(), given.strip()
        given = as_format(given)
    return given.name, given.sorted.name if isinstance(given, MatrixProduct) else given.name


def as_ring(given: str | Ring) -> Ring:
    """Return the ring, parsed if it is text."""
    return given if isinstance(given, Ring) else parse_ring(arguments.text("ring", given))


def _format_or_name(name: str, value: Any) -> None:
    arguments.instance(name, value, (str, Format), "a format or its name")


def run_name(run: Any) -> int | str:
    """Return the number or name of a run; anything else is a TypeError."""
    if isinstance(run, str):
        return run
    return arguments.whole("run", run)


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "format": _format_or_name,
    "ring": lambda _, value: as_ring(value),
    "rank": arguments.range_of,
    "gap": arguments.range_of,
    "additions": arguments.range_of,
    "growth": arguments.real,
    "gamma": arguments.real,
    "front": arguments.flag,
    "source": arguments.text,
    "run": lambda _, value: run_name(value),
    "since": arguments.moment,
    "until": arguments.moment,
    "exact": arguments.flag,
}


@lru_cache(maxsize=4096)
def as_format(name: str) -> MatrixProduct:
    """Return the format of that name."""
    return parse_format(name)


def within_database(number: int) -> int:
    """Return the number, or the nearest one that a database can hold: no row has either."""
    return max(-LARGEST_NUMBER, min(LARGEST_NUMBER, number))


def run_number(run: int | str) -> int | None:
    """Return the number that names a run, or None if the run is named by its name."""
    run = run_name(run)
    if isinstance(run, int):
        return run
    return int(run) if run.isascii() and run.isdecimal() and len(run) < 1000 else None


def _between(column: Any, low: int | None, high: int | None) -> list[ColumnElement[bool]]:
    ends = [] if low is None else [column >= within_database(low)]
    return ends if high is None else [*ends, column <= within_database(high)]


def _beaten() -> ColumnElement[bool]:
    """Return the condition that another scheme is nowhere worse, and better or there before."""
    other = aliased(SchemeRow)
    calls, theirs = func.coalesce(SchemeRow.calls, 0), func.coalesce(other.calls, 0)
    return (
        select(other.id)
        .where(other.tabulated == SchemeRow.tabulated, other.ring == SchemeRow.ring)
        .where(other.rank <= SchemeRow.rank, other.fewest <= SchemeRow.fewest, theirs >= calls)
        .where(
            or_(
                other.rank < SchemeRow.rank,
                other.fewest < SchemeRow.fewest,
                theirs > calls,
                other.id < SchemeRow.id,
            )
        )
        .exists()
    )


def _came_from(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    return (
        select(ProvenanceRow.id).where(ProvenanceRow.scheme_id == SchemeRow.id, condition).exists()
    )


def _of_run(run: int | str) -> ColumnElement[bool]:
    number = run_number(run)
    if number is not None:
        return ProvenanceRow.run_id == within_database(number)
    return ProvenanceRow.run_id.in_(select(RunRow.id).where(RunRow.name == run))


def _joined(statement: Any) -> Select[Any]:
    joined: Select[Any] = statement.outerjoin(
        _bound,
        and_(_bound.format == SchemeRow.tabulated, _bound.ring == SchemeRow.ring, _bound.current),
    )
    return joined


def select_schemes() -> Select[Any]:
    """Return the statement whose rows `Catalogue` makes records of."""
    return _joined(
        select(
            SchemeRow.id,
            SchemeRow.hash,
            SchemeRow.format,
            SchemeRow.ring,
            SchemeRow.rank,
            SchemeRow.nonzeros,
            SchemeRow.additions,
            SchemeRow.growth,
            SchemeRow.omega,
            SchemeRow.stored,
            SchemeRow.verified,
            _LABEL.label("source"),
            _bound.value.label("known_bound"),
            SchemeRow.workers,
            SchemeRow.survives,
            SchemeRow.fewest,
            SchemeRow.calls,
            SchemeRow.gamma,
        ).select_from(SchemeRow)
    )


def order(sort: str | Sequence[str]) -> list[Any]:
    """Return the SQL order for names such as ``rank,-additions``; ties go by row number.

    A minus before a name, or ``:desc`` behind it, means descending; what is empty comes last.

    Raises
    ------
    UsageError
        Unknown column.
    """
    names = sort.split(",") if isinstance(sort, str) else arguments.collection("sort", sort)
    columns: list[Any] = []
    for name in names:
        arguments.text("sort", name)
        bare = name.strip().removeprefix("-").removesuffix(":desc")
        if bare not in SORTS:
            raise UsageError(f"cannot sort by {bare!r}: choose from {', '.join(SORTS)}")
        for column in SORTS[bare]:
            ordered = column.asc() if name.strip() == bare else column.desc()
            columns.append(ordered.nulls_last())
    return [*columns, SchemeRow.id]


def find(
    filters: Filters,
    *,
    sort: str | Sequence[str] = "format,ring,rank,additions",
    limit: int | None = None,
    offset: int = 0,
) -> Select[Any]:
    """Return the statement for the schemes that pass, in order."""
    statement = select_schemes().where(*filters.conditions()).order_by(*order(sort))
    if limit is not None or offset:  # SQLite knows no offset without a limit
        statement = statement.limit(within_database(LARGEST_NUMBER if limit is None else limit))
    return statement.offset(within_database(offset)) if offset else statement


def count(connection: Connection, filters: Filters) -> int:
    """Return how many schemes pass."""
    statement = _joined(select(func.count()).select_from(SchemeRow))
    if filters.gap is None:
        statement = select(func.count()).select_from(SchemeRow)
    number: int = connection.execute(statement.where(*filters.conditions())).scalar_one()
    return number
