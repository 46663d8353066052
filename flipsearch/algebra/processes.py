"""Run pure functions of this package in worker processes.

Workers are spawned, because the threads of numba and BLAS do not survive a fork. Python's own
spawned processes first import the script of their parent again. A script without
``if __name__ == "__main__":`` would run again in each of them. The functions sent from here lie in
importable modules, and these workers import only those.

Invariant: a worker leaves Ctrl-C to its parent and keeps BLAS to one thread.
"""

from __future__ import annotations

import platform
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import cache
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

_starting = threading.Lock()


class _Worker(SpawnProcess):
    """A spawned process that does not import the caller's script."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802
        with _starting:
            script = sys.modules["__main__"]
            sys.modules["__main__"] = ModuleType("__main__")
            try:
                return SpawnProcess._Popen(process_obj)
            finally:
                sys.modules["__main__"] = script


class _Context(SpawnContext):
    Process = _Worker


def worker_pool(workers: int) -> ProcessPoolExecutor:
    """Return a pool of processes for functions of importable modules."""
    return ProcessPoolExecutor(workers, mp_context=_Context(), initializer=_settle)


def _settle() -> None:
    from threadpoolctl import threadpool_limits

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threadpool_limits(limits=1)


@cache
def machine() -> str:
    """Return a name of this machine or container, which changes at each boot."""
    boot = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{platform.node()}/{boot}"
