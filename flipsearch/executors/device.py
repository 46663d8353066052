"""Run walks on a GPU of this machine, alone or together with the walkers of its cores.

To a strategy a device is one more executor, with room for thousands of tasks. One thread keeps it
busy: it loads submitted tasks, launches them for about half a second, and hands back finished
ones. A task runs on a core if the device does not support its kind, or if its state is or becomes
too large for the chip. If the device fails during a run, its tasks start again on a core, with
one warning.

Invariant: every submitted task comes back exactly once, with the outcome of `engine.walk`.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable

from flipsearch.errors import UsageError
from flipsearch.executors.base import Executor, QueueExecutor
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.walk import engine
from flipsearch.walk.gpu.batch import Engine
from flipsearch.walk.gpu.device import CudaDevice, Device
from flipsearch.walk.gpu.presence import availability
from flipsearch.walk.kinds import kind_of
from flipsearch.walk.task import WalkOutcome, WalkTask

logger = logging.getLogger("flipsearch.walk")

SPARE = 0.25
"""Number of waiting tasks for each walker; they replace walks that end early."""
LOOK_SECONDS = 0.02


class DeviceExecutor(QueueExecutor):
    """Walk on a device, by default the first CUDA device.

    At most `walkers` walks run at once, by default as many as fit. `walk` returns the outcome of a
    task that the device does not take. Raises `UsageError` if there is no device, or `walkers` is
    not positive.
    """

    name = "device"

    def __init__(
        self,
        device: Device | None = None,
        walkers: int | None = None,
        walk: Callable[[WalkTask], WalkOutcome] = engine.walk,
    ) -> None:
        super().__init__()
        self.device = CudaDevice() if device is None else device
        self._engine = Engine(self.device, walkers)
        self._core = ThreadExecutor(1, walk)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="walk-device", daemon=True)
        self._thread.start()

    @property
    def capacity(self) -> int:
        """The number of walkers on the device, and a share of waiting tasks."""
        return int(self._engine.capacity * (1 + SPARE)) + 1

    def hurry(self) -> None:
        """Drop waiting tasks, and end walks on the device after the present launch."""
        super().hurry()
        self._tasks.put(None)

    def close(self) -> None:
        """Drop waiting tasks, and end after the present launch."""
        self._closing.set()
        super().close()
        self._tasks.put(None)
        self._core.close()

    def _work(self) -> None:
        device_works = True
        while not self._closing.is_set():
            self._take_tasks(device_works)
            if device_works:
                device_works = self._advance()
            self._take_from_core()

    def _cut(self) -> None:
        """End the walks on the device at their present step."""
        try:
            outcomes, dropped = self._engine.cut()
        except Exception as error:  # a driver fails in many ways
            outcomes, dropped = [], len(self._engine.abandon())
            logger.warning("%s failed, %d walks are lost: %s", self.device.name, dropped, error)
        for outcome in outcomes:
            self._outcomes.put(outcome)
        waiting = self._core.pending
        self._core.hurry()
        self._outcomes.put(dropped + waiting - self._core.pending)

    def _advance(self) -> bool:
        """Launch once; return whether the device still works."""
        try:
            for outcome in self._engine.advance():
                self._outcomes.put(outcome)
            for task in self._engine.take_refused():
                self._core.submit(task)
        except Exception as error:  # a driver fails in many ways, and walks must not be lost
            left = self._engine.abandon()
            logger.warning(
                "%s failed, %d walks start again on a core: %s", self.device.name, len(left), error
            )
            for task in left:
                self._core.submit(task)
            return False
        return True

    def _take_tasks(self, device_works: bool) -> None:
        """Pass submitted tasks on; wait for one only if there is no other work."""
        idle = not self._engine.pending
        timeout = LOOK_SECONDS if self._core.pending else 1.0
        with contextlib.suppress(queue.Empty):
            task = self._tasks.get(timeout=timeout) if idle else self._tasks.get_nowait()
            while not self._closing.is_set():
                if task is None:  # `hurry` or `close`: earlier walks end soon
                    self._cut()
                else:
                    self._route(task, device_works)
                task = self._tasks.get_nowait()

    def _route(self, task: WalkTask, device_works: bool) -> None:
        if device_works and kind_of(task).on_device:
            with contextlib.suppress(UsageError):  # too large for the chip
                self._engine.submit(task)
                return
        self._core.submit(task)

    def _take_from_core(self) -> None:
        try:
            while (outcome := self._core.next_outcome(0)) is not None:
                self._outcomes.put(outcome)
        except BaseException as error:
            self._outcomes.put(error)


class Together(Executor):
    """Several executors as one; a task goes to the one with the largest share of free room.

    They close together with this executor.
    """

    name = "together"
    workers = 0

    def __init__(self, *executors: Executor) -> None:
        super().__init__()
        if not executors:
            raise UsageError("at least one executor is needed")
        self.executors = executors
        self.workers = sum(executor.workers for executor in executors)

    @property
    def capacity(self) -> int:
        """The number of tasks that all executors together want to hold."""
        return sum(executor.capacity for executor in self.executors)

    @property
    def pending(self) -> int:
        """The number of submitted tasks whose outcomes are still to come."""
        return sum(executor.pending for executor in self.executors)

    def submit(self, task: WalkTask) -> None:
        """Submit a task to the executor with the fewest pending tasks for its capacity."""
        min(self.executors, key=lambda e: e.pending / max(1, e.capacity)).submit(task)

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Return an outcome, or None after `timeout` seconds; see `Executor.next_outcome`."""
        deadline = time.monotonic() + timeout
        while True:
            for executor in self.executors:
                outcome = executor.next_outcome(0)
                if outcome is not None:
                    return outcome
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            outcome = self.executors[0].next_outcome(min(left, LOOK_SECONDS))
            if outcome is not None:
                return outcome

    def hurry(self) -> None:
        """Drop waiting tasks in all executors."""
        for executor in self.executors:
            executor.hurry()

    def close(self) -> None:
        """Close all executors."""
        for executor in self.executors:
            executor.close()


def local_executor(
    workers: int | None = None,
    gpu: str = "auto",
    address: str | None = None,
    announce: Callable[[str], None] | None = None,
) -> Executor:
    """Return the executor for this machine.

    Parameters
    ----------
    workers : int, optional
        Number of threads; by default one a core.
    gpu : str
        ``auto``: threads, and the GPU if there is one; ``off``: threads only; ``only``: the GPU
        only, which takes no `workers`.
    address : str, optional
        The address of a cluster, which is refused.
    announce : function, optional
        Not called: nothing here takes long.
    """
    if gpu not in ("auto", "off", "only"):
        raise UsageError("gpu is auto, off or only")
    if address is not None:
        raise UsageError("--address is a cluster's: it goes with --executor ray")
    if gpu == "only":
        if workers is not None:
            raise UsageError("--workers is for cores: leave it out with --gpu only")
        return DeviceExecutor()
    threads = ThreadExecutor(workers)
    if gpu == "off" or availability() is not None:
        return threads
    try:
        return Together(threads, DeviceExecutor())
    except Exception as error:  # a broken driver fails in many ways, and cores can still walk
        logger.debug("no GPU: %s", error)
        return threads
