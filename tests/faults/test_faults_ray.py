"""Emitted modules on a local Ray cluster, with tasks, workers and a node really lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from ray_support import add_node, shared_cluster

ray = pytest.importorskip("ray")
pytestmark = [pytest.mark.ray, pytest.mark.slow]

Emitted = Callable[[str, int], ModuleType]


def integers(shape: tuple[int, int], seed: int) -> Any:
    return np.random.default_rng(seed).integers(-50, 51, size=shape)


A, B = integers((12, 10), 1), integers((10, 14), 2)


@pytest.fixture
def cluster() -> Any:
    return shared_cluster()


@pytest.fixture
def module(emitted: Emitted) -> ModuleType:
    return emitted("2x2x2", 3)


def test_lost_wrong_and_raising_tasks(cluster: Any, module: ModuleType) -> None:
    drill = {0: "kill", 1: "raise", 2: "wrong"}
    outcome = module.multiply(A, B, executor="ray", check=True, retries=0, drill=drill)
    assert (outcome.product == A @ B).all()
    assert not set(outcome.used) & set(drill)
    # each was noticed, unless the others decoded before it reported
    assert 2 in (*outcome.wrong, *outcome.late)
    assert 1 in outcome.late or "rehearsed" in outcome.lost[1]
    assert 0 in outcome.late or 0 in outcome.lost


def test_operands_are_stored_once(
    cluster: Any, module: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored: list[Any] = []
    put = ray.put

    def counted(block: Any) -> Any:
        stored.append(block)
        return put(block)

    monkeypatch.setattr(ray, "put", counted)
    drill = dict.fromkeys(range(module.CODE.workers - 5), "raise")  # some products start twice
    assert (module.matmul(A, B, executor="ray", drill=drill) == A @ B).all()
    assert len(stored) == 8
    assert sum(block.size for block in stored) == A.size + B.size


def test_a_killed_task_is_an_erasure_not_a_retry(cluster: Any, module: ModuleType) -> None:
    outcome = module.multiply(A, B, executor="ray", retries=0, correct=1, drill={5: "kill"})
    assert (outcome.product == A @ B).all()
    assert outcome.resubmitted == ()


def test_too_much_lost_is_repaired_or_named(cluster: Any, module: ModuleType) -> None:
    drill = dict.fromkeys(range(module.CODE.workers - 5), "raise")
    with pytest.raises(module.LostProductsError) as caught:
        module.multiply(A, B, executor="ray", retries=0, drill=drill)
    assert set(caught.value.lost) == set(drill)
    outcome = module.multiply(A, B, executor="ray", retries=1, drill=drill)
    assert (outcome.product == A @ B).all()
    assert 0 < len(outcome.resubmitted) < len(drill)


def test_a_node_removed_in_the_middle(cluster: Any, module: ModuleType) -> None:
    node = add_node(cluster, cores=3)
    cluster.wait_for_nodes()
    seen: list[float] = []

    def remove() -> None:
        time.sleep(1.5)
        cluster.remove_node(node, allow_graceful=False)
        seen.append(time.monotonic())

    remover = threading.Thread(target=remove)
    remover.start()
    outcome = module.multiply(
        A, B, executor="ray", retries=3, drill=dict.fromkeys(range(module.CODE.workers), 0.8)
    )
    end = time.monotonic()
    remover.join()
    assert (outcome.product == A @ B).all()
    assert seen
    assert seen[0] < end
    assert any(
        "node" in why.lower() or "crash" in why.lower() for why in outcome.lost.values()
    ) or (outcome.late)
