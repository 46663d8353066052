"""Turn the filters of a query into conditions in SQL.

Invariant: general formats are compared with their sides in ascending order: a filter by 3x4x5
passes a scheme stored as 4x5x3. ZT counts as Z, and both as Q. A scheme that only reduces to F2 or
F3 does not pass a filter by that ring; only `flipsearch.catalogue.best` counts it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import Select, and_, case, func, or_, select

from flipsearch.catalogue import arguments
from flipsearch.catalogue.arguments import as_ring, names_of, run_key, within_database
from flipsearch.catalogue.columns import FILTERED, ORDERS, SCHEMES, Condition, with_bounds
from flipsearch.catalogue.tables import PROVENANCE, RUNS
from flipsearch.errors import UsageError
from flipsearch.formats import Format
from flipsearch.rings import Ring

Range = int | tuple[int | None, int | None]

INCLUDED = {
    Ring.F2: (Ring.F2,),
    Ring.F3: (Ring.F3,),
    Ring.ZT: (Ring.ZT,),
    Ring.Z: (Ring.ZT, Ring.Z),
    Ring.Q: (Ring.ZT, Ring.Z, Ring.Q),
}
"""The stored rings whose schemes are schemes over each ring as they stand."""


@dataclass(frozen=True)
class Filters:
    """Conditions on schemes; all given conditions must hold.

    Parameters
    ----------
    format, exact : str or Format, bool
        The format, in any order of its sides unless `exact` is set.
    ring : str or Ring
        The ring; Z includes ZT, and Q includes both.
    rank, gap, additions : int or (low, high)
        A value, or a range in which an end may be None. The gap is the rank minus the known bound.
        Additions are the fewest known: of stored programs, or of the scheme as written.
    growth, gamma : float
        Largest growth factor, which schemes over finite fields lack; largest `gamma`, which only
        structured formats have. A scheme without the value does not pass.
    front : bool
        Pass only Pareto-best schemes of each format over rank, additions, growth factor, greatest
        denominator, recursive calls, products that may be lost, and ring (see `_beaten`).
    source : str
        A part of the source; upper and lower case are equal.
    run : int or str
        Number or name of a run that found the scheme.
    since, until : datetime or date
        The scheme was stored at or after `since`, and before `until`.

    Raises
    ------
    TypeError, ValueError
        A condition has a wrong type or value; the message names it.
    UsageError
        The format or ring is unknown.
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
        """Make the conditions, and so check the types of all values."""
        arguments.flag("exact", self.exact)
        object.__setattr__(self, "_conditions", self._in_sql())

    @classmethod
    def of(cls, filters: Filters | None, conditions: Mapping[str, Any]) -> Filters:
        """Return the filters, or make them from keyword arguments; both at once is a TypeError."""
        if filters is None:
            return cls(**conditions)
        if conditions:
            raise TypeError(f"give filters or the conditions {', '.join(conditions)}, not both")
        return arguments.instance("filters", filters, cls, "Filters")

    @property
    def conditions(self) -> list[Condition]:
        """The conditions in SQL."""
        found: list[Condition] = self._conditions  # type: ignore[attr-defined]
        return found

    def _in_sql(self) -> list[Condition]:
        found: list[Condition] = []
        for name in (field.name for field in fields(self)):
            value = getattr(self, name)
            if value is None or name == "exact":
                continue
            if name in FILTERED:
                ask, expression = FILTERED[name]
                found += ask(name, value, expression)
            else:
                found += self._by(name, value)
        return found

    def _by(self, name: str, value: Any) -> list[Condition]:
        """Return the conditions of a filter that does not compare numbers."""
        s = SCHEMES.c
        if name == "format":
            asked, tabulated = names_of(value)
            return [s.format == asked if self.exact else s.tabulated == tabulated]
        if name == "ring":
            return [s.ring.in_([ring.value for ring in INCLUDED[as_ring(value)]])]
        if name == "front":
            return [~_beaten()] if arguments.flag(name, value) else []
        if name == "source":
            part = arguments.text(name, value)
            return [_came_from(PROVENANCE.c.label.icontains(part, autoescape=True))]
        if name == "run":
            key = run_key(value)
            if isinstance(key, str):
                named = select(RUNS.c.id).where(RUNS.c.name == key)
                return [_came_from(PROVENANCE.c.run_id.in_(named))]
            return [_came_from(PROVENANCE.c.run_id == within_database(key))]
        moment = arguments.moment(name, value)
        return [s.stored >= moment if name == "since" else s.stored < moment]

    def count(self) -> Select[Any]:
        """Return the statement that counts the schemes that pass the filters."""
        statement = select(func.count()).select_from(SCHEMES)
        return (statement if self.gap is None else with_bounds(statement)).where(*self.conditions)


def _beaten() -> Condition:
    """Return the condition that another scheme is nowhere worse, and better or older.

    Of ZT, Z and Q the smaller ring is better. Schemes over F2, F3 and of characteristic 0 are not
    compared. Schemes without recursive calls have 0 of them, plain schemes survive -1 losses.
    """
    ours, other = SCHEMES.c, SCHEMES.alias().c
    costs, theirs = _costs(ours), _costs(other)
    pairs = list(zip(theirs, costs, strict=True))
    same_field = or_(
        other.ring == ours.ring,
        and_(other.ring.in_(_CHARACTERISTIC_0), ours.ring.in_(_CHARACTERISTIC_0)),
    )
    return (
        select(other.id)
        .where(other.tabulated == ours.tabulated, same_field)
        .where(*(a <= b for a, b in pairs))
        .where(or_(*(a < b for a, b in pairs), other.id < ours.id))
        .exists()
    )


_CHARACTERISTIC_0 = tuple(ring.value for ring in INCLUDED[Ring.Q])


def _costs(row: Any) -> list[Any]:
    """Return the quantities of a row of the schemes that a front makes small, in SQL."""
    unknown = arguments.LARGEST_NUMBER
    return [
        row.rank,
        row.fewest,
        func.coalesce(row.growth, 0.0),
        func.coalesce(row.greatest_denominator, unknown),
        -func.coalesce(row.calls, 0),
        -func.coalesce(row.survives, -1),
        case(
            {ring: place for place, ring in enumerate(_CHARACTERISTIC_0)}, value=row.ring, else_=0
        ),
    ]


def _came_from(condition: Condition) -> Condition:
    statement = select(PROVENANCE.c.id).where(PROVENANCE.c.scheme_id == SCHEMES.c.id, condition)
    return statement.exists()


def order(sort: str | Sequence[str]) -> list[Any]:
    """Return the SQL order for names such as ``rank,-additions``; equal rows go by row number.

    A minus before a name, or ``:desc`` after it, means descending. Empty values come last. An
    unknown name raises a `UsageError`.
    """
    names = sort.split(",") if isinstance(sort, str) else arguments.collection("sort", sort)
    columns: list[Any] = []
    for name in names:
        bare = arguments.text("sort", name).strip().removeprefix("-").removesuffix(":desc")
        if bare not in ORDERS:
            raise UsageError(f"cannot sort by {bare!r}: choose from {', '.join(ORDERS)}")
        for column in ORDERS[bare]:
            ordered = column.asc() if name.strip() == bare else column.desc()
            columns.append(ordered.nulls_last())
    return [*columns, SCHEMES.c.id]
