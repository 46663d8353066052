"""Run walks, several a call, and other pure functions inside a remote worker process.

Heavy imports wait until the process knows the folder for numba's compiled code. The folder is on
the node's own disk, because races corrupt caches on a shared file system. Only this user may write
to it, because numba executes the code that it reads from its cache.

Invariant: a call never raises the error of a task. It answers with packed outcomes, and with the
kind and text of an error in place of an outcome.
"""

from __future__ import annotations

import dataclasses
import os
import platform
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.algebra.processes import machine

DEVICE_SECONDS = 2.0
"""Longest duration of a call to a device, in seconds, approximately."""

if TYPE_CHECKING:
    from flipsearch.executors import Executor
    from flipsearch.walk.gpu.device import Device
    from flipsearch.walk.task import WalkOutcome, WalkTask


class Walker:
    """A worker: one core, one walk at a time; or a device, thousands of tasks at once.

    Parameters
    ----------
    walk : function, optional
        Returns the outcome of a task; by default the numba engine.
    driver : str
        The driver's `machine`. On another machine compiled code is kept in the folder
        NUMBA_CACHE_DIR, or else in a private folder of the node.
    device : bool or function
        Whether this worker walks on a GPU. A function makes the device.
    """

    def __init__(
        self,
        walk: Callable[[WalkTask], WalkOutcome] | None = None,
        driver: str = "",
        device: bool | Callable[[], Device] = False,
    ) -> None:
        self.folder = private_folder()
        if machine() != driver and "numba" not in sys.modules:
            os.environ.setdefault("NUMBA_CACHE_DIR", str(self.folder))
        self._walk = walk
        self._warm: set[tuple[Any, ...]] = set()
        self._device: Executor | None = None
        if device:
            from flipsearch.executors.device import DeviceExecutor

            self._device = DeviceExecutor(None if device is True else device())
        self._there: dict[int, WalkTask] = {}
        self._done: dict[int, WalkOutcome] = {}

    def ready(self) -> tuple[str, str, int, int]:
        """Return version, host, process number and the device's room for tasks, 0 for a core."""
        from flipsearch import __version__

        room = 0 if self._device is None else self._device.capacity
        return __version__, platform.node(), os.getpid(), room

    def walk(
        self, tasks: Sequence[tuple[WalkTask, int]], *starts: Any
    ) -> tuple[list[Any], Any, float]:
        """Carry out tasks.

        Each task comes with the place of its start in `starts`, or -1 if it has its start.
        `starts` are read-only uint64 arrays from the object store.

        Returns
        -------
        records : list
            For each task the record of `flipsearch.executors.answers.seal`, or ("error", kind,
            text).
        words : uint64 array
            The states of all records.
        seconds : float
            Time spent walking, without compiling.
        """
        import numpy as np

        from flipsearch.executors.answers import seal_many

        walk = self._walk
        if walk is None:
            from flipsearch.walk import engine

            walk = engine.walk
        done, outcomes, errors, seconds = [], [], {}, 0.0
        for place, (light, at) in enumerate(tasks):
            start = np.array(light.start if at < 0 else starts[at], dtype=np.uint64)
            task = dataclasses.replace(light, start=start)
            try:
                if self._walk is None:
                    self._warm_up(task)
                began = time.perf_counter()
                outcome = walk(task)
                seconds += time.perf_counter() - began
            except Exception as error:
                errors[place] = ("error", type(error).__name__, str(error)[:1000])
                continue
            done.append(task)
            outcomes.append(outcome)
        sealed, words = seal_many(done, outcomes)
        kept = iter(sealed)
        records = [errors[k] if k in errors else next(kept) for k in range(len(tasks))]
        return records, words, seconds

    def walk_on_device(
        self, tasks: Sequence[tuple[int, WalkTask | None, int]], hurry: bool, *starts: Any
    ) -> tuple[list[Any], Any, float]:
        """Submit tasks to the device; return the outcomes that are finished after some seconds.

        A walk on a device may last minutes. An unfinished task stays on the device, and later
        calls ask for it again. Its worker therefore answers in time and does not seem to hang.

        Parameters
        ----------
        tasks : sequence of (int, WalkTask or None, int)
            The driver's number for the task; the task, or None if it is on the device already; the
            place of its start, as for `walk`.
        hurry : bool
            End all walks at their present step, and drop tasks that have not begun.

        Returns
        -------
        records, words, seconds
            As for `walk`. The record of a task is ("running", "", "") if it is still on the
            device, ("dropped", "", "") if it was dropped.
        """
        import numpy as np

        from flipsearch.executors.answers import seal_many

        device = self._device
        assert device is not None
        began = time.perf_counter()
        for ticket, light, at in tasks:
            if light is not None:
                start = np.array(light.start if at < 0 else starts[at], dtype=np.uint64)
                self._there[ticket] = dataclasses.replace(light, start=start)
                device.submit(dataclasses.replace(self._there[ticket], number=ticket))
        if hurry:
            device.hurry()
        few = device.capacity // 2
        while device.pending and (hurry or time.perf_counter() - began < DEVICE_SECONDS):
            outcome = device.next_outcome(0.1)
            if outcome is not None:
                self._done[outcome.number] = outcome
            elif self._done and device.pending <= few and not hurry:
                break
        finished = [ticket for ticket, *_ in tasks if ticket in self._done]
        walked = [self._there.pop(ticket) for ticket in finished]
        outcomes = [
            dataclasses.replace(self._done.pop(ticket), number=task.number)
            for ticket, task in zip(finished, walked, strict=True)
        ]
        sealed, words = seal_many(walked, outcomes)
        kept = dict(zip(finished, sealed, strict=True))
        other = ("running" if device.pending else "dropped", "", "")
        if not device.pending:
            self._there.clear()
        records = [kept.get(ticket, other) for ticket, *_ in tasks]
        return records, words, time.perf_counter() - began

    def apply(self, function: Callable[[Any], Any], argument: Any) -> tuple[str, Any]:
        """Return ("value", function(argument)) or ("error", text)."""
        try:
            return "value", function(argument)
        except Exception as error:
            return "error", str(error)[:1000]

    def _warm_up(self, task: WalkTask) -> None:
        """Compile the walk of a task in one process of this node at a time; others load it."""
        from flipsearch.walk import engine

        key = (type(task).__name__, task.ring, task.start.shape[2], task.capacity // 64)
        if key in self._warm:
            return
        with locked(self.folder / "warm.lock"):
            engine.walk(dataclasses.replace(task, steps=1))
        self._warm.add(key)


def private_folder() -> Path:
    """Return a folder on this node's own disk to which only this user can write."""
    user = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"flipsearch-{user}"
    with suppress(OSError):
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        own = stat.S_ISDIR(found.st_mode) and found.st_uid == user
        if own and (os.name == "nt" or not found.st_mode & 0o022):
            return folder
    return Path(tempfile.mkdtemp(prefix="flipsearch-"))


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file among the processes of this node, if the system has such locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
