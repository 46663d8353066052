"""Check whether a catalogue is sound: compute every row's hash and proof again, on all cores.

Invariant: an audit repairs nothing and returns the reasons of all damage. On request it records
the date at which sound schemes were proved again.
"""

from __future__ import annotations

import datetime as dt
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Table, bindparam, func, select, update
from sqlalchemy.engine import Connection

from flipsearch.algebra.cores import available_cores
from flipsearch.algebra.processes import computed
from flipsearch.catalogue import arguments, lease, schema, spool
from flipsearch.catalogue.codec import format_of, recipe_in, restored, unpack_programs
from flipsearch.catalogue.columns import SCHEMES, measured
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.tables import (
    BOUND_TABLES,
    FACTORS,
    PROGRAMS,
    PROVENANCE,
    QUARANTINE,
    RUNS,
    TENSORS,
)
from flipsearch.errors import FlipsearchError
from flipsearch.rings import Ring
from flipsearch.verify import verify

_BATCH = 64
_FEW = 256
LEAST_FREE_BYTES = 1 << 28
_NOT_AUDITED = ("stored", "verified", "invariants", "workers", "survives")
_COLUMNS = (
    *(column for column in SCHEMES.c if column.name not in _NOT_AUDITED),
    TENSORS.c.definition,
    FACTORS.c.data,
    PROGRAMS.c.additions.label("shared"),
    PROGRAMS.c.data.label("programs"),
)
Row = dict[str, Any]


@dataclass(frozen=True)
class Health:
    """Findings of a quick check of a catalogue; `problems` is empty if it is sound.

    `warnings` concern the machine, not the catalogue, for instance a nearly full disk.
    """

    place: str
    revision: str | None
    counts: dict[str, int]
    bounds: str | None
    spool_files: list[str]
    writer: str | None
    free_bytes: int | None
    problems: list[str]
    warnings: list[str]


@dataclass(frozen=True)
class Audit:
    """Findings of a complete audit: (hash, reason) of damaged rows, row numbers of sound ones."""

    checked: int
    damaged: list[tuple[str, str]]
    sound: list[int]


def health(database: Database) -> Health:
    """Check a catalogue quickly: structure, sizes, spool files, writer and free space."""
    place = database.place
    with database.reading() as connection:
        revision = schema.revision_of(connection, place)
        counts = {
            table.name: _count(connection, table)
            for table in (SCHEMES, PROVENANCE, RUNS, QUARANTINE)
        }
        newest = connection.execute(
            select(BOUND_TABLES.c.name).order_by(BOUND_TABLES.c.version.desc()).limit(1)
        ).scalar()
        problems = _structure(connection)
    free = None if place.path is None else shutil.disk_usage(place.path.parent).free
    warnings = []
    if free is not None and free < LEAST_FREE_BYTES:
        warnings.append(f"only {free >> 20} MB free on the disk of the catalogue")
    held = place.lock is not None and lease.is_held(place.lock)
    return Health(
        place=place.label,
        revision=revision,
        counts=counts,
        bounds=newest,
        spool_files=[str(path) for path in spool.pending(place)],
        writer=(lease.holder(place.lock) or "a process") if held and place.lock else None,
        free_bytes=free,
        problems=problems,
        warnings=warnings,
    )


def _count(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def _structure(connection: Connection) -> list[str]:
    """Return the faults that the database finds in its own structure."""
    problems = []
    if connection.dialect.name == "sqlite":
        found = list(connection.exec_driver_sql("PRAGMA quick_check(10)").scalars())
        problems += [f"structure: {line}" for line in found if line != "ok"]
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        problems += [f"row {row[1]} of {row[0]} refers to nothing" for row in broken[:10]]
    orphans = (
        select(func.count())
        .select_from(SCHEMES)
        .outerjoin(FACTORS, FACTORS.c.scheme_id == SCHEMES.c.id)
        .where(FACTORS.c.scheme_id.is_(None))
    )
    if number := connection.execute(orphans).scalar_one():
        problems.append(f"{number} schemes have no factors")
    return problems


def check_row(row: Row) -> str | None:
    """Check the hash, proof and measured columns of a row of `_COLUMNS`; return any damage."""
    name, shared = row["hash"], row["shared"]
    if recipe_in(row["data"]) is not None:
        return None  # proved when it is made
    try:
        format_ = format_of(row["format"], row["definition"])
        scheme = restored(row["data"], format_, Ring(row["ring"]), row["rank"], name)
        verify(scheme)
        if row["programs"] is not None:
            unpack_programs(row["programs"], format_, name, shared)
    except (FlipsearchError, ValueError) as error:
        return str(error)
    expected = measured(scheme) | {"ring": scheme.natural_ring}
    if shared is not None:
        expected["fewest"] = min(shared, expected["fewest"])
    for column in ("denominator", "greatest_denominator"):
        if row[column] is None:  # an older program could not measure it
            del expected[column]
    wrong = [column for column, value in expected.items() if not _same(value, row[column])]
    return f"wrong in its row: {', '.join(wrong)}" if wrong else None


def _same(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and isinstance(found, int | float):
        return math.isclose(expected, found, rel_tol=1e-9)
    return bool(expected == found)


def _check_rows(rows: list[Row]) -> list[str | None]:
    return [check_row(row) for row in rows]


def audit(
    database: Database,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Check every stored scheme: hash, Brent equations and measured columns.

    The audit runs in `workers` processes, by default one for each core that this process may use,
    and checks up to `_FEW` schemes in this process. It calls `progress` with (checked, total)
    after each batch. A killed process raises a
    `WorkerKilledError`.
    """
    checked, damaged, sound = 0, [], []
    workers = available_cores() if workers is None else arguments.whole("workers", workers, 1)
    with database.reading() as connection:
        total = _count(connection, SCHEMES)
        batches = _batches(connection)
        done: Iterator[tuple[list[Row], list[str | None]]]
        if workers == 1 or total <= _FEW:
            done = ((rows, _check_rows(rows)) for rows in batches)
        else:
            done = computed(_check_rows, batches, workers, "the audit")
        for rows, reasons in done:
            for row, reason in zip(rows, reasons, strict=True):
                if reason is None and recipe_in(row["data"]) is not None:
                    continue
                if reason is None:
                    sound.append(row["id"])
                else:
                    damaged.append((row["hash"], reason))
            checked += len(rows)
            if progress is not None:
                progress(checked, total)
    return Audit(checked, damaged, sound)


def _batches(connection: Connection) -> Iterator[list[Row]]:
    number = SCHEMES.c.id
    statement = (
        select(*_COLUMNS)
        .outerjoin(FACTORS, FACTORS.c.scheme_id == number)
        .outerjoin(TENSORS, TENSORS.c.name == SCHEMES.c.format)
        .outerjoin(PROGRAMS, PROGRAMS.c.scheme_id == number)
        .order_by(number)
    )
    rows = connection.execution_options(yield_per=_BATCH).execute(statement)
    for batch in rows.mappings().partitions():
        yield [dict(row) for row in batch]


def record_verified(database: Database, result: Audit) -> None:
    """Record that the sound schemes of an audit were proved again now."""
    if not result.sound:
        return
    statement = update(SCHEMES).where(SCHEMES.c.id == bindparam("number"))
    with database.writing() as connection:
        connection.execute(
            statement.values(verified=dt.datetime.now(dt.UTC)),
            [{"number": number} for number in result.sound],
        )
