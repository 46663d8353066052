"""Run walks on a Ray cluster: one walker actor a core, several walks a call, no walk lost.

A task is queued, sent with others in one call of a few seconds, and kept until its outcome is
back. At most two calls are in flight for each actor. If an actor or its node dies, does not answer
in time, or gives a wrong answer, its tasks are sent again. A task is therefore sent at least once,
and its ticket makes sure that its outcome is handed back once.

Invariant: every submitted task comes back exactly once, as an outcome that
`flipsearch.executors.answers` accepted, or as ``broken`` after `ATTEMPTS` rejected answers. Each
rejection is kept in `rejections` with its worker.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from flipsearch.algebra.processes import machine
from flipsearch.errors import UsageError
from flipsearch.executors.answers import (
    AnswerError,
    WalkFailedError,
    broken,
    open_answer,
    words_needed,
)
from flipsearch.executors.base import Executor, Rejection
from flipsearch.executors.ray_cluster import ClusterError, Metrics, Starts, connect, gist
from flipsearch.executors.ray_crew import Entry, Worker, crew_on
from flipsearch.walk.gpu.device import Device
from flipsearch.walk.task import WalkOutcome, WalkTask

logger = logging.getLogger("flipsearch.ray")

IN_FLIGHT = 2
LARGEST_BATCH = 64
ATTEMPTS = 3
"""Number of wrong answers or errors after which a task is given up."""
DEATHS = 20
"""Number of workers that die during a task before the task counts as the cause."""


class RayExecutor(Executor):
    """Walk on a Ray cluster.

    Raises `UsageError` if Ray is not installed, no cluster answers, or `workers` is not positive.

    Parameters
    ----------
    workers : int, optional
        Number of walkers, one core each. By default all cores of the cluster, including cores that
        join later.
    address : str, optional
        The cluster to join: ``auto``, ``host:6379`` or ``ray://host:10001``. Without an address a
        local Ray is started, and `close` stops it.
    gpu : str
        ``auto``: also one walker for each GPU of the cluster; ``only``: GPUs without cores;
        ``off``: cores without GPUs.
    walk, device : functions, optional
        Return the outcome of a task, by default that of the numba engine; and the device of a
        walker with a GPU, by default CUDA's first, since Ray shows a walker only its own GPU.
    chunk_seconds, hang_seconds : float
        Duration of a call to aim at; and seconds without an answer after which a worker is killed
        and its tasks are sent again.
    announce : function, optional
        Is given a line of text before a long wait.
    """

    name = "ray"
    checks_answers = True

    def __init__(
        self,
        workers: int | None = None,
        address: str | None = None,
        gpu: str = "auto",
        *,
        walk: Callable[[WalkTask], WalkOutcome] | None = None,
        device: Callable[[], Device] | None = None,
        chunk_seconds: float = 2.0,
        hang_seconds: float = 300.0,
        announce: Callable[[str], None] | None = None,
    ) -> None:
        if workers is not None and workers < 1:
            raise UsageError("at least one worker is needed: give a number of at least 1")
        if gpu not in ("auto", "off", "only"):
            raise UsageError("gpu is auto, off or only")
        super().__init__()
        self._chunk_seconds = chunk_seconds
        self._queue: deque[Entry] = deque()
        self._jobs: deque[Entry] = deque()
        self._pending: dict[int, Entry] = {}
        self._results: dict[int, tuple[str, Any]] = {}
        self._outcomes: deque[WalkOutcome | WalkFailedError] = deque()
        self._task_seconds: float | None = None
        self._batch, self._tickets, self._hurrying = 1, 0, False
        self._metrics: Metrics | None = None
        self._seed = secrets.randbits(64)
        announce = announce or logger.info
        self._ray, self._owned = connect(address, workers, announce)
        self._starts = Starts(self._ray)
        wanted = workers, (walk, machine()), hang_seconds, self._take_back, gpu, device or True
        self._crew = crew_on(self._ray, self._owned, *wanted)
        word = "walkers" if self.workers != 1 else "walker"
        announce(f"Ray is up: {self.workers} {word}, one core or one GPU each")

    @property
    def workers(self) -> int:
        """The number of walkers, started or not."""
        return len(self._crew.workers)

    @property
    def jobs(self) -> int:
        """The number of items that `each` works on at once."""
        return self.workers

    @property
    def deaths(self) -> int:
        """The number of workers that were lost or killed."""
        return self._crew.deaths

    @property
    def capacity(self) -> int:
        """The number of tasks that all devices, and two calls for each core, hold."""
        rooms = (w.room if w.device else IN_FLIGHT * self._batch for w in self._crew.workers)
        return max(IN_FLIGHT, sum(rooms))

    @property
    def pending(self) -> int:
        """The number of submitted tasks whose outcomes are still to come."""
        return len(self._pending) + len(self._outcomes)

    def submit(self, task: WalkTask) -> None:
        """Queue a task; it is sent with others at the next look for outcomes."""
        self._hurrying = False
        self._queue.append(self._entry(task))

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Return an outcome, or None after `timeout` seconds.

        Raises `WalkFailedError` if a task raised an error on every worker that it was sent to;
        `ClusterError` if the cluster is gone.
        """
        deadline = time.monotonic() + timeout
        while not self._outcomes:
            left = deadline - time.monotonic()
            self._look(max(0.0, min(left, 1.0)))
            if left <= 0 and not self._outcomes:
                return None
        outcome = self._outcomes.popleft()
        if isinstance(outcome, WalkFailedError):
            raise outcome
        return outcome

    def each(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        idle: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[str, Any]]:
        """Apply a pure function to items on the workers; see `Executor.each`."""
        entries = [self._entry(None, (function, item)) for item in items]
        self._jobs.extend(entries)
        try:
            for entry in entries:
                while entry.ticket not in self._results:
                    self._look(1.0)
                    idle()
                yield self._results.pop(entry.ticket)
        finally:
            for entry in entries:
                self._pending.pop(entry.ticket, None)
                self._results.pop(entry.ticket, None)
            self._jobs.clear()

    def publish(self, flips_per_second: float, best_rank: int, sizes: dict[int, int]) -> None:
        """Add a run's progress to Ray's metrics, for its dashboard and Prometheus."""
        if self._metrics is None:
            self._metrics = Metrics()
        self._metrics.publish((flips_per_second, best_rank, self.workers, self.deaths), sizes)

    def hurry(self) -> None:
        """Drop waiting tasks; let devices end their walks at their present step."""
        for entry in self._queue:
            self._pending.pop(entry.ticket, None)
        self._queue.clear()
        self._hurrying = True

    def close(self) -> None:
        """Drop all tasks, end the walkers, and stop the Ray that this executor started."""
        self._queue.clear()
        self._jobs.clear()
        self._pending.clear()
        self._starts.clear()
        if self._ray.is_initialized():
            self._crew.disband()
            if self._owned:
                self._ray.shutdown()

    def _entry(
        self, task: WalkTask | None, job: tuple[Callable[[Any], Any], Any] | None = None
    ) -> Entry:
        self._tickets += 1
        entry = Entry(self._tickets, task, job)
        if task is not None:
            self._pending[entry.ticket] = entry
        return entry

    def _take_back(self, entries: list[Entry]) -> None:
        """Queue entries again, before all others, because their worker died."""
        for entry in reversed(entries):
            entry.deaths += 1
            entry.there = False
            if entry.deaths < DEATHS:
                (self._queue if entry.task is not None else self._jobs).appendleft(entry)
            else:
                self._give_up(entry, f"{DEATHS} workers died during it", "?")

    def _give_up(self, entry: Entry, reason: str, worker: str) -> None:
        if entry.task is None:
            self._results[entry.ticket] = ("error", reason)
        elif self._pending.pop(entry.ticket, None) is not None:
            self.rejections.append(Rejection(entry.task.number, reason, worker))
            self._outcomes.append(broken(entry.task))

    def _reject(self, entry: Entry, reason: str, worker: Worker) -> None:
        """Record a wrong answer and send its task again."""
        assert entry.task is not None
        entry.attempts += 1
        logger.warning("task %d: %s (worker %s)", entry.task.number, reason, worker.name)
        if entry.attempts >= ATTEMPTS:
            self._give_up(entry, reason, worker.name)
        else:
            self.rejections.append(Rejection(entry.task.number, reason, worker.name))
            self._queue.append(entry)

    def _dispatch(self) -> None:
        """Send queued tasks to workers with room, idle ones first, in even shares."""
        for slot in range(IN_FLIGHT):
            free = self._crew.with_room(slot)
            for place, worker in enumerate(free):
                if self._jobs:
                    entries = [self._jobs.popleft()]
                else:
                    rooms = [w.space(self._batch) for w in free[place:]]
                    share = math.ceil(len(self._queue) * rooms[0] / max(1, sum(rooms)))
                    count = min(share, rooms[0], len(self._queue))
                    entries = worker.held + [self._queue.popleft() for _ in range(count)]
                    worker.held = []
                if entries:
                    self._send(worker, entries)

    def _send(self, worker: Worker, entries: list[Entry]) -> None:
        if not worker.calls:
            worker.since = time.monotonic()
        job = entries[0].job
        if job is not None:
            worker.calls[worker.handle.apply.remote(*job)] = entries
            return
        tasks = [None if entry.there else entry.task for entry in entries]
        light, starts = self._starts.lighten(tasks)
        if worker.device:
            numbered = [(entry.ticket, *pair) for entry, pair in zip(entries, light, strict=True)]
            call = worker.handle.walk_on_device.remote(numbered, self._hurrying, *starts)
        else:
            call = worker.handle.walk.remote(light, *starts)
        worker.calls[call] = entries

    def _look(self, timeout: float) -> None:
        """Send queued tasks, take answers, and replace workers that hang or failed."""
        try:
            self._dispatch()
            owners = self._crew.references()
            references = list(owners)
            if references:
                came, _ = self._ray.wait(references, num_returns=1, timeout=timeout)
                if came and len(references) > 1:
                    came, _ = self._ray.wait(references, num_returns=len(references), timeout=0)
                for reference in came:
                    worker = owners[reference]
                    if reference is worker.starting:
                        self._crew.has_started(worker)
                    elif reference in worker.calls:
                        self._take(worker, reference)
            else:
                time.sleep(min(timeout, 0.05))
            self._crew.tend()
            self._dispatch()
        except ConnectionError as error:
            raise ClusterError(
                f"the Ray cluster is gone ({gist(error)}): start it again, then flipsearch resume"
            ) from None

    def _take(self, worker: Worker, reference: Any) -> None:
        """Handle the answer to a call: outcomes, an error, or the death of its worker."""
        entries = worker.calls.pop(reference)
        exceptions = self._ray.exceptions
        try:
            answer = self._ray.get(reference, timeout=10)
        except (exceptions.RayTaskError, exceptions.RaySystemError) as error:
            # a sound walker raises no error and answers with plain values
            self._refuse(worker, entries, f"a worker's answer was an error: {gist(error)}")
            return
        except exceptions.RayError as error:  # the actor, its node or the answer is lost
            logger.info("worker %s is lost: %s", worker.name, gist(error))
            self._take_back(entries)
            self._crew.lost(worker)
            return
        worker.since = time.monotonic()
        if entries[0].job is not None:
            ok = type(answer) is tuple and len(answer) == 2 and answer[0] in ("value", "error")
            self._results[entries[0].ticket] = answer if ok else ("error", "a malformed answer")
            return
        self._open(worker, entries, answer)

    def _open(self, worker: Worker, entries: list[Entry], answer: Any) -> None:
        try:
            records, words, seconds = answer
            if len(records) != len(entries) or words.ndim != 1 or type(seconds) is not float:
                raise AnswerError("a worker's answer was rejected: it is no list of outcomes")
        except (TypeError, ValueError, AttributeError, AnswerError) as error:
            self._refuse(worker, entries, str(error))
            return
        offset = 0
        for place, (entry, record) in enumerate(zip(entries, records, strict=True)):
            assert entry.task is not None
            if type(record) is tuple and len(record) == 3:
                self._unfinished(entry, record, worker)
                continue
            try:
                needed = words_needed(entry.task, record)
                part = words[offset : offset + needed]
                outcome = open_answer(entry.task, record, part, self._seed)
            except AnswerError as error:
                # later states cannot be found in the words any more
                self._refuse(worker, entries[place:], str(error), only_first=True)
                return
            offset += needed
            if self._pending.pop(entry.ticket, None) is not None:  # else a duplicate
                self._outcomes.append(outcome)
        if not worker.device and math.isfinite(seconds) and seconds >= 0:
            self._learn(seconds / len(entries))

    def _refuse(
        self, worker: Worker, entries: list[Entry], reason: str, only_first: bool = False
    ) -> None:
        """Reject an answer and replace its worker, because it or its machine is at fault."""
        for place, entry in enumerate(entries):
            entry.there = False
            if entry.task is None:
                self._results[entry.ticket] = ("error", reason)
            elif not (only_first and place):
                self._reject(entry, reason, worker)
        if only_first:
            self._queue.extendleft(reversed(entries[1:]))
        self._crew.replace(worker)

    def _unfinished(self, entry: Entry, record: tuple[Any, ...], worker: Worker) -> None:
        """Record that a task is still on a device, was dropped there, or raised an error."""
        assert entry.task is not None
        if worker.device and record[0] in ("running", "dropped"):
            worker.hold(entry, record[0] == "running")
            if not entry.there:
                self._pending.pop(entry.ticket, None)
            return
        entry.attempts += 1
        entry.there = False
        text = f"{record[1]}: {record[2]}"
        if entry.attempts < ATTEMPTS:
            logger.info("a task raised %s (worker %s): sent again", text, worker.name)
            self._queue.append(entry)
            return
        self._pending.pop(entry.ticket, None)
        error = WalkFailedError(f"task {entry.task.number} fails wherever it is sent: {text}")
        self._outcomes.append(error)

    def _learn(self, seconds: float) -> None:
        """Adapt the number of tasks a call to the duration to aim at."""
        known = seconds if self._task_seconds is None else self._task_seconds
        self._task_seconds = 0.7 * known + 0.3 * seconds
        fitting = self._chunk_seconds / max(self._task_seconds, 1e-6)
        self._batch = int(max(1, min(fitting, 2 * self._batch, LARGEST_BATCH)))
