"""One writer at a time, and no acknowledged scheme lost, with real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from catalogue_schemes import strassen, variant

from flipsearch.catalogue import Catalogue, SpooledError
from flipsearch.catalogue.lease import Lease, holder, is_held
from flipsearch.errors import CatalogueError

HERE = str(Path(__file__).parent)
WRITER = """
import sys; sys.path.insert(0, {here!r})
from catalogue_schemes import variant
from flipsearch.catalogue import Catalogue, shipped
shipped.shipped_folder = lambda: None
with Catalogue.open({path!r}) as catalogue:
    for number in range({start}, {start} + 100000):
        print(catalogue.schemes.add(variant(number)).hash, flush=True)
"""


@contextmanager
def _writer(path: Path, start: int = 0) -> Iterator[subprocess.Popen[str]]:
    code = WRITER.format(here=HERE, path=str(path), start=start)
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    Catalogue.open(path).close()
    with _writer(path) as process, Catalogue.open(path, patience=0.3) as catalogue:
        assert process.stdout is not None
        first = process.stdout.readline().strip()
        start = time.monotonic()
        with pytest.raises(CatalogueError, match=f"written by process {process.pid} on"):
            catalogue.runs.start("2x2x2", "F2")
        assert time.monotonic() - start < 30
        assert catalogue.schemes.get(first).hash == first  # reading goes on
        with pytest.raises(SpooledError) as caught:
            catalogue.schemes.add(variant(10**6))
        assert caught.value.spool is not None
        process.kill()
        process.wait()
        assert catalogue.schemes.add(strassen()).new  # the lease went with its process
    with Catalogue.open(path) as catalogue:
        assert variant(10**6) in catalogue.schemes


def test_nothing_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    acknowledged: set[str] = set()
    for attempt in range(3):
        with _writer(path, start=1000 * attempt) as process:
            assert process.stdout is not None
            for _ in range(5 + 7 * attempt):
                acknowledged.add(process.stdout.readline().strip())
            os.kill(process.pid, signal.SIGKILL)
            acknowledged |= {line.strip() for line in process.stdout if len(line) == 65}
    with Catalogue.open(path) as catalogue:
        assert acknowledged <= {record.hash for record in catalogue.schemes.records()}
        assert len(acknowledged) >= 5 + 12 + 19
        assert catalogue.health().problems == []
        assert catalogue.audit(workers=1).damaged == []


def test_a_lease_is_shared_and_counted_within_a_process(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    first, second = Lease(path, "x"), Lease(path, "x")
    first.release()
    first.release()
    assert is_held(path)
    second.release()
    assert not is_held(path)


def test_a_planted_lock_file_neither_hangs_nor_redirects(tmp_path: Path) -> None:
    victim, link, pipe = (tmp_path / name for name in ("victim", "a.lock", "b.lock"))
    victim.write_text("mine", "utf-8")
    link.symlink_to(victim)
    os.mkfifo(pipe)
    for path in (link, pipe):
        with pytest.raises(CatalogueError, match="cannot write to"):
            Lease(path, "x", wait=0)
        assert holder(path) is None
        assert not is_held(path)
    assert victim.read_text("utf-8") == "mine"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_does_not_inherit_the_lease(tmp_path: Path) -> None:
    path = tmp_path / "x.lock"
    lease = Lease(path, "x")
    child = os.fork()
    if child == 0:
        try:
            Lease(path, "x", wait=0)
        except CatalogueError:
            os._exit(7)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 7
    assert is_held(path)
    lease.release()


def test_two_programs_may_make_the_same_catalogue_at_once(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    code = (
        "from flipsearch.catalogue import Catalogue\n"
        f"with Catalogue.open({str(path)!r}) as c: print(len(c.bounds.all()))"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    answers = {process.communicate()[0].strip() for process in processes}
    assert len(answers) == 1
    assert int(answers.pop()) > 3000


def test_a_run_whose_process_is_gone_is_interrupted(tmp_path: Path) -> None:
    path = tmp_path / "c.sqlite"
    code = (
        "import os; from flipsearch.catalogue import Catalogue\n"
        f"c = Catalogue.open({str(path)!r})\n"
        "c.runs.start('2x2x2', 'F2', name='night')\n"
        "c.runs.checkpoint(1, {'level': 8})\n"
        "os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False)
    with Catalogue.open(path) as catalogue:
        assert catalogue.runs.get("night").status == "interrupted"
        taken = catalogue.runs.resume("night")
        assert taken.status == "running"
        assert catalogue.runs.last_checkpoint(taken) == {"level": 8}
        assert catalogue.runs.get("night").status == "running"


def test_a_silent_run_is_interrupted_and_a_live_one_is_not_taken(tmp_path: Path) -> None:
    import datetime as dt

    from sqlalchemy import update

    from flipsearch.catalogue.tables import RUNS

    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        run = catalogue.runs.start("2x2x2", "F2")
        elsewhere = {"process": "another-host/boot/12/34"}
        old = {"heartbeat": dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)}
        with catalogue.database.writing() as connection:
            connection.execute(update(RUNS).values(**elsewhere))
        with pytest.raises(CatalogueError, match="another-host, process 12"):
            catalogue.runs.resume(run)
        with catalogue.database.writing() as connection:
            connection.execute(update(RUNS).values(**elsewhere, **old))
        assert catalogue.runs.get(run.id).status == "interrupted"
        assert catalogue.runs.resume(run).status == "running"
