"""The walker actors of a Ray executor: made, started, found dead or hanging, replaced.

Invariant: a worker with calls in flight has said that it is ready since it was last started, so
nothing waits in line at an actor whose node is gone.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from flipsearch import __version__
from flipsearch.errors import UsageError
from flipsearch.executors.ray_cluster import ClusterError, actor_options, gist
from flipsearch.executors.walker import Walker
from flipsearch.walk.task import WalkTask

logger = logging.getLogger("flipsearch.ray")

GROWTH_SECONDS = 10.0
DEVICE_FAILURES = 2
"""Failed starts on a GPU after which the cores go on without it."""
START_FAILURES = 5
"""Failed starts of a worker, before any worker has ever started, that end the search."""


@dataclass(eq=False)
class Entry:
    """A task or job that has not come back."""

    ticket: int
    task: WalkTask | None
    job: tuple[Callable[[Any], Any], Any] | None = None
    attempts: int = 0
    deaths: int = 0
    there: bool = False
    """Return whether the device it is for has it already."""


@dataclass(eq=False)
class Worker:
    """An actor: starting until `ready` has answered, then with its calls in flight.

    Parameters
    ----------
    handle
        Ray's handle of the actor.
    starting
        The reference of a call of `ready` that has not come back, or None.
    calls : dict
        From references to what was sent.
    since : float
        When it last gave an answer, or was sent something while idle.
    failures : int
        Starts that failed in a row.
    retry_at : float
        When to make another actor in its place; 0: need not be.
    name : str
        Host and process.
    device : bool
        Whether it has a GPU instead of a core.
    room : int
        Tasks that a device takes; 0: as many as a core.
    held : list
        What is on its device and was not finished when the last call came back.
    """

    handle: Any
    starting: Any
    calls: dict[Any, list[Entry]] = field(default_factory=dict)
    since: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    name: str = "?"
    device: bool = False
    room: int = 0
    held: list[Entry] = field(default_factory=list)

    @property
    def is_ready(self) -> bool:
        """Return whether it may be sent something."""
        return self.starting is None and not self.retry_at

    def hold(self, entry: Entry, there: bool) -> None:
        """Record whether a task is still on the device."""
        entry.there = there
        if there:
            self.held.append(entry)

    def space(self, batch: int) -> int:
        """Return how many tasks may be sent now: a batch to a core, the free room to a device."""
        return self.room - len(self.held) if self.device else batch


class Crew:
    """The workers.

    Parameters
    ----------
    ray : module
    wanted : int, optional
        How many; as many as the cluster has cores by default, also those it gets later.
    arguments : tuple
        Of each `Walker`.
    hang_seconds : float
        Without an answer for so long, a worker with calls is killed.
    take_back : function
        Told the entries of calls whose worker is lost.
    gpu : str
        ``auto``: also one worker for each GPU of the cluster; ``only``: these alone; ``off``.
    device : bool or function
        What `Walker` takes on a GPU.
    """

    def __init__(
        self,
        ray: Any,
        wanted: int | None,
        arguments: tuple[Any, ...],
        hang_seconds: float,
        take_back: Callable[[list[Entry]], None],
        gpu: str = "off",
        device: Any = True,
    ) -> None:
        self.ray, self.wanted, self.arguments = ray, wanted, arguments
        self.hang_seconds, self.take_back = hang_seconds, take_back
        self.workers: list[Worker] = []
        self.deaths = self.unusable = 0
        self.gpu, self.device = gpu, device
        self._ever_ready = False
        self.grow()

    def grow(self) -> None:
        """Start the workers that are wanted and missing."""
        self._grown = time.monotonic()
        wanted = self.wanted or max(1, int(self.ray.cluster_resources().get("CPU", 1)))
        devices = int(self.ray.cluster_resources().get("GPU", 0)) if self.gpu != "off" else 0
        if self.gpu == "only":
            wanted = 0
            if not devices:
                raise UsageError("--gpu only: the cluster has no GPU")
        for device, count in ((False, wanted), (True, devices - self.unusable)):
            for _ in range(count - sum(w.device is device for w in self.workers)):
                handle = self._make(device)
                self.workers.append(Worker(handle, handle.ready.remote(), device=device))

    def references(self) -> dict[Any, Worker]:
        """Return the references to wait for, each with its worker."""
        owners = {w.starting: w for w in self.workers if w.starting is not None}
        return owners | {call: worker for worker in self.workers for call in worker.calls}

    def with_room(self, calls: int) -> list[Worker]:
        """Return the workers that are ready and have at most so many calls in flight.

        A device has one: it goes on with what it has between two calls.
        """
        return [
            w
            for w in self.workers
            if w.is_ready and len(w.calls) <= calls and not (w.device and w.calls)
        ]

    def has_started(self, worker: Worker) -> None:
        """Record that a worker is ready, or that it could not start."""
        reference, worker.starting = worker.starting, None
        try:
            version, host, process, worker.room = self.ray.get(reference, timeout=10)
        except self.ray.exceptions.RayError as error:
            worker.failures += 1
            worker.retry_at = time.monotonic() + min(10.0, 0.25 * 2**worker.failures)
            logger.info("a worker did not start: %s", gist(error))
            if worker.device and self.gpu == "auto" and worker.failures >= DEVICE_FAILURES:
                logger.warning("a GPU of the cluster is left alone: %s", gist(error))
                self.unusable += 1
                self.workers.remove(worker)
                self._kill(worker, restart=False)
                return
            if worker.failures >= START_FAILURES and not self._ever_ready:
                raise ClusterError(f"no worker starts on the cluster: {gist(error)}") from None
            return
        if version != __version__:
            raise UsageError(
                f"the cluster has flipsearch {version}, this is {__version__}: install the same "
                "version on every node"
            )
        worker.name, worker.failures, self._ever_ready = f"{host}/{process}", 0, True

    def lost(self, worker: Worker) -> None:
        """Take back what was sent to a worker that died, and wait for it to be ready again."""
        self.deaths += 1
        for entries in worker.calls.values():
            self.take_back(entries)
        self.take_back(worker.held)
        worker.calls.clear()
        worker.held = []
        if worker.is_ready:
            worker.starting = worker.handle.ready.remote()

    def replace(self, worker: Worker) -> None:
        """Kill a worker; Ray starts it again as another process."""
        self._kill(worker, restart=True)
        self.lost(worker)

    def tend(self) -> None:
        """Kill workers that hang, replace those that could not start, add some for new cores."""
        now = time.monotonic()
        for worker in self.workers:
            if worker.calls and now - worker.since > self.hang_seconds:
                logger.warning(
                    "worker %s gave no answer for %.0f s: killed, its tasks are sent again",
                    *(worker.name, self.hang_seconds),
                )
                self.replace(worker)
            if worker.retry_at and now >= worker.retry_at:
                self._kill(worker, restart=False)
                worker.handle = self._make(worker.device)
                worker.starting, worker.retry_at = worker.handle.ready.remote(), 0.0
        if self.wanted is None and now - self._grown > GROWTH_SECONDS:
            self.grow()

    def disband(self) -> None:
        """End all workers."""
        for worker in self.workers:
            self._kill(worker, restart=False)
        self.workers.clear()

    def _make(self, device: bool) -> Any:
        options = actor_options() | ({"num_cpus": 0, "num_gpus": 1} if device else {})
        return (
            self.ray.remote(Walker)
            .options(**options)
            .remote(*self.arguments, self.device if device else False)
        )

    def _kill(self, worker: Worker, restart: bool) -> None:
        try:
            self.ray.kill(worker.handle, no_restart=not restart)
        except (self.ray.exceptions.RayError, ValueError) as error:
            logger.debug("killing a worker: %s", gist(error))


def crew_on(ray: Any, owned: bool, *arguments: Any) -> Crew:
    """Return a `Crew`; if none can be made, stop a Ray that this process started."""
    try:
        return Crew(ray, *arguments)
    except BaseException:
        if owned:
            ray.shutdown()
        raise
