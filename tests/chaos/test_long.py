"""Long chaos, by hand: FLIPSEARCH_CHAOS=1 pytest tests/chaos (hours; on a quiet machine).

200 workers killed, 10 nodes lost, 50 drivers killed, a catalogue locked for 30 s; what was
acknowledged is compared after each.
"""

from __future__ import annotations

import os
import sys
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
    for round_ in range(5):
        nodes: list[Any] = [add_node(cluster), add_node(cluster)]
        with RayExecutor(4, address=cluster.address) as executor:
            storm(executor, nodes, tmp_path / f"{round_}.sqlite", 40)


def test_fifty_drivers_killed(tmp_path: Path) -> None:
    killed_again_and_again(Drivers(tmp_path), 50)


def test_a_catalogue_locked_for_half_a_minute(tmp_path: Path) -> None:
    locked_for(tmp_path / "c.sqlite", 30.0)
