"""Catalogue: the door to everything that is stored.

Opening finds the database, makes or migrates it, and, for writing, takes in what an earlier
failure left in spool files and what the program ships that is new. Reading never takes a lock; the
first write takes the lease of the one writer, which is held until the catalogue is closed.

Invariant: what comes out was proved when it went in, and its hash is checked on the way out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Self

from flipsearch.catalogue import audit as auditing
from flipsearch.catalogue import bounds, schema, shipped, spool, structure
from flipsearch.catalogue.database import PATIENCE_SECONDS, Database
from flipsearch.catalogue.places import resolve
from flipsearch.catalogue.runlog import RunLog
from flipsearch.catalogue.writer import Writer
from flipsearch.errors import CatalogueError, NotFoundError

_CREATION_SECONDS = 60.0


class Catalogue(Writer, RunLog):
    """An open catalogue; use it as a context manager, or `close` it.

    Make one with `Catalogue.open`. What can be asked is in `Reader`, what can be stored in
    `Writer`, what a search records in `RunLog`.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self._tensors = {}

    @classmethod
    def open(
        cls,
        address: str | os.PathLike[str] | None = None,
        *,
        read_only: bool = False,
        patience: float = PATIENCE_SECONDS,
    ) -> Self:
        """Open a catalogue, made and migrated if need be.

        Parameters
        ----------
        address : str or path, optional
            The path of an SQLite file, a URL, or None for FLIPSEARCH_DB and then the usual place:
            ``db/`` of a checkout, the user's data folder once installed.
        read_only : bool
            Refuse to write afterwards. Only the catalogue at the usual place is made if it is
            not there.
        patience : float
            Seconds to wait while another program holds the database locked.

        Raises
        ------
        NotFoundError
            There is no file of that name, and it was to be read only.
        CatalogueError
            It is not a catalogue, newer than this program, damaged, out of reach, ...
        """
        place = resolve(address)
        if (
            read_only
            and place.path is not None
            and not place.is_default
            and not place.path.exists()
        ):
            raise NotFoundError(
                f"there is no catalogue {place.label}: check --db and FLIPSEARCH_DB; "
                "commands that store, such as search and import, make one"
            )
        database = Database(place, read_only=read_only, patience=patience)
        try:
            _make_ready(database)
            catalogue = cls(database)
            if not read_only:
                if spool.pending(place):
                    catalogue._absorb_if_free()
                catalogue._restock_if_free()
        except BaseException:
            database.close()
            raise
        return catalogue

    def close(self) -> None:
        """Close the connections and let other processes write; later calls do nothing."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def health(self) -> auditing.Health:
        """Look at structure, sizes, spool files, the writer and free space."""
        return auditing.health(self.database)

    def audit(
        self,
        *,
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> auditing.Audit:
        """Check every scheme's hash, proof and columns again; see `flipsearch.catalogue.audit`."""
        return auditing.audit(self.database, workers=workers, progress=progress)

    def record_verified(self, result: auditing.Audit) -> None:
        """Record that the schemes an audit found sound were proved again now."""
        auditing.record_verified(self.database, result.sound)

    def __repr__(self) -> str:
        return f"<Catalogue {self.place.label}>"


def _make_ready(database: Database) -> None:
    """Make the newest schema be there; the usual case is one small query."""
    place = database.place
    if place.path is not None and place.path.is_dir():
        raise CatalogueError(f"{place.path} is a folder: give the path of a file with --db")
    if place.path is not None and place.path.exists() and not place.path.is_file():
        raise CatalogueError(f"{place.path} is no regular file: give another path with --db")
    if place.path is None or (place.path.exists() and place.path.stat().st_size):
        with database.reading() as connection:
            if schema.revision_of(connection, place) == schema.NEWEST:
                return
    if place.path is not None:
        try:
            place.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CatalogueError(
                f"cannot make the folder {place.path.parent}: {error.strerror or error}; choose "
                "another catalogue with --db"
            ) from None
    if not database.read_only:
        _make(database)
        return
    maker = Database(place, patience=database.patience)
    try:
        _make(maker)
    finally:
        maker.close()


def _make(database: Database) -> None:
    """Make or migrate the tables; a fresh one gets bounds and schemes in the same transaction."""
    with database.writing(lease_seconds=_CREATION_SECONDS) as connection:
        if not database.place.is_sqlite:
            # two programs that open an empty database at once take turns
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({schema.APPLICATION_ID})")
        before = schema.revision_of(connection, database.place)
        if before == schema.NEWEST:
            return
        schema.migrate(connection)
        if before is not None:
            structure.fill_in(connection)
        else:
            bounds.load(connection, *bounds.shipped_table())
            folder = shipped.shipped_folder()
            if folder is not None:
                shipped.take(connection, folder, shipped.stamp(folder))
    database.release()
