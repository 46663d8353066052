"""Programs with fewer additions, kept with the scheme they compute.

A scheme has at most one set of programs: those with the fewest additions that were found.

Invariant: programs go in and come out only after they were evaluated exactly and the scheme they
make has the content hash of the row. A row that does not pass is damaged, never used.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import delete, insert, select, update
from sqlalchemy.engine import Connection

from flipsearch.catalogue import arguments
from flipsearch.catalogue.codec import pack_programs
from flipsearch.catalogue.columns import SCHEMES
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.intake import Stored
from flipsearch.catalogue.provenance import Provenance, checked
from flipsearch.catalogue.schemes import Schemes
from flipsearch.catalogue.tables import PROGRAMS
from flipsearch.programs import Reduction


@dataclass(frozen=True)
class StoredProgram:
    """The outcome for programs that were handed to the writer.

    Parameters
    ----------
    scheme : Stored
        Where their scheme is.
    additions : int
        How many they need.
    kept : bool
        Whether they are the ones kept now; False if others need no more additions.
    """

    scheme: Stored
    additions: int
    kept: bool


class Programs:
    """The programs of a catalogue: `flipsearch.catalogue.Catalogue.programs`."""

    def __init__(self, database: Database, schemes: Schemes) -> None:
        self._database = database
        self._schemes = schemes

    def add(self, reduction: Reduction, provenance: Provenance | None = None) -> StoredProgram:
        """Prove a scheme's programs and keep them with it, if they need the fewest additions.

        The scheme is stored too if it is not there.

        Parameters
        ----------
        reduction : Reduction
            Programs and the scheme they compute.
        provenance : Provenance, optional
            Where the programs came from; also the scheme's, if it is new.

        Raises
        ------
        InvalidSchemeError
            A program does not compute its factor, or the scheme is none; nothing is stored.
        """
        return self.add_many([(reduction, provenance)])[0]

    def add_many(
        self, items: Iterable[tuple[Reduction, Provenance | None]]
    ) -> list[StoredProgram]:
        """Do as `add` for many, in two durable commits."""
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


def _keep(
    connection: Connection, scheme_id: int, reduction: Reduction, origin: Provenance | None
) -> bool:
    """Keep programs if they need fewer additions than those that are kept; say whether."""
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
