"""What can be put into a catalogue.

Invariant: a scheme is acknowledged only after it was proved and durably committed; what was
proved but could not be committed is in a spool file.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from flipsearch.catalogue import arguments as given
from flipsearch.catalogue import bounds, programs, shipped, spool, writing
from flipsearch.catalogue.models import SchemeRow
from flipsearch.catalogue.portions import MOST_SCHEMES, bytes_of, portions
from flipsearch.catalogue.reader import Reader
from flipsearch.catalogue.records import Provenance, Run, Stored, StoredProgram
from flipsearch.catalogue.runlog import run_number
from flipsearch.errors import CatalogueError, FormatError
from flipsearch.programs import Reduction
from flipsearch.scheme import Scheme

_log = logging.getLogger(__name__)

Item = Scheme | tuple[Scheme, Provenance | None]


class Writer(Reader):
    """The writing half of `flipsearch.catalogue.Catalogue`."""

    def add(self, scheme: Scheme, provenance: Provenance | None = None) -> Stored:
        """Prove a scheme and store it durably.

        Returns
        -------
        Stored
            Where it is, and whether it is new; a scheme that is there already is not stored
            again.

        Raises
        ------
        InvalidSchemeError
            A Brent equation fails; nothing is stored.
        SpooledError
            It is valid but could not be stored; a spool file keeps it for the next start.
        """
        return self.add_many([(scheme, provenance)])[0]

    def add_many(
        self,
        schemes: Iterable[Item],
        provenance: Provenance | None = None,
        *,
        on_invalid: str = "raise",
        batch: int = MOST_SCHEMES,
        workers: int = 1,
    ) -> list[Stored]:
        """Prove many schemes and store them, a durable commit a batch.

        A batch also ends after 32 MiB of factors or 5 seconds, so that memory stays flat and a
        kill loses little.

        Parameters
        ----------
        schemes : iterable of Scheme, or of (Scheme, Provenance)
            What to store.
        provenance : Provenance, optional
            Of those that bring none.
        on_invalid : str
            ``raise`` the first `InvalidSchemeError`, after storing the valid ones of its batch;
            or ``quarantine`` the invalid ones with their reason and go on.
        batch : int
            Schemes a commit at most.
        workers : int
            Threads to prove them in.

        Returns
        -------
        list of Stored
            In the order given.
        """
        if given.text("on_invalid", on_invalid) not in ("raise", "quarantine"):
            raise ValueError(f"on_invalid must be 'raise' or 'quarantine', not {on_invalid!r}")
        _origin(provenance)
        given.whole("workers", workers, 1)
        given.whole("batch", batch, 1)
        stored: list[Stored] = []
        pairs_given = (_pair(item, provenance) for item in given.collection("schemes", schemes))
        for pairs in portions(pairs_given, lambda pair: bytes_of(pair[0]), most=batch):
            prepared = writing.prepare_many([scheme for scheme, _ in pairs], workers)
            stored += self._commit(pairs, prepared, quarantine=on_invalid == "quarantine")
            failed = next((p for p in prepared if isinstance(p, Exception)), None)
            if failed is not None and on_invalid == "raise":
                raise failed
        return stored

    def add_program(
        self, reduction: Reduction, provenance: Provenance | None = None
    ) -> StoredProgram:
        """Prove a scheme's programs and keep them with it, if they need the fewest additions.

        The scheme is stored too if it is not there. What is kept is evaluated again whenever it
        is read (`Record.reduction`).

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
        return self.add_programs([(reduction, provenance)])[0]

    def add_programs(
        self, items: Iterable[tuple[Reduction, Provenance | None]]
    ) -> list[StoredProgram]:
        """Do what `add_program` does for many, in two durable commits."""
        pairs = list(given.collection("items", items))
        for reduction, origin in pairs:
            given.instance("reduction", reduction, Reduction, "a Reduction").check()
            _origin(origin)
        stored = self.add_many([(reduction.scheme, origin) for reduction, origin in pairs])
        result = []
        if pairs:
            with self.database.writing() as connection:
                for place, (reduction, origin) in zip(stored, pairs, strict=True):
                    label = "unknown" if origin is None else origin.describe()
                    kept = programs.keep(connection, place.id, reduction, label)
                    result.append(StoredProgram(place, reduction.additions, kept))
        return result

    def _commit(
        self,
        pairs: list[tuple[Scheme, Provenance | None]],
        prepared: list[writing.Prepared | Exception],
        *,
        quarantine: bool,
    ) -> list[Stored]:
        good = [
            (p, provenance)
            for p, (_, provenance) in zip(prepared, pairs, strict=True)
            if isinstance(p, writing.Prepared)
        ]
        bad = [
            (scheme, provenance, str(p))
            for p, (scheme, provenance) in zip(prepared, pairs, strict=True)
            if not isinstance(p, writing.Prepared)
        ]
        if not good and not (bad and quarantine):
            return []
        try:
            with self.database.writing() as connection:
                stored = iter(writing.insert(connection, good))
                for scheme, provenance, reason in bad if quarantine else []:
                    writing.quarantine(
                        connection,
                        reason,
                        run=provenance.run if provenance else None,
                        source=provenance.describe() if provenance else None,
                        payload=spool.scheme_to_json(scheme, provenance),
                    )
        except CatalogueError as error:
            raise self._spooled(
                error, [(p.scheme, provenance) for p, provenance in good]
            ) from error
        rejections = iter(bad)
        result = []
        for p in prepared:
            if isinstance(p, writing.Prepared):
                result.append(next(stored))
            else:
                scheme, _, reason = next(rejections)
                result.append(Stored(0, _hash_of(scheme), False, reason))
        return result

    def _spooled(
        self, error: CatalogueError, items: list[tuple[Scheme, Provenance | None]]
    ) -> spool.SpooledError:
        path = spool.write_spool(self.place, items) if items else None
        count = f"{len(items)} scheme{'s' if len(items) != 1 else ''}"
        if path is None:
            return spool.SpooledError(f"{error}; {count} could not be kept anywhere", None)
        return spool.SpooledError(
            f"{error}; {count} not stored are kept in {path} and go in when the catalogue is "
            "next opened for writing",
            path,
        )

    def absorb(self) -> int:
        """Take in what spool files hold, prove it, remove them; return how many were new."""
        new = 0
        for path in spool.pending(self.place):
            with suppress(FileNotFoundError):  # another process was quicker
                new += self._absorb_file(path)
        return new

    def _absorb_file(self, path: Path) -> int:
        new = 0
        for chunk in portions(spool.read_spool(path), spool.weight, most=500):
            schemes = [item for item in chunk if not isinstance(item, str)]
            with self.database.writing() as connection:
                for reason in (item for item in chunk if isinstance(item, str)):
                    writing.quarantine(connection, reason, source=str(path))
                numbers = {p.run for _, p in schemes if p is not None and p.run is not None}
                known = writing.known_runs(connection, numbers)
                ours = [
                    (s, p if p is None or p.run in known else replace(p, run=None))
                    for s, p in schemes
                ]
                new += writing.insert_proved(connection, ours, str(path))
        path.unlink()
        return new

    def _absorb_if_free(self) -> None:
        try:
            new = self.absorb()
            _log.info("%d schemes taken in from spool files", new)
        except (CatalogueError, OSError) as error:
            _log.warning("spool files stay for later: %s", error)
        finally:
            self.database.release()

    def _restock_if_free(self) -> None:
        """Take in the shipped schemes that are newer than this catalogue, once."""
        folder = shipped.shipped_folder()
        if folder is None:
            return
        try:
            mark = shipped.stamp(folder)
            with self.database.reading() as connection:
                if shipped.is_taken(connection, mark):
                    return
            with self.database.writing(lease_seconds=0.0) as connection:
                if shipped.is_taken(connection, mark):
                    return
                new = shipped.take(connection, folder, mark)
            _log.info("%d schemes taken in that ship with this version", new)
        except (CatalogueError, OSError) as error:
            _log.info("shipped schemes stay for later: %s", error)
        finally:
            self.database.release()

    def quarantine(
        self,
        reason: str,
        *,
        run: int | Run | None = None,
        source: str | None = None,
        task: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> int:
        """Keep a rejected result with its reason, as JSON values; return its number."""
        values: dict[str, Any] = {
            "reason": given.text("reason", reason),
            "run": None if run is None else run_number(run),
            "source": None if source is None else given.text("source", source),
            "task": None if task is None else dict(given.mapping("task", task)),
            "payload": None if payload is None else dict(given.mapping("payload", payload)),
        }
        with self.database.writing() as connection:
            return writing.quarantine(connection, **values)

    def annotate(self, scheme: str | int, invariants: Mapping[str, Any]) -> None:
        """Add to the invariants of a stored scheme; JSON values, equal names replaced."""
        added = dict(given.mapping("invariants", invariants))
        this = SchemeRow.id == self.get(scheme).id
        with self.database.writing() as connection:
            # read in the transaction that writes, so that no other update comes between
            statement = select(SchemeRow.invariants).where(this).with_for_update()
            merged = {**(connection.execute(statement).scalar() or {}), **added}
            connection.execute(update(SchemeRow).where(this).values(invariants=merged))

    def load_directory(self, folder: Path) -> list[Stored]:
        """Store the schemes in the readable text files under a folder such as ``schemes/``."""
        return self.add_many(shipped.read_folder(Path(folder)), on_invalid="quarantine")

    def update_bounds(self, path: Path | None = None) -> int | None:
        """Load a newer table of known bounds.

        Parameters
        ----------
        path : Path, optional
            A CSV file, see `flipsearch.catalogue.bounds.parse_table`; None is the shipped table.

        Returns
        -------
        int or None
            How many bounds it holds, None if it is the newest table already.

        Raises
        ------
        FormatError
            It is no such table.
        """
        table = bounds.shipped_table() if path is None else bounds.read_table(Path(path))
        with self.database.writing() as connection:
            version = bounds.load(connection, *table)
        return None if version is None else len(table[2])


def _pair(item: Item, provenance: Provenance | None) -> tuple[Scheme, Provenance | None]:
    """Return a scheme with its provenance, or with the one of those that bring none."""
    scheme, origin = (item, None) if isinstance(item, Scheme) else _unpacked(item)
    return scheme, provenance if origin is None else origin


def _unpacked(item: Any) -> tuple[Scheme, Provenance | None]:
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], Scheme):
        raise TypeError(f"schemes must be Schemes or (Scheme, Provenance), not {item!r:.60}")
    return item[0], _origin(item[1])


def _origin(provenance: Any) -> Provenance | None:
    if provenance is None:
        return None
    return given.instance("provenance", provenance, Provenance, "a Provenance")


def _hash_of(scheme: Scheme) -> str:
    """Return the content hash; empty where the normal form needs coefficients beyond 2^62."""
    try:
        return scheme.content_hash
    except FormatError:
        return ""
