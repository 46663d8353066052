"""Catalogues locked, disks full, clocks that jump: a search waits or ends cleanly."""

from __future__ import annotations

import datetime as dt
import itertools
import sqlite3
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from fault_support import assert_nothing_lost, hurt, pool, recorded

from flipsearch.catalogue import Catalogue, SpooledError
from flipsearch.catalogue.places import resolve
from flipsearch.catalogue.spool import pending
from flipsearch.errors import CatalogueError
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.search.driver import Driver
from flipsearch.walk.task import WalkOutcome


@pytest.fixture(autouse=True)
def no_shipped_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)


def fill_up(catalogue: Catalogue) -> None:
    """Let the database not grow any more, and use up what is free in it."""
    with catalogue.database.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    for size in (4000, 400, 40):
        with pytest.raises(CatalogueError, match="disk is full"):  # noqa: PT012
            while True:
                catalogue.runs.quarantine("x" * size)


def locked_for(database: Path, seconds: float) -> tuple[list[float], list[float]]:
    """Search while another program holds the database locked; when, and when what was stored."""
    Catalogue.open(database).close()
    other = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    locked: list[float] = []
    stored: list[float] = []
    strategy = pool()
    tell = strategy.tell

    def release() -> None:
        locked.append(time.monotonic())
        other.execute("ROLLBACK")
        other.close()

    def telling(outcome: WalkOutcome) -> bool:
        lower = tell(outcome)
        if lower and not locked:  # what it found is about to be stored
            other.execute("BEGIN IMMEDIATE")
            locked.append(time.monotonic())
            threading.Timer(seconds, release).start()
        return lower

    strategy.tell = telling  # type: ignore[method-assign]
    with ThreadExecutor(1) as executor:
        result, acknowledged = hurt(
            executor, database, lambda: len(locked) == 2, strategy=strategy, times=stored
        )
    assert result.progress.best_rank < 27
    assert_nothing_lost(database, acknowledged)
    return locked, stored


def test_a_lock_is_waited_out(tmp_path: Path) -> None:
    (began, ended), stored = locked_for(tmp_path / "c.sqlite", 1.0)
    assert ended - began >= 1.0
    assert not [moment for moment in stored if began < moment < ended]
    assert [moment for moment in stored if moment >= ended]


def test_a_full_disk_ends_the_search_cleanly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flipsearch.search.keeper.STORED_A_RANK", 10**6)
    database = tmp_path / "c.sqlite"
    with Catalogue.open(database) as catalogue, ThreadExecutor(1) as executor:
        acknowledged = recorded(catalogue)
        strategy = pool()
        run = catalogue.runs.start("3x3x3", "F2")
        found: list[str] = []
        store = strategy.tell

        def telling(outcome):  # type: ignore[no-untyped-def]
            if strategy.told == 4:
                fill_up(catalogue)
            return store(outcome)

        strategy.tell = telling  # type: ignore[method-assign]
        with pytest.raises(SpooledError, match="disk is full") as caught:
            Driver(strategy, executor, catalogue, run, checkpoint_seconds=5.0).run(60)
        assert caught.value.spool is not None
        found += acknowledged
    spooled = pending(resolve(database))
    assert spooled
    lines = sum(len(path.read_text().splitlines()) for path in spooled)
    with Catalogue.open(database) as catalogue:
        assert pending(resolve(database)) == []
        assert len(catalogue.schemes) >= len(set(found)) + 1
        assert len(catalogue.schemes) <= len(set(found)) + lines
    assert_nothing_lost(database, found or acknowledged)


@pytest.mark.parametrize("hours", [-30, 30])
def test_jumps_of_the_clock_do_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    calls = itertools.count()
    clock, now = time.time, dt.datetime.now

    def jumped() -> int:
        return hours * 3600 if next(calls) % 2 else 0

    class Jumping(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:  # type: ignore[override]
            return now(tz) + dt.timedelta(seconds=jumped())

    monkeypatch.setattr(time, "time", lambda: clock() + jumped())
    fake = SimpleNamespace(datetime=Jumping, timedelta=dt.timedelta, UTC=dt.UTC)
    monkeypatch.setattr("flipsearch.catalogue.runs.dt", fake)
    database = tmp_path / "c.sqlite"
    looks = itertools.count()
    began = time.monotonic()
    with ThreadExecutor(1) as executor:
        result, acknowledged = hurt(executor, database, lambda: next(looks) >= 2)
    assert time.monotonic() - began < 60
    assert 0 <= result.progress.seconds < 60
    assert_nothing_lost(database, acknowledged)
    monkeypatch.undo()
    with Catalogue.open(database) as catalogue:
        assert catalogue.runs.get(result.run.id).status == "interrupted"
        assert catalogue.runs.resume(result.run.id).status == "running"
