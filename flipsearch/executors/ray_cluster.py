"""Join or start a Ray cluster, and publish metrics there; no other module imports Ray.

Ray takes seconds to import, so it is imported only when a cluster is wanted, and long waits are
announced. Ray replaces signal handlers on connecting. They are put back, because the command
line's handlers save the run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import logging
import os
import re
import signal
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from flipsearch.algebra.cores import available_cores
from flipsearch.errors import FlipsearchError, UsageError
from flipsearch.walk.task import WalkTask, Words

logger = logging.getLogger("flipsearch.ray")

STORED_BYTES = 32_768
"""Start states of this size or more go to the object store; smaller ones are sent faster."""
_EMPTY = np.zeros((0, 3, 1), dtype=np.uint64)
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # OpenTelemetry's reader would outlive every connection but the first, and the process would
    # crash if it exits while a reader collects (Ray 2.60)
    "RAY_enable_open_telemetry": "0",
}
"""Environment variables to set before Ray connects."""


class ClusterError(FlipsearchError):
    """The cluster is gone or cannot be used; the run can be resumed on another."""


class Metrics:
    """The gauges of a run in Ray's metrics, each named ``flipsearch_`` and its own name."""

    NAMES = (
        ("flips_per_second", "flips of all workers a second", ()),
        ("best_rank", "lowest rank found", ()),
        ("pool_size", "states held, by rank", ("rank",)),
        ("workers", "walkers wanted", ()),
        ("worker_deaths", "deaths of workers so far", ()),
    )

    def __init__(self) -> None:
        from ray.util.metrics import Gauge

        self.gauges = {
            name: Gauge(f"flipsearch_{name}", description=text, tag_keys=tags)
            for name, text, tags in self.NAMES
        }

    def publish(self, numbers: tuple[float, float, int, int], sizes: dict[int, int]) -> None:
        """Set the gauges: flips a second, best rank, workers, deaths; and pool sizes by rank."""
        names = "flips_per_second", "best_rank", "workers", "worker_deaths"
        for name, value in zip(names, numbers, strict=True):
            self.gauges[name].set(value, {})
        for rank, size in sizes.items():
            self.gauges["pool_size"].set(size, {"rank": str(rank)})


class Starts:
    """The start states in the object store; each is put there once, the least recent go first."""

    LARGEST = 1024

    def __init__(self, ray: Any) -> None:
        self.ray = ray
        self._known: OrderedDict[bytes, Any] = OrderedDict()

    def put(self, state: Words) -> tuple[bytes, Any]:
        """Return a digest of the state and its reference in the object store."""
        key = hashlib.sha256(np.ascontiguousarray(state).tobytes()).digest()
        key += str(state.shape).encode("ascii")
        if key in self._known:
            self._known.move_to_end(key)
        else:
            self._known[key] = self.ray.put(state)
            if len(self._known) > self.LARGEST:
                self._known.popitem(last=False)
        return key, self._known[key]

    def lighten(
        self, tasks: Sequence[WalkTask | None]
    ) -> tuple[list[tuple[WalkTask | None, int]], list[Any]]:
        """Return tasks without large starts, each with the place of its start, and the starts.

        The place is an index into the returned references, or -1 if the task has its start.
        """
        light: list[tuple[WalkTask | None, int]] = []
        starts, places = list[Any](), dict[bytes, int]()
        for task in tasks:
            if task is None or task.start.nbytes < STORED_BYTES:
                light.append((task, -1))
                continue
            key, stored = self.put(task.start)
            if key not in places:
                places[key] = len(starts)
                starts.append(stored)
            light.append((dataclasses.replace(task, start=_EMPTY), places[key]))
        return light, starts

    def clear(self) -> None:
        """Forget all states."""
        self._known.clear()


def actor_options() -> dict[str, Any]:
    """Return Ray's options for walker actors: one core, one thread, any number of restarts."""
    threads = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    return {
        "num_cpus": 1,
        "max_restarts": -1,
        "max_task_retries": 0,
        "runtime_env": {"env_vars": dict.fromkeys(threads, "1")},
    }


def gist(error: BaseException) -> str:
    """Return the first and the last line of an error; Ray puts a traceback between them."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    said = lines[0] if len(lines) == 1 else f"{lines[0]} ... {lines[-1]}"
    return re.sub(r"\x1b\[\d*m", "", said)[:400]


def settle_environment() -> None:
    """Set the environment variables of `ENVIRONMENT` that the user has not set."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


def connect(
    address: str | None, workers: int | None, announce: Callable[[str], None]
) -> tuple[Any, bool]:
    """Import Ray and join or start a cluster; return Ray and whether to shut it down later."""
    settle_environment()
    main = threading.current_thread() is threading.main_thread()
    handlers = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)} if main else {}
    announce("starting Ray (some 10 s)" if address is None else f"joining Ray at {address}")
    try:
        import ray
    except ImportError:
        raise UsageError("Ray is not installed: run pip install 'flipsearch[ray]'") from None
    try:
        if ray.is_initialized():
            return ray, False
        options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        if address is None:
            options |= {
                "address": "local",
                "num_cpus": workers or available_cores(),
                "include_dashboard": False,
            }
        else:
            options["address"] = address
        try:
            ray.init(**options)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = "a local Ray cannot be started" if address is None else f"no Ray at {address}"
            raise UsageError(f"{where}: {gist(error)}") from None
        if address is not None:
            warn_if_open(ray, address)
    finally:
        # Ray sets its own handlers, but the command line's save the run
        for number, handler in handlers.items():
            if handler is not None:
                signal.signal(number, handler)
    return ray, True


def warn_if_open(ray: Any, address: str) -> None:
    """Warn if the cluster is remote and takes commands from anybody."""
    if os.environ.get("RAY_AUTH_MODE") == "token":
        return
    here = {"127.0.0.1", "localhost", ray.util.get_node_ip_address()}
    nodes = {node["NodeManagerAddress"] for node in ray.nodes() if node["Alive"]}
    if address.startswith("ray://") or not nodes <= here:
        logger.warning(
            "the Ray cluster at %s is joined without token authentication: whoever reaches its "
            "ports can run code on it; set RAY_AUTH_MODE=token on every node, see "
            "docs/cluster.md",
            address,
        )
