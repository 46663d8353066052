"""Declare each column of a scheme's record once.

A field of `Record` declares how its column is stored or computed, its names in JSON, orders and
filters, and how it is measured from a scheme. The database's table, stored rows, the audit, orders
and filters follow from this declaration.

Invariant: a measured column depends only on the scheme in canonical form; an audit measures it
again.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import sqlalchemy as sa
from sqlalchemy import BigInteger, Double, Index, Integer, String, Table, func, select

from flipsearch.catalogue import arguments
from flipsearch.catalogue.arguments import names_of
from flipsearch.catalogue.provenance import SHORT
from flipsearch.catalogue.tables import BOUNDS, IDENTIFIER, METADATA, PROVENANCE, VALUES, Moment
from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.recursion import Recursion, recursion
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme

Condition = sa.ColumnElement[bool]


class Measured:
    """Measure quantities of a scheme in canonical form."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme

    @cached_property
    def recursion(self) -> Recursion | None:
        """The recursive calls of the scheme, or None if its format is not structured."""
        form = self.scheme.format
        if not isinstance(form, MatrixProduct) or form.operands == "gg":
            return None
        return recursion(form, self.scheme.factors, self.scheme.ring.characteristic)

    @property
    def calls(self) -> int | None:
        """The number of products that are recursive calls."""
        return None if self.recursion is None else self.recursion.recursive_calls

    @property
    def gamma(self) -> float | None:
        """The cost of block recursion relative to a general product."""
        gamma = None if self.recursion is None else self.recursion.gamma
        return float(gamma) if gamma is not None and math.isfinite(gamma) else None

    @property
    def growth(self) -> float | None:
        """The growth factor max_k sum_r |u_r|_1 |v_r|_1 |w_rk| / d_r; None over a finite field.

        It bounds the amplification of rounding errors in one step of the scheme (Bini and Lotti
        1980, "Stability of fast algorithms for matrix multiplication").
        """
        return self.scheme.growth

    @property
    def denominator(self) -> int:
        """The product of the primes 2 and 3 that divide a denominator: 1, 2, 3 or 6."""
        return self.scheme.bad_characteristics


@dataclass
class Column:
    """A column of a record, declared in the annotation of its field.

    It is stored with `type`, or computed by the SQL expression that `compute` returns. It is
    nullable if the field may be None. `name` is its name in the table and `json` its name in JSON,
    both by default the field's. `sort` is its name in orders and filters, by default the name in
    JSON. An empty name means none. `ask` turns (filter's name, value, SQL expression) into the
    conditions of a filter; it raises a TypeError for a value of a wrong type. `measure` computes
    its value from `Measured`. `options` are further arguments of its ``sqlalchemy.Column``.
    """

    type: Any = None
    _: KW_ONLY
    name: str = ""
    json: str | None = None
    sort: str | None = None
    ask: Callable[[str, Any, Any], list[Condition]] | None = None
    measure: Callable[[Measured], Any] | None = None
    compute: Callable[[], Any] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def within(name: str, value: Any, column: Any) -> list[Condition]:
    """Return the conditions of a filter by a number or a range."""
    low, high = arguments.range_of(name, value)
    ends = [] if low is None else [column >= arguments.within_database(low)]
    return ends if high is None else [*ends, column <= arguments.within_database(high)]


def at_most(name: str, value: Any, column: Any) -> list[Condition]:
    """Return the condition of a filter by a largest value."""
    return [column <= arguments.real(name, value)]


@dataclass(frozen=True, eq=False)
class Record:
    """One stored scheme.

    `tabulated` is its format with the sides in ascending order. `growth` is the growth factor of
    Bini and Lotti 1980 (12 for Strassen, 18 for Winograd), None over finite fields. `known_bound`
    is the cited bound for the format over the same ring, or None. `gap` is the rank minus this
    bound; a negative gap beats it. `additions` counts the additions of the scheme as written,
    `fewest_additions` those of its stored programs, which share sums, if they are fewer. `calls`
    is the number of recursive calls of a structured format, and `gamma` the cost of block
    recursion relative to a general product (`flipsearch.formats.recursion`); both are None for
    other formats. Fault-tolerant unions of schemes have `workers`, their number of products, and
    `survives`, the number of products that may be lost. `denominator` is the product of the primes
    2 and 3 that divide a denominator: a scheme over Q does not reduce modulo these.
    `greatest_denominator` is that of a term whose vectors u and v have coprime integer entries.
    Both are None in damaged rows of an older schema.

    `scheme` and `reduction` are fetched and checked at their first use.
    """

    id: Annotated[int, Column(IDENTIFIER, json="", options={"primary_key": True})]
    hash: Annotated[str, Column(String(64), json="scheme", options={"unique": True})]
    format: Annotated[Format, Column(String(64), measure=lambda m: m.scheme.format.name)]
    tabulated: Annotated[
        str, Column(String(64), json="", measure=lambda m: names_of(m.scheme.format)[1])
    ]
    ring: Annotated[Ring, Column(String(2))]
    rank: Annotated[int, Column(Integer, ask=within, measure=lambda m: m.scheme.rank)]
    known_bound: Annotated[int | None, Column(sort="", compute=lambda: BOUND.c.value)]
    gap: Annotated[int | None, Column(ask=within, compute=lambda: SCHEMES.c.rank - BOUND.c.value)]
    additions: Annotated[
        int, Column(Integer, sort="written", measure=lambda m: m.scheme.additions)
    ]
    fewest_additions: Annotated[
        int,
        Column(
            Integer, name="fewest", sort="additions", ask=within,
            measure=lambda m: m.scheme.additions, options={"server_default": "0"},
        ),
    ]  # fmt: skip
    nonzeros: Annotated[int, Column(Integer, measure=lambda m: m.scheme.nonzeros)]
    growth: Annotated[float | None, Column(Double, ask=at_most, measure=lambda m: m.growth)]
    omega: Annotated[float, Column(Double, measure=lambda m: m.scheme.omega)]
    calls: Annotated[int | None, Column(Integer, measure=lambda m: m.calls)]
    gamma: Annotated[float | None, Column(Double, ask=at_most, measure=lambda m: m.gamma)]
    stored: Annotated[dt.datetime, Column(Moment)]
    verified: Annotated[dt.datetime, Column(Moment)]
    source: Annotated[str, Column(sort="", compute=lambda: FIRST_LABEL)]
    workers: Annotated[int | None, Column(Integer, sort="")]
    survives: Annotated[int | None, Column(Integer, sort="")]
    denominator: Annotated[int | None, Column(Integer, json="", measure=lambda m: m.denominator)]
    greatest_denominator: Annotated[
        int | None, Column(BigInteger, measure=lambda m: m.scheme.greatest_denominator)
    ]
    _load: Callable[[Record], Scheme] = field(repr=False)
    _load_reduction: Callable[[Record], Reduction | None] = field(repr=False)

    @property
    def short(self) -> str:
        """The first 12 digits of the hash, which serve as an ID."""
        return self.hash[:SHORT]

    @cached_property
    def scheme(self) -> Scheme:
        """The scheme itself; its content hash has been compared.

        A damaged row, or a closed catalogue, raises a `CatalogueError`.
        """
        return self._load(self)

    @cached_property
    def reduction(self) -> Reduction | None:
        """The stored programs with the fewest additions, evaluated again; None without any.

        Programs of another scheme, or a closed catalogue, raise a `CatalogueError`.
        """
        return self._load_reduction(self)

    def to_dict(self) -> dict[str, Any]:
        """Return every column under its JSON name as a scalar, for a row of a data frame."""
        return {name: _scalar(getattr(self, field)) for field, name in _JSON.items()}


def _scalar(value: Any) -> Any:
    if isinstance(value, dt.datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, Ring):
        return value.value
    return str(value) if isinstance(value, Format) else value


def _columns() -> dict[str, Column]:
    """Return the columns that the fields of `Record` declare, with all names filled in."""
    found = {}
    for name, hint in get_type_hints(Record, globals(), include_extras=True).items():
        if get_origin(hint) is Annotated:
            kind, column = get_args(hint)
            column.name = column.name or name
            column.json = name if column.json is None else column.json
            column.sort = column.json if column.sort is None else column.sort
            column.options = {"nullable": type(None) in get_args(kind)} | column.options
            found[name] = column
    return found


COLUMNS = _columns()
_JSON = {name: column.json for name, column in COLUMNS.items() if column.json}
_FORMAT, _RING = list(COLUMNS).index("format"), list(COLUMNS).index("ring")
JSON_NAMES = tuple(_JSON.values())
"""The keys of `Record.to_dict`, in this order."""

SCHEMES = Table(
    "schemes",
    METADATA,
    *(
        sa.Column(column.name, column.type, **column.options)
        for column in COLUMNS.values()
        if column.type is not None
    ),
    sa.Column("invariants", VALUES),
    Index("ix_schemes_best", "tabulated", "ring", "rank", "fewest", "id", "hash", "denominator"),
    Index("ix_schemes_stored", "stored"),
)
BOUND = BOUNDS.alias()
"""The known bound of a scheme, which `with_bounds` joins to it."""

FIRST_LABEL = func.coalesce(
    select(PROVENANCE.c.label)
    .where(PROVENANCE.c.scheme_id == SCHEMES.c.id)
    .order_by(PROVENANCE.c.id)
    .limit(1)
    .correlate(SCHEMES)
    .scalar_subquery(),
    "unknown",
)
EXPRESSIONS: dict[str, Any] = {
    name: column.compute() if column.compute else SCHEMES.c[column.name]
    for name, column in COLUMNS.items()
}
"""The SQL expression of each column of a record."""

ORDERS: dict[str, tuple[Any, ...]] = {
    column.sort: (EXPRESSIONS[name],) for name, column in COLUMNS.items() if column.sort
} | {"format": (func.length(SCHEMES.c.tabulated), SCHEMES.c.tabulated, SCHEMES.c.format)}
"""The SQL expressions to sort by, for each name of an order."""

FILTERED = {
    column.sort: (column.ask, EXPRESSIONS[name])
    for name, column in COLUMNS.items()
    if column.sort and column.ask
}
"""`Column.ask` and the SQL expression of each filter that compares numbers."""


def measured(scheme: Scheme) -> dict[str, Any]:
    """Return the measured columns of a scheme in canonical form, by their names in the table."""
    known = Measured(scheme)
    return {
        column.name: column.measure(known)
        for column in COLUMNS.values()
        if column.measure is not None
    }


def with_bounds(statement: sa.Select[Any]) -> sa.Select[Any]:
    """Join the known bounds to the schemes of a statement."""
    return statement.outerjoin(
        BOUND,
        sa.and_(
            BOUND.c.format == SCHEMES.c.tabulated, BOUND.c.ring == SCHEMES.c.ring, BOUND.c.current
        ),
    )


def select_records() -> sa.Select[Any]:
    """Return the statement whose rows hold the columns of records, in the order of the fields."""
    columns = (expression.label(name) for name, expression in EXPRESSIONS.items())
    return with_bounds(select(*columns).select_from(SCHEMES))


def record_of(
    row: Any,
    format_: Format,
    ring: Ring,
    load: Callable[[Record], Scheme],
    load_reduction: Callable[[Record], Reduction | None],
) -> Record:
    """Return the record of a row of `select_records`; it fetches its scheme by `load`."""
    values = [*row, load, load_reduction]
    values[_FORMAT], values[_RING] = format_, ring
    return Record(*values)
