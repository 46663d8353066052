"""Prove schemes and store them in batches.

Invariant: a scheme is acknowledged only after it was proved and durably committed. A spool file
keeps the proved schemes of a batch that could not be committed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from flipsearch.catalogue import intake, spool
from flipsearch.catalogue.codec import scheme_to_json
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.intake import CHUNK, Prepared, Stored
from flipsearch.catalogue.portions import bytes_of, portions
from flipsearch.catalogue.provenance import Provenance, checked
from flipsearch.errors import CatalogueError, FormatError
from flipsearch.scheme import Scheme

Pair = tuple[Scheme, Provenance | None]


def pair(item: Any, provenance: Provenance | None) -> Pair:
    """Return a scheme with its own provenance, or else the common one."""
    if isinstance(item, Scheme):
        return item, provenance
    if not isinstance(item, tuple | list) or len(item) != 2 or not isinstance(item[0], Scheme):
        raise TypeError(f"schemes must be Schemes or (Scheme, Provenance), not {item!r:.60}")
    origin = checked(item[1])
    return item[0], provenance if origin is None else origin


def store(
    database: Database, given: Iterable[Pair], *, quarantine: bool, batch: int, workers: int
) -> list[Stored]:
    """Prove and store schemes; see `flipsearch.catalogue.schemes.Schemes.add_many`."""
    stored: list[Stored] = []
    for pairs in portions(given, lambda one: bytes_of(one[0]), most=batch):
        proved = intake.prepare_many([scheme for scheme, _ in pairs], workers)
        stored += _commit(database, pairs, proved, quarantine=quarantine)
        failed = next((found for found in proved if isinstance(found, Exception)), None)
        if failed is not None and not quarantine:
            raise failed
    return stored


def absorb(database: Database) -> int:
    """Prove and store the schemes in spool files and remove the files; return new schemes."""
    new = 0
    for path in spool.pending(database.place):
        with suppress(FileNotFoundError):  # another process was quicker
            new += _absorb_file(database, path)
    return new


def _commit(
    database: Database,
    pairs: Sequence[Pair],
    proved: Sequence[Prepared | Exception],
    *,
    quarantine: bool,
) -> list[Stored]:
    """Store the proved schemes; return the outcomes of all schemes, in order."""
    outcomes = [(*one, found) for one, found in zip(pairs, proved, strict=True)]
    good = [(found, origin) for _, origin, found in outcomes if isinstance(found, Prepared)]
    if not good and not (quarantine and outcomes):
        return []
    try:
        with database.writing() as connection:
            stored = iter(intake.insert(connection, good))
            for scheme, origin, found in outcomes if quarantine else []:
                if not isinstance(found, Prepared):
                    intake.quarantine(
                        connection,
                        str(found),
                        run=origin.run if origin else None,
                        source=origin.describe() if origin else None,
                        payload=scheme_to_json(scheme, origin),
                    )
    except CatalogueError as error:
        kept = [(found.scheme, origin) for found, origin in good]
        raise _spooled(database, error, kept) from error
    return [
        next(stored)
        if isinstance(found, Prepared)
        else Stored(0, _hash_of(scheme), False, str(found))
        for scheme, _, found in outcomes
    ]


def _spooled(database: Database, error: CatalogueError, items: list[Pair]) -> spool.SpooledError:
    path = spool.write_spool(database.place, items) if items else None
    count = f"{len(items)} scheme{'s' if len(items) != 1 else ''}"
    if path is None:
        return spool.SpooledError(f"{error}; {count} could not be kept anywhere", None)
    return spool.SpooledError(
        f"{error}; {count} not stored are kept in {path} and go in when the catalogue is "
        "next opened for writing",
        path,
    )


def _absorb_file(database: Database, path: Path) -> int:
    new = 0
    for portion in portions(spool.read_spool(path), spool.weight, most=CHUNK):
        schemes = [item for item in portion if not isinstance(item, str)]
        with database.writing() as connection:
            for reason in (item for item in portion if isinstance(item, str)):
                intake.quarantine(connection, reason, source=str(path))
            numbers = {p.run for _, p in schemes if p is not None and p.run is not None}
            known = intake.known_runs(connection, numbers)
            ours = [
                (s, p if p is None or p.run in known else replace(p, run=None)) for s, p in schemes
            ]
            new += intake.insert_proved(connection, ours, str(path))
    path.unlink()
    return new


def _hash_of(scheme: Scheme) -> str:
    """Return the content hash; empty if the normal form needs coefficients beyond 2^62."""
    try:
        return scheme.content_hash
    except FormatError:
        return ""
