"""Walks on a GPU of this machine, alone or beside the walkers of its cores.

To a strategy a device is one more executor, with room for thousands of tasks. One thread keeps it
busy: it loads what was submitted, launches for about half a second, and hands back what has
finished. Tasks that a device does not take run on a core: those of other kinds, and states that
are or become too large for the chip. If the device fails in the middle of a run, its tasks start
again on a core, with one warning.

Invariant: every task submitted comes back exactly once, with the outcome of `engine.walk`.
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
"""Tasks that wait, a walker: they take the place of walks that end early."""
LOOK_SECONDS = 0.02


class DeviceExecutor(QueueExecutor):
    """Walk on a device, such as a GPU.

    Parameters
    ----------
    device : Device, optional
        The first CUDA device by default.
    walkers : int, optional
        At most so many walks at once; by default as many as live on the device.
    walk : function
        From a task to its outcome, for tasks that the device does not take.

    Raises
    ------
    UsageError
        There is no device, or `walkers` is not positive.
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
        """Return the walkers on the device and a share of waiting tasks."""
        return int(self._engine.capacity * (1 + SPARE)) + 1

    def hurry(self) -> None:
        """Drop tasks that wait; end walks on the device after the running launch."""
        super().hurry()
        self._tasks.put(None)

    def close(self) -> None:
        """Drop tasks that wait, and end after the running launch."""
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
        """End the walks on the device where they are."""
        try:
            outcomes, dropped = self._engine.cut()
        except Exception as error:  # as above
            outcomes, dropped = [], len(self._engine.abandon())
            logger.warning("%s failed, %d walks are lost: %s", self.device.name, dropped, error)
        for outcome in outcomes:
            self._outcomes.put(outcome)
        waiting = self._core.pending
        self._core.hurry()
        self._outcomes.put(dropped + waiting - self._core.pending)

    def _advance(self) -> bool:
        """Launch once; return whether the device is still to be used."""
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
        """Hand submitted tasks on; wait for one only if there is nothing else to do."""
        idle = not self._engine.pending
        timeout = LOOK_SECONDS if self._core.pending else 1.0
        with contextlib.suppress(queue.Empty):
            task = self._tasks.get(timeout=timeout) if idle else self._tasks.get_nowait()
            while not self._closing.is_set():
                if task is None:  # what came before is to end soon
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
    """Several executors as one: a task goes to the one with the most room for its size.

    Parameters
    ----------
    *executors : Executor
        Closed together with this one.
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
        """Return how many tasks all want to hold at once."""
        return sum(executor.capacity for executor in self.executors)

    @property
    def pending(self) -> int:
        """Return how many submitted tasks have outcomes that were not handed back."""
        return sum(executor.pending for executor in self.executors)

    def submit(self, task: WalkTask) -> None:
        """Queue a task where the least waits for the room there is."""
        min(self.executors, key=lambda e: e.pending / max(1, e.capacity)).submit(task)

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Return an outcome, or None after `timeout` seconds; raise the error of a walk."""
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
        """Let each drop the tasks that wait."""
        for executor in self.executors:
            executor.hurry()

    def close(self) -> None:
        """Close all."""
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
        Threads; one a core by default.
    gpu : str
        ``auto``: threads, and the GPU if there is one, without a word if there is none.
        ``off``: threads alone. ``only``: the GPU alone.
    address : str, optional
        Of a cluster: refused.
    announce : function, optional
        Has nothing to hear.

    Raises
    ------
    UsageError
        ``only`` without a GPU: one line says why there is none. An address, or workers for the
        GPU alone.
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
    except Exception as error:  # a broken driver fails in many ways, and cores can walk
        logger.debug("no GPU: %s", error)
        return threads
