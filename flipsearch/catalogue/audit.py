"""Is a catalogue sound? Every row's hash and proof again, on all cores.

Invariant: an audit repairs nothing. What it finds is a list of reasons; what it may write, when
asked, is the date on which sound schemes were proved again.
"""

from __future__ import annotations

import datetime as dt
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Table, bindparam, func, select
from sqlalchemy.engine import Connection

from flipsearch.algebra.cores import available_cores
from flipsearch.algebra.processes import worker_pool
from flipsearch.catalogue import arguments, lease, programs, schema, spool
from flipsearch.catalogue.database import Database
from flipsearch.catalogue.models import (
    BoundTableRow,
    FactorsRow,
    ProgramsRow,
    ProvenanceRow,
    QuarantineRow,
    RunRow,
    SchemeRow,
    TensorRow,
)
from flipsearch.catalogue.queries import TENSOR_PREFIX, names_of
from flipsearch.catalogue.reader import restored, tensor_of
from flipsearch.catalogue.structure import measured_columns
from flipsearch.catalogue.writing import growth_factor
from flipsearch.errors import CatalogueError, FlipsearchError
from flipsearch.formats import Format, parse_format
from flipsearch.rings import Ring
from flipsearch.verify import verify

_BATCH = 64
_FEW = 256
LEAST_FREE_BYTES = 1 << 28

_COLUMNS = (
    SchemeRow.id,
    SchemeRow.hash,
    SchemeRow.format,
    SchemeRow.tabulated,
    SchemeRow.ring,
    SchemeRow.rank,
    SchemeRow.nonzeros,
    SchemeRow.additions,
    SchemeRow.growth,
    SchemeRow.omega,
    SchemeRow.fewest,
    SchemeRow.calls,
    SchemeRow.gamma,
    SchemeRow.denominator,
    TensorRow.definition,
    FactorsRow.data,
    ProgramsRow.additions.label("shared"),
    ProgramsRow.data.label("programs"),
)


@dataclass(frozen=True)
class Health:
    """What a quick look at a catalogue tells; `problems` is empty when it is sound.

    `warnings` concern the machine, not the catalogue: a disk that is nearly full.
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
    """What a complete audit found: schemes checked, and (hash, reason) for each damaged one."""

    checked: int
    damaged: list[tuple[str, str]] = field(default_factory=list)
    sound: list[int] = field(default_factory=list)


def health(database: Database) -> Health:
    """Look at a catalogue: structure, sizes, spool files, who writes, free space."""
    place = database.place
    tables = {
        "schemes": SchemeRow,
        "provenance": ProvenanceRow,
        "runs": RunRow,
        "quarantine": QuarantineRow,
    }
    with database.reading() as connection:
        revision = schema.revision_of(connection, place)
        counts = {
            name: int(connection.execute(select(func.count()).select_from(model)).scalar_one())
            for name, model in tables.items()
        }
        newest = connection.execute(
            select(BoundTableRow.name).order_by(BoundTableRow.version.desc()).limit(1)
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


def _structure(connection: Connection) -> list[str]:
    """Return what the database says about its own structure."""
    problems = []
    if connection.dialect.name == "sqlite":
        found = list(connection.exec_driver_sql("PRAGMA quick_check(10)").scalars())
        problems += [f"structure: {line}" for line in found if line != "ok"]
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").all()
        problems += [f"row {row[1]} of {row[0]} refers to nothing" for row in broken[:10]]
    orphans = (
        select(func.count())
        .select_from(SchemeRow)
        .outerjoin(FactorsRow, FactorsRow.scheme_id == SchemeRow.id)
        .where(FactorsRow.scheme_id.is_(None))
    )
    if number := connection.execute(orphans).scalar_one():
        problems.append(f"{number} schemes have no factors")
    return problems


def check_row(row: tuple[Any, ...]) -> str | None:
    """Return why a row (`_COLUMNS`) is damaged, or None: hash, proof and every derived column."""
    _, name, format_name, tabulated, ring, rank, nonzeros, additions, growth, omega = row[:10]
    fewest, calls, gamma, denominator, definition, data, shared, kept = row[10:]
    format_: Format
    try:
        if format_name.startswith(TENSOR_PREFIX):
            format_ = tensor_of(format_name, definition)
        else:
            format_ = parse_format(format_name)
        scheme = restored(data, format_, Ring(ring), rank, name)
        verify(scheme)
        if kept is not None:
            programs.unpack(kept, format_, name, shared)
    except (FlipsearchError, ValueError) as error:
        return str(error)
    measured = measured_columns(scheme)
    derived = {
        "format": names_of(format_)[1] == tabulated,
        "ring": scheme.natural_ring == ring,
        "nonzeros": scheme.nonzeros == nonzeros,
        "additions": scheme.additions == additions,
        "fewest": fewest == min(additions, additions if shared is None else shared),
        "calls": measured["calls"] == calls,
        "gamma": _close(measured["gamma"], gamma),
        "denominator": denominator in (None, measured["denominator"]),
        "growth": _close(growth_factor(scheme), growth),
        "omega": _close(scheme.omega, omega),
    }
    wrong = [column for column, holds in derived.items() if not holds]
    return f"wrong in its row: {', '.join(wrong)}" if wrong else None


def _close(expected: float | None, found: float | None) -> bool:
    if expected is None or found is None:
        return expected is found
    return math.isclose(expected, found, rel_tol=1e-9)


def _check_rows(rows: list[tuple[Any, ...]]) -> list[str | None]:
    return [check_row(row) for row in rows]


def audit(
    database: Database,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Audit:
    """Check every stored scheme: hash, Brent equations, derived columns.

    Parameters
    ----------
    database : Database
        Of an open catalogue.
    workers : int, optional
        Processes; default one for each core this process may use. Few schemes are checked in
        this process.
    progress : callable, optional
        Called with (checked, total) now and then.

    Returns
    -------
    Audit
        With memory for one line per damaged scheme and one number per sound one.

    Raises
    ------
    CatalogueError
        A process was killed.
    """
    result = Audit(0)
    checked = 0
    workers = available_cores() if workers is None else arguments.whole("workers", workers, 1)
    with database.reading() as connection:
        total = int(connection.execute(select(func.count()).select_from(SchemeRow)).scalar_one())
        batches = _batches(connection)
        done: Iterator[tuple[list[tuple[Any, ...]], list[str | None]]]
        if workers == 1 or total <= _FEW:
            done = ((rows, _check_rows(rows)) for rows in batches)
        else:
            done = _in_processes(batches, workers)
        for rows, reasons in done:
            for row, reason in zip(rows, reasons, strict=True):
                if reason is None:
                    result.sound.append(row[0])
                else:
                    result.damaged.append((row[1], reason))
            checked += len(rows)
            if progress is not None:
                progress(checked, total)
    return Audit(checked, result.damaged, result.sound)


def _batches(connection: Connection) -> Iterator[list[tuple[Any, ...]]]:
    statement = (
        select(*_COLUMNS)
        .outerjoin(FactorsRow, FactorsRow.scheme_id == SchemeRow.id)
        .outerjoin(TensorRow, TensorRow.name == SchemeRow.format)
        .outerjoin(ProgramsRow, ProgramsRow.scheme_id == SchemeRow.id)
        .order_by(SchemeRow.id)
    )
    rows = connection.execution_options(yield_per=_BATCH).execute(statement)
    for batch in rows.partitions():
        yield [tuple(row) for row in batch]


def _in_processes(
    batches: Iterator[list[tuple[Any, ...]]], workers: int
) -> Iterator[tuple[list[tuple[Any, ...]], list[str | None]]]:
    """Yield checked batches as they are ready, with at most four a worker in memory."""
    from concurrent.futures import FIRST_COMPLETED, Future, wait
    from concurrent.futures.process import BrokenProcessPool

    running: dict[Future[list[str | None]], list[tuple[Any, ...]]] = {}
    with worker_pool(workers) as pool:
        try:
            for rows in batches:
                running[pool.submit(_check_rows, rows)] = rows
                if len(running) >= 4 * workers:
                    ready, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in ready:
                        yield running.pop(future), future.result()
            for future, rows in running.items():
                yield rows, future.result()
        except BrokenProcessPool:
            raise CatalogueError(
                "a process of the audit was killed, perhaps for lack of memory: try --workers 1"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def record_verified(database: Database, sound: list[int]) -> None:
    """Record that these schemes were proved again now."""
    if not sound:
        return
    table = SchemeRow.__table__
    assert isinstance(table, Table)
    statement = table.update().where(table.c.id == bindparam("number"))
    with database.writing() as connection:
        connection.execute(
            statement.values(verified=dt.datetime.now(dt.UTC)),
            [{"number": number} for number in sound],
        )
