"""Long chaos, by hand: FLIPSEARCH_CHAOS=1 pytest tests/chaos (about 15 minutes on two cores).

200 workers killed, 10 nodes lost, 50 drivers killed, a catalogue locked for 30 s; what was
acknowledged is compared after each.
"""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "search"))

from test_faults_of_catalogues import locked_for
from test_faults_of_drivers import Drivers, killed_again_and_again

pytestmark = [
    pytest.mark.slow,
    pytest.mark.ray,
    pytest.mark.skipif(not os.environ.get("FLIPSEARCH_CHAOS"), reason="by hand: FLIPSEARCH_CHAOS"),
]


@pytest.fixture(autouse=True)
def no_shipped_schemes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)


def test_two_hundred_workers_killed_and_ten_nodes_lost(tmp_path: Path) -> None:
    from ray_support import add_node, shared_cluster
    from test_faults_of_workers import storm

    from flipsearch.executors.ray import RayExecutor

    cluster = shared_cluster()
    killed, lost, deaths = 0, 0, 0
    for round_ in range(5):
        nodes: list[Any] = [add_node(cluster), add_node(cluster)]
        with RayExecutor(4, address=cluster.address) as executor:
            killed += len(set(storm(executor, nodes, tmp_path / f"{round_}.sqlite", 40, 2)))
            lost += 2 - len(nodes)
            deaths += executor.deaths
    assert (killed, lost) == (200, 10)
    assert deaths >= 200


def test_fifty_drivers_killed(tmp_path: Path) -> None:
    """Two runs side by side, 25 drivers each."""
    runs = [Drivers(tmp_path / name) for name in ("one", "other")]
    with ThreadPoolExecutor(2) as threads:
        done = [threads.submit(killed_again_and_again, run, 25) for run in runs]
        for future in done:
            future.result()
    for run in runs:
        assert [process.returncode for process in run.running] == [-signal.SIGKILL] * 25
        assert len(run.acknowledged()) >= 25
        assert run.status().best_rank < 27


def test_a_catalogue_locked_for_half_a_minute(tmp_path: Path) -> None:
    (began, ended), stored = locked_for(tmp_path / "c.sqlite", 30.0)
    assert ended - began >= 30.0
    assert not [moment for moment in stored if began < moment < ended]
    assert [moment for moment in stored if moment >= ended]
