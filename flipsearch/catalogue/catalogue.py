"""Open a catalogue and give access to its schemes, runs, bounds and programs.

Opening finds the database and makes or migrates it. Opening for writing also stores the schemes of
spool files and newly shipped schemes. Reading never takes a lock. The first write takes the lease
of the one writer, and keeps it until the catalogue is closed.

Invariant: every scheme is proved before it is stored, and its hash is checked when it is read.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from flipsearch.catalogue import schema, spool
from flipsearch.catalogue import shipped as shipping
from flipsearch.catalogue.bounds import Bounds
from flipsearch.catalogue.columns import Record
from flipsearch.catalogue.connection import PATIENCE_SECONDS, Database
from flipsearch.catalogue.places import Place, resolve
from flipsearch.catalogue.programs import Programs
from flipsearch.catalogue.runs import Runs
from flipsearch.catalogue.schemes import Schemes
from flipsearch.errors import CatalogueError, NotFoundError
from flipsearch.formats import Format, is_product, parse_format
from flipsearch.formats.named import format_of
from flipsearch.rings import Ring

if TYPE_CHECKING:
    from flipsearch.catalogue import audit as auditing
    from flipsearch.constructors.blocks import BlockMaker

_log = logging.getLogger(__name__)


class Catalogue:
    """An open catalogue, made by `Catalogue.open`; use it as a context manager, or `close` it.

    `schemes` holds the proved schemes, `runs` the searches with their checkpoints and rejected
    results, `bounds` the known bounds of the literature, and `programs` programs with fewer
    additions. `database` holds the connections.
    """

    def __init__(self, database: Database) -> None:
        self.database = database
        self.schemes = Schemes(database)
        self.runs = Runs(database)
        self.bounds = Bounds(database)
        self.programs = Programs(database, self.schemes)

    @classmethod
    def open(
        cls,
        address: str | os.PathLike[str] | None = None,
        *,
        read_only: bool = False,
        patience: float = PATIENCE_SECONDS,
        shipped: bool = True,
    ) -> Self:
        """Open a catalogue; make or migrate it if necessary.

        Parameters
        ----------
        address : str or path, optional
            The path of an SQLite file, a URL, or ``:memory:`` for a catalogue that is lost when it
            is closed. By default FLIPSEARCH_DB, or else the usual place: ``db/`` of a checkout, or
            the user's data folder once installed.
        read_only : bool
            Refuse to write. A missing catalogue is then made at the usual place only.
        patience : float
            Seconds to wait while another program locks the database.
        shipped : bool
            Store the schemes that ship with the program, if they are missing.

        Raises
        ------
        NotFoundError
            `read_only` is set and the file does not exist.
        CatalogueError
            The database is no catalogue, or newer than this program, damaged or out of reach.

        Examples
        --------
        >>> from flipsearch.scheme import naive_scheme
        >>> with Catalogue.open(":memory:", shipped=False) as catalogue:
        ...     stored = catalogue.schemes.add(naive_scheme("2x2x2", "F2"))
        ...     catalogue.best("2x2x2", "F2").rank
        8
        """
        place = resolve(address)
        path = None if place.is_default else place.path
        if read_only and path is not None and not path.exists():
            raise NotFoundError(
                f"there is no catalogue {place.label}: check --db and FLIPSEARCH_DB; "
                "commands that store, such as search and import, make one"
            )
        database = Database(place, read_only=read_only, patience=patience)
        try:
            schema.make_ready(database, shipped)
            catalogue = cls(database)
            if not read_only:
                catalogue._absorb()
                if shipped:
                    catalogue._restock()
        except BaseException:
            database.close()
            raise
        return catalogue

    def best(
        self, format_: str | Format, ring: str | Ring | None = None, *, exact: bool = False
    ) -> Record | None:
        """Return the stored scheme of least rank for a format; see `Schemes.best`."""
        return self.schemes.best(format_, ring, exact=exact)

    def format(self, value: str | os.PathLike[str] | Format) -> Format:
        """Return the format of a name; that of a stored tensor by its definition.

        A path or a format is taken too: see `flipsearch.formats.named.format_of`. Anything else
        raises a `UsageError`.
        """
        held = self.schemes.tensor(value) if isinstance(value, str) else None
        return format_of(value) if held is None else held

    def blocks(self, ring: Ring) -> BlockMaker:
        """Return a maker of schemes over a ring from blocks of the stored schemes and formulas."""
        from flipsearch.constructors.blocks import BlockMaker, Blocks

        held = {
            parse_format(cell.format): (cell.rank, cell.hash)
            for cell in self.schemes.best_table((ring,))
            if cell.rank is not None and cell.hash is not None and is_product(cell.format)
        }
        return BlockMaker(Blocks(ring, held), lambda name: self.schemes.get(name).scheme)

    @property
    def place(self) -> Place:
        """The address of the catalogue."""
        return self.database.place

    def close(self) -> None:
        """Close the connections and release the lease; later calls do nothing."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Catalogue {self.place.label}>"

    def health(self) -> auditing.Health:
        """Check structure, sizes, spool files, the writer and free space quickly."""
        from flipsearch.catalogue import audit as auditing

        return auditing.health(self.database)

    def audit(
        self, *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
    ) -> auditing.Audit:
        """Check every scheme's hash, proof and columns again; see `flipsearch.catalogue.audit`."""
        from flipsearch.catalogue import audit as auditing

        return auditing.audit(self.database, workers=workers, progress=progress)

    def record_verified(self, result: auditing.Audit) -> None:
        """Record that the sound schemes of an audit were proved again now."""
        from flipsearch.catalogue import audit as auditing

        auditing.record_verified(self.database, result)

    def _absorb(self) -> None:
        """Store the schemes of spool files, unless another process is writing."""
        if not spool.pending(self.place):
            return
        try:
            new = self.schemes.absorb()
            _log.info("%d schemes taken in from spool files", new)
        except (CatalogueError, OSError) as error:
            _log.warning("spool files stay for later: %s", error)
        finally:
            self.database.release()

    def _restock(self) -> None:
        """Store the shipped schemes that this catalogue has not taken in yet."""
        folder = shipping.shipped_folder()
        if folder is None:
            return
        try:
            mark = shipping.stamp(folder)
            with self.database.reading() as connection:
                if shipping.is_taken(connection, mark):
                    return
            with self.database.writing(lease_seconds=0.0) as connection:
                if shipping.is_taken(connection, mark):
                    return
                new = shipping.take(connection, folder, mark)
            _log.info("%d schemes taken in that ship with this version", new)
        except (CatalogueError, OSError) as error:
            _log.info("shipped schemes stay for later: %s", error)
        finally:
            self.database.release()
