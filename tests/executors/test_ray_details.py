"""What is particular to Ray: jobs on workers, metrics, GPUs, warnings, the object store."""

from __future__ import annotations

import dataclasses
import logging
import subprocess
import sys
import time
from collections import deque
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from host_device import HostDevice, needs_compiler
from test_contract import assert_same, collect, tasks

from flipsearch import __version__
from flipsearch.errors import UsageError
from flipsearch.executors.answers import open_answer, words_needed
from flipsearch.executors.ray import RayExecutor
from flipsearch.executors.ray_cluster import Starts, warn_if_open
from flipsearch.executors.ray_crew import Crew, Entry, Worker, crew_on
from flipsearch.executors.walker import Walker, private_folder
from flipsearch.walk import engine


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


CONNECT_AGAIN = """
import sys
from pathlib import Path
from flipsearch.executors.ray import RayExecutor

def unnamed():  # of Ray's threads: those with a name of their own are its to pool
    names = [entry.read_text() for entry in Path("/proc/self/task").glob("*/comm")]
    return names.count(Path("/proc/self/comm").read_text())

for _ in range(3):
    with RayExecutor(1, address=sys.argv[1]):
        pass
    print(unnamed())
"""


@pytest.mark.ray
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_no_thread_stays_behind_a_connection() -> None:
    from ray_support import shared_cluster

    command = [sys.executable, "-c", CONNECT_AGAIN, shared_cluster().address]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert ended.returncode == 0, ended.stderr
    first, second, third = map(int, ended.stdout.split())
    assert third <= first, (first, second, third)


@needs_compiler
@pytest.mark.ray
def test_several_devices_of_a_cluster_walk() -> None:
    from ray_support import add_node, shared_cluster

    cluster = shared_cluster()
    node = add_node(cluster, cores=0, gpus=2)
    try:
        with RayExecutor(1, address=cluster.address, gpu="only", device=HostDevice) as executor:
            assert executor.workers == 2
            asked = [dataclasses.replace(task, steps=2_000) for task in tasks(12)]
            asked[7] = dataclasses.replace(asked[7], steps=400_000)  # several calls long
            for task in asked:
                executor.submit(task)
            found = collect(executor, 12)
            for task in asked:
                assert_same(found[task.number], engine.walk(task))
            deadline = time.monotonic() + 150
            while not all(worker.is_ready for worker in executor._crew.workers):
                # the first device may have walked all of it before the second was there
                assert executor.next_outcome(0.25) is None
                assert time.monotonic() < deadline
            endless = [dataclasses.replace(task, steps=10**9) for task in asked]
            for task in endless:
                executor.submit(task)

            def on_device() -> list[bool]:
                calls = (w.calls.values() for w in executor._crew.workers)
                return [any(e.there for entries in sent for e in entries) for sent in calls]

            while not all(on_device()):
                assert executor.next_outcome(0.25) is None
                assert time.monotonic() < deadline
            executor.hurry()
            ended = []
            while executor.pending:
                outcome = executor.next_outcome(1.0)
                ended += [] if outcome is None else [outcome]
            assert ended
            for outcome in ended[:1]:
                task = dataclasses.replace(endless[outcome.number], steps=outcome.steps)
                assert_same(outcome, engine.walk(task))
    finally:
        cluster.remove_node(node)


def test_a_gpu_on_which_no_walker_starts_is_left_alone(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made: list[bool] = []

    class Actor:
        def __init__(self, device: bool) -> None:
            self.ready = SimpleNamespace(remote=lambda: self)
            self.device = device

    def remote(*arguments: Any) -> Actor:
        made.append(arguments[-1] is not False)
        return Actor(made[-1])

    def get(actor: Actor, timeout: float) -> tuple[str, str, int, int]:
        if actor.device:
            raise RuntimeError("no GPU: this one is made of cardboard")
        return __version__, "host", 1, 0

    ray = SimpleNamespace(
        cluster_resources=lambda: {"CPU": 1.0, "GPU": 2.0},
        remote=lambda kind: SimpleNamespace(options=lambda **_: SimpleNamespace(remote=remote)),
        get=get,
        kill=lambda actor, no_restart: None,
        exceptions=SimpleNamespace(RayError=RuntimeError),
    )
    crew = Crew(ray, None, (), 300.0, lambda entries: None, "auto", device=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            for worker in [w for w in crew.workers if w.starting is not None]:
                crew.has_started(worker)
                worker.retry_at = min(worker.retry_at, 1e-9)
            crew.tend()
        crew.grow()
    assert made == [False, True, True, True, True]
    assert [(w.device, w.is_ready) for w in crew.workers] == [(False, True)]
    assert caplog.text.count("is not used") == 2
    assert "made of cardboard" in caplog.text


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


@needs_compiler
def test_what_a_device_has_not_finished_stays_there() -> None:
    walker = Walker(None, "", lambda: HostDevice())
    device = walker._device
    assert device is not None
    assert walker.ready()[3] == device.capacity
    asked = tasks(5)
    asked[2] = dataclasses.replace(asked[2], steps=5_000_000)
    calls = [[(10 + task.number, task, -1) for task in asked]]
    found = {}
    while calls:
        sent = calls.pop()
        records, words, _ = walker.walk_on_device(sent, False)
        for (ticket, *_), record in zip(sent, records, strict=True):
            task = asked[ticket - 10]
            if record[0] == "running":
                calls = [[*(calls[0] if calls else []), (ticket, None, -1)]]
                continue
            count = words_needed(task, record)
            found[ticket] = open_answer(task, record, words[:count], 1)
            words = words[count:]
    for task in asked:
        assert_same(found[10 + task.number], engine.walk(task))
    device.close()


def test_the_folder_for_compiled_code_is_private() -> None:
    folder = private_folder()
    assert folder.is_dir()
    assert not folder.stat().st_mode & 0o022


def test_a_crew_that_cannot_be_made_leaves_no_ray_behind() -> None:
    ended: list[bool] = []
    ray = SimpleNamespace(cluster_resources=dict, shutdown=lambda: ended.append(True))
    for owned in (False, True):
        with pytest.raises(UsageError, match="no GPU"):
            crew_on(ray, owned, 1, (), 300.0, lambda entries: None, "only")
        assert ended == [True] * owned


def test_what_a_refused_device_had_is_sent_whole_again() -> None:
    executor: Any = object.__new__(RayExecutor)
    replaced: list[Any] = []
    executor._crew = SimpleNamespace(replace=replaced.append)
    executor._queue, executor._pending, executor.rejections = deque(), {}, []
    entries = [Entry(k, task, there=True) for k, task in enumerate(tasks(3))]
    worker = Worker(None, None, device=True)
    executor._open(worker, entries, ([None, None, None], np.zeros(0, np.uint64), 0.5))
    assert replaced == [worker]
    assert [entry.ticket for entry in executor._queue] == [1, 2, 0]
    assert not any(entry.there for entry in entries)
    entries[0].there = True
    executor._open(worker, entries[:1], ([("error", "E", "text")], np.zeros(0, np.uint64), 0.5))
    assert not entries[0].there
