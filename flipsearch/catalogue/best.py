"""The best schemes: of one format, and the table of all formats by rings.

Invariant: reading only; witness and bound stand side by side and are never mixed.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Row, Select, String, cast, func, literal, select, union_all
from sqlalchemy.engine import Connection
from sqlalchemy.orm import aliased

from flipsearch.catalogue.models import BoundRow, SchemeRow
from flipsearch.catalogue.queries import (
    INCLUDED,
    TENSOR_PREFIX,
    Filters,
    names_of,
    select_schemes,
)
from flipsearch.catalogue.records import Best
from flipsearch.formats import Format
from flipsearch.rings import Ring

IMPLIED = {
    **INCLUDED,
    Ring.F2: (Ring.F2, Ring.ZT, Ring.Z),
    Ring.F3: (Ring.F3, Ring.ZT, Ring.Z),
}
"""The stored rings that give a scheme of the same rank over each ring, reduction included."""


def best_row(
    connection: Connection, format_: str | Format, ring: Ring, *, exact: bool
) -> Row[Any] | None:
    """Return the row of least rank; then the asked order of the sides, then fewest additions."""
    filters = Filters(format=format_, ring=ring, exact=exact)
    as_asked = (SchemeRow.format != names_of(format_)[0]).asc()
    statement = (
        select_schemes()
        .where(*filters.conditions())
        .order_by(SchemeRow.rank, as_asked, SchemeRow.fewest, SchemeRow.id)
        .limit(1)
    )
    return connection.execute(statement).first()


def best_table(connection: Connection, rings: Sequence[Ring] = tuple(Ring)) -> list[Best]:
    """Return the least stored rank for every tabulated format and ring, beside the known bound.

    Formats come in order of size, those without any scheme included; over F2 and F3 a scheme over
    ZT or Z counts, because it reduces to one of the same rank.
    """
    ours: dict[str, dict[str, tuple[int, str]]] = {}
    for tabulated, ring, best in connection.execute(_best_of_each()).all():
        if best is not None:
            number, _, name = best.partition(" ")
            ours.setdefault(tabulated, {})[ring] = int(number), name
    current = select(BoundRow.format, BoundRow.ring, BoundRow.value).where(BoundRow.current)
    known: dict[str, dict[str, int]] = {}
    for tabulated, ring, bound in connection.execute(current).all():
        known.setdefault(tabulated, {})[ring] = bound
    table = []
    ring_of = {ring.value: ring for ring in Ring}
    implied = [(ring, ring.value, [other.value for other in IMPLIED[ring]]) for ring in rings]
    nothing: dict[str, tuple[int, str]] = {}
    unknown: dict[str, int] = {}
    for name in sorted(ours.keys() | known.keys(), key=format_order):
        here, bounds = ours.get(name, nothing), known.get(name, unknown)
        for ring, value, others in implied:
            rank, witness_hash, over = None, None, None
            for other in others if here else ():
                found = here.get(other)
                if found is not None and (rank is None or found[0] < rank):
                    (rank, witness_hash), over = found, ring_of[other]
            limit = bounds.get(value)
            if rank is not None or limit is not None:
                table.append(Best(name, ring, rank, witness_hash, over, limit))
    return table


def _best_of_each() -> Select[Any]:
    """Return (format, ring, "rank hash") for every stored format and every ring, None if none.

    The formats are found one after the other, each by one step down the index, and so is the best
    of each ring: the cost does not grow with the number of schemes. Rank and hash come as one
    text, so that the index alone gives both.
    """
    formats = select(func.min(SchemeRow.tabulated).label("name")).cte("formats", recursive=True)
    following = (
        select(func.min(SchemeRow.tabulated))
        .where(SchemeRow.tabulated > formats.c.name)
        .correlate(formats)
        .scalar_subquery()
    )
    formats = formats.union_all(select(following).where(formats.c.name.is_not(None)))
    rings = union_all(*(select(literal(ring.value).label("name")) for ring in Ring)).cte("rings")
    first = aliased(SchemeRow)
    witness = (
        select(cast(first.rank, String) + " " + first.hash)
        .where(first.tabulated == formats.c.name, first.ring == rings.c.name)
        .order_by(first.rank, first.fewest, first.id)
        .limit(1)
        .correlate(formats, rings)
        .scalar_subquery()
    )
    pairs = formats.join(rings, formats.c.name.is_not(None))
    return select(formats.c.name, rings.c.name, witness).select_from(pairs)


@lru_cache(maxsize=8192)
def format_order(name: str) -> tuple[str, tuple[int, ...], str]:
    """Return a key that sorts formats as people do: general ones first, then by their sides."""
    if name.startswith(TENSOR_PREFIX):
        return name, (), name
    operands, _, sizes = name.rpartition(":")
    sides = sizes.rstrip("abc").split("x")
    return operands, tuple(int(side) for side in sides), name
