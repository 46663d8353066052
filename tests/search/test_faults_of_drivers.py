"""Drivers killed, stopped, and cut off from their cluster, as real processes: then resumed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fault_support import assert_nothing_lost

from flipsearch.catalogue import Catalogue

PROGRAM = Path(__file__).parent.parent / "driver_program.py"


@pytest.fixture(autouse=True)
def no_shipped_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)


class Drivers:
    """Starts drivers of one run, on one catalogue, and reads what they were told is stored."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder, self.database = folder, folder / "c.sqlite"
        self.record = folder / "acknowledged"
        self.running: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a driver of the run ``it``, for a minute."""
        command = [sys.executable, str(PROGRAM), str(self.record), *arguments]
        command += ["--db", str(self.database), "--workers", "1", "--json"]
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **environment},
        )
        self.running.append(process)
        return process

    def search(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start, or go on with, the run ``it``: 3x3x3 over F2, a minute."""
        fixed = ("search", "3x3x3", "--seed", "4", "--run", "it", "--budget", "60s")
        return self.start(*fixed, *arguments, **environment)

    def acknowledged(self) -> list[str]:
        """Return what was acknowledged so far."""
        return self.record.read_text().split() if self.record.exists() else []

    def wait_for(self, process: subprocess.Popen[str], more: int) -> None:
        """Wait until so many more schemes are acknowledged."""
        there = len(self.acknowledged())
        self.until(process, lambda: len(self.acknowledged()) >= there + more)

    def until(self, process: subprocess.Popen[str], holds: Callable[[], bool]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + 100
        while not holds():
            assert time.monotonic() < deadline
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)

    def status(self) -> Any:
        """Return the run as it is shown."""
        with Catalogue.open(self.database, read_only=True) as catalogue:
            return catalogue.runs.get("it")


@pytest.fixture
def drivers(tmp_path: Path) -> Iterator[Drivers]:
    made = Drivers(tmp_path)
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
        process.communicate()


def killed_again_and_again(drivers: Drivers, kills: int, *arguments: str) -> None:
    """Kill the driver, resume it, and compare what was acknowledged with what is there."""
    for number in range(kills):
        process = drivers.search(*arguments)
        drivers.wait_for(process, 1 + number % 3)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert drivers.status().status == "interrupted"
    assert_nothing_lost(drivers.database, drivers.acknowledged())


def test_four_drivers_killed(drivers: Drivers) -> None:
    killed_again_and_again(drivers, 4)
    before = drivers.status()
    process = drivers.start("resume", "it", "--budget", "200ms")
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    summary = json.loads(output.splitlines()[-1])
    assert summary["run"] == before.id
    assert summary["rank"] <= before.best_rank
    assert drivers.status().status == "done"
    assert drivers.status().flips >= before.flips
    assert_nothing_lost(drivers.database, drivers.acknowledged())


@pytest.mark.ray
def test_a_driver_on_a_cluster_killed(drivers: Drivers) -> None:
    from ray_support import shared_cluster

    killed_again_and_again(drivers, 1, "--executor", "ray", "--address", shared_cluster().address)
    assert drivers.running[0].returncode == -signal.SIGKILL
    assert len(drivers.acknowledged()) >= 1
    with Catalogue.open(drivers.database, read_only=True) as catalogue:
        # the run itself knows of it from its next checkpoint on
        best = catalogue.best("3x3x3", ring="F2")
    assert best is not None
    assert best.rank < 27


def test_sigterm_saves_and_ends(drivers: Drivers) -> None:
    process = drivers.search()
    drivers.wait_for(process, 1)
    process.send_signal(signal.SIGTERM)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert json.loads(output.splitlines()[-1])["rank"] < 27
    assert drivers.status().status == "interrupted"
    assert drivers.status().checkpointed is not None
    assert_nothing_lost(drivers.database, drivers.acknowledged())


@pytest.mark.ray
def test_the_head_is_lost_and_the_run_goes_on_elsewhere(drivers: Drivers) -> None:
    from ray_support import shared_cluster

    process = drivers.search("--executor", "ray", RAY_gcs_rpc_server_reconnect_timeout_s="2")
    drivers.wait_for(process, 1)
    for child in descendants(process.pid):
        name = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")[0]
        if name.endswith((b"gcs_server", b"raylet")):
            os.kill(child, signal.SIGKILL)
    _, errors = process.communicate(timeout=100)
    assert process.returncode != 0
    assert drivers.status().status == "interrupted", errors
    before = drivers.status()
    process = drivers.search("--executor", "ray", "--address", shared_cluster().address)
    drivers.wait_for(process, 1)
    drivers.until(process, lambda: drivers.status().flips > before.flips)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert drivers.status().id == before.id
    assert_nothing_lost(drivers.database, drivers.acknowledged())


def descendants(process: int) -> list[int]:
    """Return the children of a process, and theirs."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(entry.name))
    found, queue = [], [process]
    while queue:
        children = parents.get(queue.pop(), [])
        found += children
        queue += children
    return found
