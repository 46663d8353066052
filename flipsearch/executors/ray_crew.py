"""Keep the walker actors of a Ray executor alive: start them, and replace dead or hanging ones.

Invariant: a worker with calls in flight has reported that it is ready since its last start. No
call therefore waits for an actor whose node is gone.
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
"""Number of failed starts after which a GPU is not used."""
START_FAILURES = 5
"""Number of failed starts of a worker that end the search if no worker has started yet."""


@dataclass(eq=False)
class Entry:
    """A task or job that has not come back; `there` says whether its device holds it."""

    ticket: int
    task: WalkTask | None
    job: tuple[Callable[[Any], Any], Any] | None = None
    attempts: int = 0
    deaths: int = 0
    there: bool = False


@dataclass(eq=False)
class Worker:
    """An actor; it is starting until `ready` has answered, then it takes calls.

    Parameters
    ----------
    handle, starting
        Ray's handle of the actor, and the reference of a call of `ready` that has not come back.
    calls : dict
        The entries of each call in flight, by its reference.
    since : float
        Time of its last answer, or of a call to it while it was idle.
    failures, retry_at : int, float
        Number of failed starts in succession; time at which another actor replaces it, 0 for
        never.
    name : str
        Host and process.
    device, room : bool, int
        Whether it has a GPU instead of a core, and the number of tasks that the GPU takes.
    held : list
        Entries on its device that were not finished when the last call came back.
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
        """Whether it takes calls."""
        return self.starting is None and not self.retry_at

    def hold(self, entry: Entry, there: bool) -> None:
        """Record whether a task is still on the device."""
        entry.there = there
        if there:
            self.held.append(entry)

    def space(self, batch: int) -> int:
        """Return the number of tasks to send: a batch for a core, the free room of a device."""
        return self.room - len(self.held) if self.device else batch


class Crew:
    """The workers of a Ray executor; a worker that gives no answer for `hang_seconds` is killed.

    Parameters
    ----------
    wanted : int, optional
        Number of workers; by default one for each core of the cluster, later ones included.
    arguments : tuple
        Arguments of each `Walker`; `device` is the last one of a walker with a GPU.
    take_back : function
        Is given the entries of a lost worker.
    gpu : str
        As for `RayExecutor`.
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
        """Start the missing workers."""
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
        """Return the worker of each reference to wait for."""
        owners = {w.starting: w for w in self.workers if w.starting is not None}
        return owners | {call: worker for worker in self.workers for call in worker.calls}

    def with_room(self, calls: int) -> list[Worker]:
        """Return the workers that are ready and have at most `calls` calls in flight.

        A device has one call at most, because it keeps walking between two calls.
        """
        return [
            w
            for w in self.workers
            if w.is_ready and len(w.calls) <= calls and not (w.device and w.calls)
        ]

    def has_started(self, worker: Worker) -> None:
        """Record that a worker is ready or could not start."""
        reference, worker.starting = worker.starting, None
        try:
            version, host, process, worker.room = self.ray.get(reference, timeout=10)
        except self.ray.exceptions.RayError as error:
            worker.failures += 1
            worker.retry_at = time.monotonic() + min(10.0, 0.25 * 2**worker.failures)
            logger.info("a worker did not start: %s", gist(error))
            if worker.device and self.gpu == "auto" and worker.failures >= DEVICE_FAILURES:
                logger.warning("a GPU of the cluster is not used: %s", gist(error))
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
        """Take back the entries of a worker that died, and wait for it to be ready again."""
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
        """Kill workers that hang, replace workers that could not start, add some for new cores."""
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
    """Return a `Crew`; if it cannot be made, stop the Ray that this process started."""
    try:
        return Crew(ray, *arguments)
    except BaseException:
        if owned:
            ray.shutdown()
        raise
