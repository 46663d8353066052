"""Store programs with few additions together with the scheme that they compute.

A scheme has at most one set of programs, the set with the fewest additions found.

Invariant: programs are stored and read only after an exact evaluation, and the scheme that they
compute has the content hash of the row. A row that fails this is damaged and never used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.engine import Connection

from flipsearch.catalogue import arguments
from flipsearch.catalogue.codec import pack_programs
from flipsearch.catalogue.columns import SCHEMES
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.intake import Stored, identifiers
from flipsearch.catalogue.provenance import Provenance, checked
from flipsearch.catalogue.schemes import Schemes
from flipsearch.catalogue.tables import PROGRAMS
from flipsearch.programs import Reduction


@dataclass(frozen=True)
class StoredProgram:
    """The outcome of storing programs: that of their scheme, and their number of additions.

    `kept` is False if the stored programs have no more additions.
    """

    scheme: Stored
    additions: int
    kept: bool


class Programs:
    """The programs of a catalogue, at `flipsearch.catalogue.Catalogue.programs`."""

    def __init__(self, database: Database, schemes: Schemes) -> None:
        self._database = database
        self._schemes = schemes

    def add(self, reduction: Reduction, provenance: Provenance | None = None) -> StoredProgram:
        """Prove a scheme's programs and store them if they have the fewest additions.

        The scheme is stored too if it is missing. `provenance` is the origin of the programs, and
        of the scheme if it is new. If a program does not compute its factor, or the scheme is not
        valid, nothing is stored and an `InvalidSchemeError` is raised.
        """
        return self.add_many([(reduction, provenance)])[0]

    def add_many(
        self, items: Iterable[tuple[Reduction, Provenance | None]]
    ) -> list[StoredProgram]:
        """Do as `add` for many reductions, in two durable commits."""
        pairs = list(arguments.collection("items", items))
        for reduction, origin in pairs:
            arguments.instance("reduction", reduction, Reduction, "a Reduction").check()
            checked(origin)
        if not pairs:
            return []
        stored = self._schemes.add_many((reduction.scheme, origin) for reduction, origin in pairs)
        with self._database.writing() as connection:
            return [
                StoredProgram(
                    place, reduction.additions, _keep(connection, place.id, reduction, origin)
                )
                for place, (reduction, origin) in zip(stored, pairs, strict=True)
            ]


def keep_proved(
    connection: Connection, items: Iterable[tuple[Reduction, Provenance | None]]
) -> None:
    """Keep evaluated programs of stored schemes if they have the fewest additions."""
    pairs = [(reduction.scheme.content_hash, reduction, origin) for reduction, origin in items]
    numbers = identifiers(connection, {name for name, _, _ in pairs})
    for name, reduction, origin in pairs:
        if name in numbers:
            _keep(connection, numbers[name], reduction, origin)


def note_composed(connection: Connection, counts: Mapping[str, int]) -> None:
    """Note the additions of programs that are composed when they are fetched, by hashes."""
    fewer = update(SCHEMES).where(SCHEMES.c.hash == bindparam("name"))
    fewer = fewer.where(SCHEMES.c.fewest > bindparam("count")).values(fewest=bindparam("count"))
    rows = [{"name": name, "count": count} for name, count in counts.items()]
    if rows:
        connection.execute(fewer, rows)


def _keep(
    connection: Connection, scheme_id: int, reduction: Reduction, origin: Provenance | None
) -> bool:
    """Store programs if they have fewer additions than the stored ones; return whether."""
    theirs = PROGRAMS.c.scheme_id == scheme_id
    held = connection.execute(select(PROGRAMS.c.additions).where(theirs)).scalar()
    if held is not None and held <= reduction.additions:
        return False
    connection.execute(delete(PROGRAMS).where(theirs))
    connection.execute(
        insert(PROGRAMS).values(
            scheme_id=scheme_id,
            additions=reduction.additions,
            data=pack_programs(reduction),
            label="unknown" if origin is None else origin.describe(),
            stored=dt.datetime.now(dt.UTC),
        )
    )
    connection.execute(
        update(SCHEMES)
        .where(SCHEMES.c.id == scheme_id, SCHEMES.c.fewest > reduction.additions)
        .values(fewest=reduction.additions)
    )
    return True
