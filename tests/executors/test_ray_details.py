"""What is particular to Ray: jobs on workers, metrics, GPUs, warnings, the object store."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_contract import assert_same, collect, tasks

from flipsearch.errors import UsageError
from flipsearch.executors.answers import open_answer, words_needed
from flipsearch.executors.ray import RayExecutor
from flipsearch.executors.ray_cluster import Starts, warn_if_open
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.executors.walker import Walker, private_folder
from flipsearch.walk import cpu


@pytest.mark.ray
def test_jobs_metrics_and_gpus() -> None:
    from ray_support import shared_cluster

    with RayExecutor(1, address=shared_cluster().address) as executor:
        answers = list(executor.each(len, ["", "abc", "ab"]))
        assert answers == [("value", 0), ("value", 3), ("value", 2)]
        assert next(executor.each(abs, ["x"]))[0] == "error"
        executor.publish(1e6, 23, {23: 4, 24: 9})
        executor.submit(tasks(1)[0])
        assert collect(executor, 1)
    with pytest.raises(UsageError, match="no GPU"):
        RayExecutor(1, address=shared_cluster().address, gpu="only")


def fake_ray(*addresses: str) -> Any:
    return SimpleNamespace(
        util=SimpleNamespace(get_node_ip_address=lambda: "10.0.0.1"),
        nodes=lambda: [{"Alive": True, "NodeManagerAddress": address} for address in addresses],
    )


@pytest.mark.parametrize(
    ("mode", "address", "nodes", "warns"),
    [
        (None, "auto", ["10.0.0.1"], False),
        (None, "auto", ["10.0.0.1", "10.0.0.2"], True),
        (None, "ray://10.0.0.1:10001", ["10.0.0.1"], True),
        ("token", "10.0.0.9:6379", ["10.0.0.9"], False),
    ],
)
def test_an_open_remote_cluster_is_warned_of(
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    mode: str | None,
    address: str,
    nodes: list[str],
    warns: bool,
) -> None:
    if mode is None:
        monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    else:
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
    with caplog.at_level(logging.WARNING):
        warn_if_open(fake_ray(*nodes), address)
    assert ("RAY_AUTH_MODE=token" in caplog.text) == warns


def test_a_start_is_stored_once() -> None:
    puts: list[Any] = []
    starts = Starts(SimpleNamespace(put=lambda state: puts.append(state) or len(puts)))
    one, other = np.zeros((2, 3, 1), np.uint64), np.ones((2, 3, 1), np.uint64)
    assert starts.put(one) == starts.put(one.copy())
    assert starts.put(one) != starts.put(other)
    assert starts.put(one.reshape(1, 3, 2)) != starts.put(one)
    assert len(puts) == 3


def test_a_worker_with_a_device_hands_it_the_whole_call() -> None:
    walker = Walker()
    walker._device = ThreadExecutor(2)  # stands in for a GPU: the same contract
    assert walker.ready()[3] == walker._device.capacity
    asked = tasks(5)
    records, words, _ = walker.walk([(task, -1) for task in asked])
    for task, record in zip(asked, records, strict=True):
        count = words_needed(task, record)
        assert_same(open_answer(task, record, words[:count], 1), cpu.walk(task))
        words = words[count:]
    walker._device.close()


def test_the_folder_for_compiled_code_is_private() -> None:
    folder = private_folder()
    assert folder.is_dir()
    assert not folder.stat().st_mode & 0o022
