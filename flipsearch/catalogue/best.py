"""Find the best scheme of a format, and make the table of all formats by rings.

Invariant: this module only reads. Witnesses and bounds are never mixed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from operator import itemgetter
from typing import Any

from sqlalchemy import ColumnElement, Select, String, and_, cast, func, or_, select
from sqlalchemy.engine import Connection

from flipsearch.catalogue.arguments import TENSOR_PREFIX, names_of
from flipsearch.catalogue.columns import SCHEMES, select_records
from flipsearch.catalogue.filters import INCLUDED, Filters
from flipsearch.catalogue.tables import BOUNDS
from flipsearch.formats import Format
from flipsearch.rings import Ring

IMPLIED = {
    **INCLUDED,
    Ring.F2: (Ring.F2, Ring.ZT, Ring.Z, Ring.Q),
    Ring.F3: (Ring.F3, Ring.ZT, Ring.Z, Ring.Q),
}
"""The stored rings that give a scheme over each ring, including by reduction.

Over F2 and F3 a scheme over Q counts if the characteristic divides none of its denominators.
"""


@dataclass(frozen=True)
class Best:
    """One cell of the table of formats by rings: our best rank and the known bound.

    `format` has its sides in ascending order. `rank`, `hash` and `over` are None if no scheme is
    stored. `over` is the ring of the stored witness: a subring, or over F2 and F3 possibly ZT, Z
    or Q.
    """

    format: str
    ring: Ring
    rank: int | None
    hash: str | None
    over: Ring | None
    known_bound: int | None

    @property
    def gap(self) -> int | None:
        """The rank minus the known bound, or None if one of them is missing."""
        if self.rank is None or self.known_bound is None:
            return None
        return self.rank - self.known_bound


def _counting(ring: Ring) -> ColumnElement[bool]:
    """Return the condition that a stored scheme is over a ring or reduces to it."""
    held = SCHEMES.c.ring.in_([other.value for other in IMPLIED[ring]])
    p = ring.characteristic
    if not p:
        return held
    return and_(held, or_(SCHEMES.c.ring != Ring.Q.value, SCHEMES.c.denominator % p != 0))


def best_of(format_: str | Format, ring: Ring, *, exact: bool) -> Select[Any]:
    """Return the statement for the record of least rank.

    Among equal ranks, schemes over F2 or F3 itself come before schemes that reduce to it; then
    the given order of the sides comes first; then the fewest additions.
    """
    filters = Filters(format=format_, exact=exact)
    as_asked = (SCHEMES.c.format != names_of(format_)[0]).asc()
    native = [(SCHEMES.c.ring != ring.value).asc()] if ring.characteristic else []
    return (
        select_records()
        .where(*filters.conditions, _counting(ring))
        .order_by(SCHEMES.c.rank, *native, as_asked, SCHEMES.c.fewest, SCHEMES.c.id)
        .limit(1)
    )


def best_table(connection: Connection, rings: Sequence[Ring] = tuple(Ring)) -> list[Best]:
    """Return the least stored rank and the known bound for every tabulated format and ring.

    Formats come in order of size, including formats without a scheme. Over F2 and F3 a scheme
    over ZT, Z or Q counts if it reduces to the field.
    """
    ours = {
        name: [
            None if text is None else _witness(text, over)
            for (over, _), text in zip(KINDS, texts, strict=True)
        ]
        for name, *texts in connection.execute(_best_of_each()).all()
    }
    known: dict[str, dict[str, int]] = {}
    current = select(BOUNDS.c.format, BOUNDS.c.ring, BOUNDS.c.value).where(BOUNDS.c.current)
    for name, value, bound in connection.execute(current).all():
        known.setdefault(name, {})[value] = bound
    counting = [
        (ring, ring.value, [KINDS.index(_kind(held, ring)) for held in IMPLIED[ring]])
        for ring in rings
    ]
    table = []
    for name in sorted(ours.keys() | known.keys(), key=format_order):
        here, bounds = ours.get(name), known.get(name, {})
        for ring, value, kinds in counting:
            held = [found for kind in kinds if (found := here[kind])] if here else ()
            bound = bounds.get(value)
            if held or bound is not None:
                rank, witness, over = min(held, key=itemgetter(0), default=(None, None, None))
                table.append(Best(name, ring, rank, witness, over, bound))
    return table


def _witness(text: str, over: Ring) -> tuple[int, str, Ring]:
    """Return the rank, the hash and the ring of a text of `_best_of_each`."""
    rank, _, name = text.partition(" ")
    return int(rank), name, over


Kind = tuple[Ring, int]
"""A ring of stored schemes and 1, or Q and a prime that divides no denominator."""


def _kind(held: Ring, wanted: Ring) -> Kind:
    """Return the kind of the schemes over `held` that count over a ring."""
    return held, wanted.characteristic if held is Ring.Q and wanted.characteristic else 1


KINDS = list(dict.fromkeys(_kind(held, ring) for ring in Ring for held in IMPLIED[ring]))


@cache
def _best_of_each() -> Select[Any]:
    """Return every stored format, and for each of `KINDS` the text "rank hash" of its best scheme.

    The text is None for a kind without schemes. One step in the index finds each format, and one
    the best scheme of each kind. The cost therefore does not grow with the number of schemes,
    except for schemes over Q that the prime excludes. Rank and hash are one text, which the index
    alone gives.
    """
    formats = select(func.min(SCHEMES.c.tabulated).label("name")).cte("formats", recursive=True)
    following = (
        select(func.min(SCHEMES.c.tabulated))
        .where(SCHEMES.c.tabulated > formats.c.name)
        .correlate(formats)
        .scalar_subquery()
    )
    formats = formats.union_all(select(following).where(formats.c.name.is_not(None)))
    witnesses = []
    for ring, prime in KINDS:
        s = SCHEMES.alias().c
        first = select(cast(s.rank, String) + " " + s.hash).where(
            s.tabulated == formats.c.name, s.ring == ring.value
        )
        if prime > 1:
            first = first.where(s.denominator % prime != 0)
        first = first.order_by(s.rank, s.fewest, s.id).limit(1).correlate(formats)
        witnesses.append(first.scalar_subquery())
    return select(formats.c.name, *witnesses).where(formats.c.name.is_not(None))


@lru_cache(maxsize=8192)
def format_order(name: str) -> tuple[str, tuple[int, ...], str]:
    """Return a key that sorts general formats first, and then formats by their sides."""
    if name.startswith(TENSOR_PREFIX):
        label = name.split(":")[1]
        return (
            TENSOR_PREFIX + re.sub(r"\d+", "", label),
            tuple(int(number) for number in re.findall(r"\d{1,9}", label)),
            name,
        )
    operands, _, sizes = name.rpartition(":")
    sides = sizes.rstrip("abc").split("x")
    return operands, tuple(int(side) for side in sides), name
