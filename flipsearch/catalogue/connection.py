"""Connect to a catalogue: readers cannot write, and the one writer commits durably.

In SQLite readers open the file read-only and see the last commit (WAL). The writer takes the lease
of `flipsearch.catalogue.lease`, begins with BEGIN IMMEDIATE and commits with synchronous=FULL. In
PostgreSQL transactions are ordinary, and several runs may write.

Invariant: `writing()` returns only after a durable commit, or raises an error and changes nothing.
Every failure of the database becomes a `CatalogueError` that tells the remedy.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError
from sqlalchemy.pool import QueuePool, StaticPool

from flipsearch.catalogue.lease import Lease
from flipsearch.catalogue.places import Place
from flipsearch.errors import CatalogueError, UsageError

PATIENCE_SECONDS = 60.0
LEASE_SECONDS = 5.0
_READER_PATIENCE_SECONDS = 30.0


class Database:
    """The connections of one catalogue; threads may share it.

    With `read_only` it refuses to write. `patience` is the number of seconds to wait while another
    program locks the database itself.
    """

    def __init__(
        self, place: Place, *, read_only: bool = False, patience: float = PATIENCE_SECONDS
    ) -> None:
        self.place = place
        self.read_only = read_only
        self.patience = patience
        self._reader: Engine | None = None
        self._writer: Engine | None = None
        self._lease: Lease | None = None
        self._turn = threading.RLock()
        self._closed = False

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection that sees one consistent state and cannot change it."""
        self._check_open()
        with self._turn:
            if self._reader is None:
                self._reader = self._make_reader()
            engine = self._reader
        # a database in memory has one connection, which one thread uses at a time
        turn = self._turn if self.place.in_memory else nullcontext()
        with turn, self.translating(), engine.connect() as connection:
            try:
                yield connection
            except (ValueError, TypeError, OverflowError) as error:  # from converting columns
                raise CatalogueError(
                    f"catalogue {self.place.label} is damaged, a value cannot be read ({error}): "
                    "run flipsearch doctor, or restore a backup"
                ) from error

    @contextmanager
    def writing(self, *, lease_seconds: float = LEASE_SECONDS) -> Iterator[Connection]:
        """Give a connection in a transaction; commit durably unless the block raises an error.

        A `CatalogueError` says that another process is writing, the file is read-only, the disk is
        full, and so on. A catalogue that was opened read-only raises a `UsageError`.
        """
        self._check_open()
        if self.read_only:
            raise UsageError(f"catalogue {self.place.label} was opened read-only")
        with self._turn:
            if self._lease is None and self.place.lock is not None:
                name = f"catalogue {self.place.label}"
                self._lease = Lease(self.place.lock, name, min(lease_seconds, self.patience))
            if self._writer is None:
                self._writer = self._make_writer()
            with self.translating(), self._writer.begin() as connection:
                yield connection

    @contextmanager
    def translating(self) -> Iterator[None]:
        """Turn failures of the database into `CatalogueError`."""
        try:
            yield
        except (OperationalError, InternalError, InterfaceError) as error:
            raise CatalogueError(explain(error, self.place)) from error
        except DBAPIError as error:
            if self.place.is_sqlite and type(error.orig) is sqlite3.DatabaseError:
                raise CatalogueError(explain(error, self.place)) from error
            raise

    def close(self) -> None:
        """Close every connection and release the lease."""
        with self._turn:
            self._closed = True
            for engine in (self._reader, self._writer):
                if engine is not None:
                    engine.dispose()
            self._reader = self._writer = None
            if self._lease is not None:
                self._lease.release()
                self._lease = None

    def release(self) -> None:
        """Release the lease until the next write; another process may write meanwhile."""
        with self._turn:
            if self._lease is not None:
                if self._writer is not None:
                    self._writer.dispose()
                    self._writer = None
                self._lease.release()
                self._lease = None

    def _check_open(self) -> None:
        if self._closed:
            raise CatalogueError(f"catalogue {self.place.label} is closed")

    def _make_reader(self) -> Engine:
        if self.place.path is None:
            return self._make_writer()
        return _sqlite_engine(self.place.path, "ro", _READER_PATIENCE_SECONDS)

    def _make_writer(self) -> Engine:
        if self.place.path is not None:
            engine = _sqlite_engine(self.place.path, "rwc", 1.0)
            _begin_immediate(engine, self.patience)
            return engine
        if self.place.is_sqlite:
            engine = self._reader or self._writer or _memory_engine()
        else:
            engine = self._reader or self._writer or _server_engine(self.place)
        self._reader = self._writer = engine
        return engine


def _sqlite_engine(path: Path, mode: str, timeout: float) -> Engine:
    def connect() -> sqlite3.Connection:
        uri = f"file:{quote(str(path))}?mode={mode}"
        if mode == "ro" and _is_frozen(path):
            uri += "&immutable=1"
        connection = sqlite3.connect(
            uri, uri=True, timeout=timeout, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA trusted_schema=OFF")
            connection.execute("PRAGMA foreign_keys=ON")
            if mode != "ro":
                connection.execute("PRAGMA synchronous=FULL")
                if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                    connection.execute("PRAGMA journal_mode=WAL")
        except BaseException:
            connection.close()
            raise
        return connection

    size = {"pool_size": 1, "max_overflow": 0} if mode != "ro" else {}
    engine = create_engine("sqlite://", creator=connect, poolclass=QueuePool, **size)
    if mode == "ro":
        event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))
    return engine


def _is_frozen(path: Path) -> bool:
    """Return whether SQLite cannot make its shared index, as on read-only media."""
    wal = path.with_name(path.name + "-wal")
    return path.exists() and not os.access(path.parent, os.W_OK) and not wal.exists()


def _begin_immediate(engine: Engine, patience: float) -> None:
    def begin(connection: Connection) -> None:
        deadline = time.monotonic() + patience
        while True:
            try:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                return
            except OperationalError as error:  # short waits let Ctrl-C be heard
                if "locked" not in str(error.orig) or time.monotonic() >= deadline:
                    raise

    event.listen(engine, "begin", begin)


def _memory_engine() -> Engine:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA foreign_keys=ON")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=StaticPool)
    event.listen(engine, "begin", lambda c: c.exec_driver_sql("BEGIN"))
    return engine


def _server_engine(place: Place) -> Engine:
    try:
        return create_engine(place.url, pool_pre_ping=True)
    except ModuleNotFoundError:
        raise CatalogueError(
            "PostgreSQL needs its driver: run pip install 'flipsearch[postgresql]'"
        ) from None


def explain(error: DBAPIError, place: Place) -> str:
    """Return one sentence with the cause of a failure of the database and a remedy."""
    text = " ".join(str(error.orig).split())
    if place.is_sqlite:
        for sign, sentence in _SENTENCES.items():
            if sign in text:
                return f"catalogue {place.label} {sentence}"
    return f"catalogue {place.label}: {text[:300]}"


_SENTENCES = {
    "disk is full": "cannot grow: the disk is full; free some space and run the command again",
    "readonly": "cannot be written: the file or its folder is read-only; choose another: --db",
    "locked": "is locked by another program: close it (a browser, a backup) and try again",
    "unable to open": "cannot be opened: check its path and permissions, or choose another: --db",
    "not a database": "is not an SQLite database: choose another with --db",
    "malformed": "is damaged: run flipsearch doctor, restore a backup, or start a new one with "
    "--db and import the schemes that this one still exports",
    "disk I/O error": "cannot be read or written: the disk reports an error",
}
