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
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import cache
from multiprocessing.context import SpawnContext, SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from flipsearch.errors import FlipsearchError

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_starting = threading.Lock()


class WorkerKilledError(FlipsearchError):
    """A worker process ended before its result, perhaps for lack of memory."""


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


def computed(
    function: Callable[[_Item], _Result], items: Iterable[_Item], workers: int, task: str
) -> Iterator[tuple[_Item, _Result]]:
    """Yield each item and what the function of an importable module returns for it, in order.

    The items are read as they are needed; two more than there are workers are under way. If a
    worker is killed, a `WorkerKilledError` names the `task`, such as ``the audit``.
    """
    waiting: deque[tuple[_Item, Future[_Result]]] = deque()
    with ProcessPoolExecutor(workers, mp_context=_Context(), initializer=_settle) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > workers + 1:
                    first, future = waiting.popleft()
                    yield first, future.result()
            for item, future in waiting:
                yield item, future.result()
        except BrokenProcessPool:
            raise WorkerKilledError(
                f"a process of {task} was killed, perhaps for lack of memory: try --workers 1"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


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
