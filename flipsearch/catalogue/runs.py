"""Record searches: parameters, heartbeats, checkpoints and rejected results.

A run counts as interrupted if its process is gone or its heartbeat is old at the time of reading.
No mark is stored. A killed run therefore needs no cleaning up, and a jump of the clock has no
effect after the next heartbeat.

Invariant: every call that records a value commits durably and counts as a heartbeat.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict, Unpack

from sqlalchemy import Row, insert, select, update
from sqlalchemy.engine import Connection

from flipsearch.catalogue import arguments, intake
from flipsearch.catalogue.arguments import as_ring, names_of, run_key, within_database
from flipsearch.catalogue.codec import pack_state, unpack_state
from flipsearch.catalogue.connection import Database
from flipsearch.catalogue.tables import QUARANTINE, RUNS
from flipsearch.errors import CatalogueError, FormatError, NotFoundError, UsageError
from flipsearch.formats import Format
from flipsearch.rings import Ring

STALE_SECONDS = 60.0
ENDINGS = ("done", "interrupted", "failed")


@dataclass(frozen=True)
class Run:
    """One search, as the catalogue records it.

    `status` is ``running``, ``interrupted``, ``done`` or ``failed``. A run is interrupted if its
    process is gone or its last heartbeat is older than `STALE_SECONDS`.
    """

    id: int
    name: str | None
    format: str
    ring: Ring
    strategy: str
    seed: int | None
    status: str
    best_rank: int | None
    flips: int
    seconds: float
    message: str | None
    started: dt.datetime
    heartbeat: dt.datetime
    finished: dt.datetime | None
    checkpointed: dt.datetime | None
    parameters: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the run as JSON values."""
        names = {"id": "run", "best_rank": "rank"}
        found = {}
        for name in (field.name for field in dataclasses.fields(self)):
            value = getattr(self, name)
            if hasattr(value, "isoformat"):
                value = value.isoformat(timespec="seconds")
            found[names.get(name, name)] = value
        return found | {"ring": self.ring.value}


@dataclass(frozen=True)
class Quarantined:
    """A rejected result, with the reason and the task that produced it."""

    id: int
    reason: str
    run: int | None
    source: str | None
    task: dict[str, Any] | None
    payload: dict[str, Any] | None
    recorded: dt.datetime


class News(TypedDict, total=False):
    """The present totals of a run, and a message; None means no change."""

    flips: int | None
    seconds: float | None
    best_rank: int | None
    message: str | None


class Runs:
    """The searches of a catalogue, at `flipsearch.catalogue.Catalogue.runs`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def start(
        self,
        format_: str | Format,
        ring: str | Ring,
        *,
        strategy: str = "pool",
        parameters: Mapping[str, Any] | None = None,
        seed: int | None = None,
        name: str | None = None,
    ) -> Run:
        """Record a search that starts in this process.

        `parameters` are all values that resuming needs apart from the other arguments, as JSON
        values. No other run may have the same `name`. The definition of a tensor is stored too.
        """
        now = dt.datetime.now(dt.UTC)
        values = {
            "name": None if name is None else arguments.text("name", name),
            "format": names_of(format_)[0],
            "ring": as_ring(ring).value,
            "strategy": arguments.text("strategy", strategy),
            "seed": None if seed is None else str(arguments.whole("seed", seed)),
            "parameters": arguments.mapping("parameters", parameters or {}),
            "status": "running",
            "started": now,
            "heartbeat": now,
            "flips": 0,
            "seconds": 0.0,
            "process": process_identity(),
        }
        if name is not None and (not name.strip() or name.isdecimal() or len(name) > 200):
            raise UsageError("a run's name must be 1 to 200 characters and not a number")
        with self._database.writing() as connection:
            if name is not None and _find(connection, name) is not None:
                raise UsageError(
                    f"there is a run {name!r} already: resume it, or choose another name"
                )
            if isinstance(format_, Format):
                intake.define(connection, [format_])
            result = connection.execute(insert(RUNS).values(values))
            return _require(connection, intake.inserted_key(result))

    def resume(self, run: Run | int | str) -> Run:
        """Take over a stopped run in this process.

        A run that is still running in another process raises a `CatalogueError`, a missing one a
        `NotFoundError`.
        """
        key = run.id if isinstance(run, Run) else run_key(run)
        with self._database.writing() as connection:
            found = _require(connection, key)
            this = RUNS.c.id == found.id
            # the row lock makes two resumers on a server take turns
            locked = select(RUNS.c.process).where(this).with_for_update()
            process = connection.execute(locked).scalar_one()
            found = _require(connection, found.id)
            if found.status == "running" and process != process_identity():
                raise CatalogueError(_still_running(found, process))
            values = {
                "status": "running",
                "heartbeat": dt.datetime.now(dt.UTC),
                "finished": None,
                "message": None,
                "process": process_identity(),
            }
            connection.execute(update(RUNS).where(this).values(values))
            return _require(connection, found.id)

    def heartbeat(self, run: Run | int, **news: Unpack[News]) -> None:
        """Record a heartbeat, with new totals if there are any; call it every 30 s or oftener."""
        self._report(run, news)

    def checkpoint(self, run: Run | int, state: Mapping[str, Any], **news: Unpack[News]) -> None:
        """Store the state from which the run can go on, in place of the last one.

        The state holds nested JSON values and NumPy arrays: see `codec.pack_state`.
        """
        self._report(run, news, state=state)

    def finish(
        self,
        run: Run | int,
        status: str = "done",
        *,
        state: Mapping[str, Any] | None = None,
        **news: Unpack[News],
    ) -> None:
        """Record the end of a run, ``done``, ``interrupted`` or ``failed``, with a last state."""
        if arguments.text("status", status) not in ENDINGS:
            raise UsageError(f"status must be one of {', '.join(ENDINGS)}, not {status!r}")
        self._report(run, news, state=state, status=status)

    def _report(self, run: Run | int, news: News, **more: Any) -> None:
        """Record a heartbeat with the news of a run in one commit."""
        number, now = _number(run), dt.datetime.now(dt.UTC)
        given = {name: value for name, value in {**news, **more}.items() if value is not None}
        if unknown := given.keys() - _CHECKS.keys():
            raise TypeError(f"a run has no {', '.join(sorted(unknown))} to report")
        values = {name: _CHECKS[name](name, value) for name, value in given.items()}
        values["heartbeat"] = now
        if "state" in values:
            values |= {"checkpoint": pack_state(values.pop("state")), "checkpointed": now}
        if "status" in values:
            values["finished"] = now
        with self._database.writing() as connection:
            this = RUNS.c.id == within_database(number)
            if connection.execute(update(RUNS).where(this).values(values)).rowcount == 0:
                raise _no_run(number)

    def last_checkpoint(self, run: Run | int) -> dict[str, Any] | None:
        """Return the last state of a run, or None; a damaged one raises a `CatalogueError`."""
        number = _number(run)
        statement = select(RUNS.c.checkpoint).where(RUNS.c.id == within_database(number))
        with self._database.reading() as connection:
            data = connection.execute(statement).scalar()
        try:
            return None if data is None else unpack_state(data)
        except FormatError as error:
            raise CatalogueError(
                f"the checkpoint of run {number} cannot be used: {error}"
            ) from None

    def get(self, run: int | str) -> Run:
        """Return a run by number or name; a missing one raises a `NotFoundError`."""
        key = run_key(run)
        with self._database.reading() as connection:
            return _require(connection, key)

    def find(self, run: int | str) -> Run | None:
        """Return a run by number or name, or None."""
        key = run_key(run)
        with self._database.reading() as connection:
            return _find(connection, key)

    def all(self, limit: int | None = None) -> list[Run]:
        """Return the runs, latest first."""
        statement = _SELECT.order_by(RUNS.c.id.desc())
        if limit is not None:
            statement = statement.limit(arguments.page("limit", limit))
        now = dt.datetime.now(dt.UTC)
        with self._database.reading() as connection:
            return [_run_of(row, now) for row in connection.execute(statement)]

    def quarantine(
        self,
        reason: str,
        *,
        run: int | Run | None = None,
        source: str | None = None,
        task: Mapping[str, Any] | None = None,
        payload: Mapping[str, Any] | None = None,
    ) -> int:
        """Store a rejected result with its reason, as JSON values; return its number."""
        values: dict[str, Any] = {
            "reason": arguments.text("reason", reason),
            "run": None if run is None else _number(run),
            "source": None if source is None else arguments.text("source", source),
            "task": None if task is None else arguments.mapping("task", task),
            "payload": None if payload is None else arguments.mapping("payload", payload),
        }
        with self._database.writing() as connection:
            return intake.quarantine(connection, **values)

    def quarantined(self, limit: int | None = None) -> list[Quarantined]:
        """Return the rejected results, latest first."""
        statement = select(QUARANTINE).order_by(QUARANTINE.c.id.desc())
        if limit is not None:
            statement = statement.limit(arguments.page("limit", limit))
        with self._database.reading() as connection:
            return [Quarantined(*row) for row in connection.execute(statement)]


_CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "flips": arguments.whole,
    "seconds": arguments.real,
    "best_rank": arguments.whole,
    "message": arguments.text,
    "state": arguments.mapping,
    "status": arguments.text,
}
_SELECT = select(*(column for column in RUNS.c if column.name != "checkpoint"))


def _number(run: Run | int) -> int:
    return run.id if isinstance(run, Run) else arguments.whole("run", run)


def _run_of(row: Row[Any], now: dt.datetime) -> Run:
    """Return the run of a row, with its status at `now`."""
    values = {field.name: getattr(row, field.name) for field in dataclasses.fields(Run)}
    if row.status == "running":
        silent = (now - row.heartbeat).total_seconds()
        if silent > STALE_SECONDS or is_gone(row.process):
            values["status"] = "interrupted"
    seed = None if row.seed is None else int(row.seed)
    return Run(**values | {"ring": Ring(row.ring), "seed": seed})


def _find(connection: Connection, key: int | str) -> Run | None:
    if isinstance(key, int):
        statement = _SELECT.where(RUNS.c.id == within_database(key))
    else:
        statement = _SELECT.where(RUNS.c.name == key)
    row = connection.execute(statement).first()
    return None if row is None else _run_of(row, dt.datetime.now(dt.UTC))


def _require(connection: Connection, key: int | str) -> Run:
    found = _find(connection, key)
    if found is None:
        raise _no_run(key)
    return found


def _no_run(key: int | str) -> NotFoundError:
    return NotFoundError(f"there is no run {key!r}: flipsearch runs lists them")


def _still_running(run: Run, process: str | None) -> str:
    if not process:
        return f"run {run.id} is still running: stop it first"
    host, *_, number, _ = process.split("/")
    return (
        f"run {run.id} is still running ({host}, process {number}): stop it first, or wait "
        f"{STALE_SECONDS:.0f} s if it has just died"
    )


def process_identity() -> str:
    """Return a name that no later process has: host, boot, process number and start time."""
    pid = os.getpid()
    from flipsearch.algebra.processes import machine

    return f"{machine()}/{pid}/{_started(pid) or ''}"


def _started(pid: int) -> str | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()[19]


def is_gone(identity: str | None) -> bool:
    """Return whether the process has certainly ended; False if that cannot be known."""
    if not identity or not Path("/proc/self/stat").exists():
        return False
    where, pid, started = identity.rsplit("/", 2)
    from flipsearch.algebra.processes import machine

    if where != machine() or not pid.isdecimal():
        return False
    return _started(int(pid)) != started
