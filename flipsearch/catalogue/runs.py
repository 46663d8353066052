"""The record of searches: parameters, signs of life, checkpoints.

A run is never marked as interrupted by anybody: that it is follows from its process being gone
or its heartbeat being old, whenever somebody looks. So nothing needs cleaning up after a kill,
and a jump of the clock is forgotten at the next heartbeat.
"""

from __future__ import annotations

import datetime as dt
import os
import socket
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.engine import Connection

from flipsearch.catalogue.models import RunRow
from flipsearch.catalogue.packing import pack_state, unpack_state
from flipsearch.catalogue.queries import run_number, within_database
from flipsearch.catalogue.records import Run
from flipsearch.errors import CatalogueError, FormatError, NotFoundError, UsageError
from flipsearch.rings import Ring

STALE_SECONDS = 60.0
ENDINGS = ("done", "interrupted", "failed")

_COLUMNS = [column for column in RunRow.__table__.columns if column.name != "checkpoint"]


def process_identity(pid: int | None = None) -> str:
    """Return a name of a process that no later one shares: host, boot, number, start time."""
    pid = pid or os.getpid()
    return f"{_machine()}/{pid}/{_started(pid) or ''}"


@lru_cache(maxsize=1)
def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        boot = ""
    return f"{socket.gethostname()}/{boot}"


def _started(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def is_gone(identity: str | None) -> bool:
    """Whether the process certainly does not run any more; False when that cannot be known."""
    if not identity or not Path("/proc/self/stat").exists():
        return False
    machine, pid, started = identity.rsplit("/", 2)
    if machine != _machine() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started


def run_of(row: Row[Any], now: dt.datetime) -> Run:
    """Return the run a row describes, as it stands at `now`."""
    status = row.status
    if status == "running":
        silent = (now - row.heartbeat).total_seconds()
        if silent > STALE_SECONDS or is_gone(row.process):
            status = "interrupted"
    return Run(
        id=row.id,
        name=row.name,
        format=row.format,
        ring=Ring(row.ring),
        strategy=row.strategy,
        seed=None if row.seed is None else int(row.seed),
        parameters=row.parameters,
        status=status,
        started=row.started,
        heartbeat=row.heartbeat,
        finished=row.finished,
        checkpointed=row.checkpointed,
        flips=row.flips,
        seconds=row.seconds,
        best_rank=row.best_rank,
        message=row.message,
    )


def find_run(connection: Connection, run: int | str) -> Run | None:
    """Return a run by number or name, or None."""
    statement = select(*_COLUMNS)
    number = run_number(run)
    if number is not None:
        statement = statement.where(RunRow.id == within_database(number))
    else:
        statement = statement.where(RunRow.name == run)
    row = connection.execute(statement).first()
    return None if row is None else run_of(row, dt.datetime.now(dt.UTC))


def all_runs(connection: Connection, limit: int | None = None) -> list[Run]:
    """Return the runs, latest first."""
    now = dt.datetime.now(dt.UTC)
    statement = select(*_COLUMNS).order_by(RunRow.id.desc())
    if limit is not None:
        statement = statement.limit(within_database(limit))
    return [run_of(row, now) for row in connection.execute(statement)]


def start(
    connection: Connection,
    format_: str,
    ring: Ring,
    *,
    strategy: str,
    parameters: Mapping[str, Any],
    seed: int | None,
    name: str | None,
) -> Run:
    """Record a new run, running in this process."""
    if name is not None:
        if not name.strip() or name.isdecimal() or len(name) > 200:
            raise UsageError("a run's name must be 1 to 200 characters and not a number")
        if find_run(connection, name) is not None:
            raise UsageError(f"there is a run {name!r} already: resume it, or choose another name")
    now = dt.datetime.now(dt.UTC)
    result = connection.execute(
        insert(RunRow).values(
            name=name,
            format=format_,
            ring=ring.value,
            strategy=strategy,
            seed=None if seed is None else str(seed),
            parameters=dict(parameters),
            status="running",
            started=now,
            heartbeat=now,
            flips=0,
            seconds=0.0,
            process=process_identity(),
        )
    )
    return require(connection, int(result.inserted_primary_key[0]))  # type: ignore[index]


def require(connection: Connection, run: int | str) -> Run:
    """Return a run by number or name.

    Raises
    ------
    NotFoundError
        There is no such run.
    """
    found = find_run(connection, run)
    if found is None:
        raise NotFoundError(f"there is no run {run!r}: flipsearch runs lists them")
    return found


def take_over(connection: Connection, run: int | str) -> Run:
    """Make a stopped run this process's own again.

    Raises
    ------
    CatalogueError
        It still runs elsewhere.
    """
    found = require(connection, run)
    # the row lock makes two resumers on a server take turns
    locked = (
        select(RunRow.process, RunRow.heartbeat).where(RunRow.id == found.id).with_for_update()
    )
    process = connection.execute(locked).one().process
    found = require(connection, found.id)
    if found.status == "running" and process != process_identity():
        raise CatalogueError(
            f"run {found.id} is still running ({process.split('/')[0]}, process "
            f"{process.split('/')[-2]}): stop it first, or wait {STALE_SECONDS:.0f} s if it "
            "has just died"
            if process
            else f"run {found.id} is still running: stop it first"
        )
    now = dt.datetime.now(dt.UTC)
    connection.execute(
        update(RunRow)
        .where(RunRow.id == found.id)
        .values(
            status="running",
            heartbeat=now,
            finished=None,
            message=None,
            process=process_identity(),
        )
    )
    return require(connection, found.id)


def report(
    connection: Connection,
    run: int,
    *,
    flips: int | None = None,
    seconds: float | None = None,
    best_rank: int | None = None,
    state: Mapping[str, Any] | None = None,
    status: str | None = None,
    message: str | None = None,
) -> None:
    """Record a sign of life with what is new: counters so far, a checkpoint, the end."""
    now = dt.datetime.now(dt.UTC)
    given = {"flips": flips, "seconds": seconds, "best_rank": best_rank, "message": message}
    values: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    values["heartbeat"] = now
    if state is not None:
        values |= {"checkpoint": pack_state(state), "checkpointed": now}
    if status is not None:
        if status not in ENDINGS:
            raise UsageError(f"status must be one of {', '.join(ENDINGS)}, not {status!r}")
        values |= {"status": status, "finished": now}
    result = connection.execute(
        update(RunRow).where(RunRow.id == within_database(run)).values(**values)
    )
    if result.rowcount == 0:
        raise NotFoundError(f"there is no run {run}: flipsearch runs lists them")


def checkpoint_of(connection: Connection, run: int) -> dict[str, Any] | None:
    """Return the state last checkpointed, or None if there is none.

    Raises
    ------
    CatalogueError
        It is damaged.
    """
    data = connection.execute(
        select(RunRow.checkpoint).where(RunRow.id == within_database(run))
    ).scalar()
    if data is None:
        return None
    try:
        return unpack_state(data)
    except FormatError as error:
        raise CatalogueError(f"the checkpoint of run {run} cannot be used: {error}") from None
