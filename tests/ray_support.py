"""One Ray cluster of this machine for the whole test run, and helpers to hurt it.

Starting Ray takes seconds, so every test that needs it calls `shared_cluster`, which starts it on
the first call and stops it when the tests end. Health checks are quick, so that the loss of a
node is noticed in seconds.
"""

from __future__ import annotations

import atexit
import functools
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from flipsearch.executors.ray_cluster import settle_environment

QUICK = {
    "health_check_initial_delay_ms": 1000,
    "health_check_period_ms": 1000,
    "health_check_timeout_ms": 5000,
    "health_check_failure_threshold": 2,
}
MEMORY = 90 * 2**20


def shared_cluster() -> Any:
    """Return a `ray.cluster_utils.Cluster` that this process is connected to: a head, 2 cores."""
    ray = pytest.importorskip("ray")
    cluster = _started()
    if not ray.is_initialized():
        handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return cluster


@functools.cache
def _started() -> Any:
    settle_environment()
    import ray
    from ray.cluster_utils import Cluster

    with _tests_importable():
        cluster = Cluster(
            initialize_head=True,
            head_node_args={
                "num_cpus": 2,
                "include_dashboard": False,
                "object_store_memory": MEMORY,
                "_system_config": QUICK,
            },
        )

    def stop() -> None:
        ray.shutdown()
        cluster.shutdown()

    atexit.register(stop)
    return cluster


def add_node(cluster: Any, cores: int = 1, gpus: int = 0) -> Any:
    """Return a new node of the cluster; Ray believes what it is told about GPUs."""
    with _tests_importable():
        return cluster.add_node(num_cpus=cores, num_gpus=gpus, object_store_memory=MEMORY)


@contextmanager
def _tests_importable() -> Iterator[None]:
    """Let worker processes started meanwhile import the helper modules of these tests."""
    before = os.environ.get("PYTHONPATH")
    here = Path(__file__).parent
    paths = [str(here), str(here / "outside" / "toys"), *filter(None, [before])]
    os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    try:
        yield
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def processes(executor: Any) -> list[int]:
    """Return the process numbers of an executor's workers that have started."""
    names = [worker.name for worker in executor._crew.workers if worker.is_ready]
    return [int(name.rpartition("/")[2]) for name in names if name != "?"]


def kill(process: int) -> bool:
    """Kill a process at once; whether it was there."""
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True
