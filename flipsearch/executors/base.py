"""Declare the protocol of executors and keep their registry.

An executor only runs tasks: it takes them and hands back outcomes. Every member that the driver of
a search reads is declared here. A new executor is one subclass of `Executor` and one registration.
The contract suite of the tests runs over all registered executors.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from flipsearch.errors import FlipsearchError
from flipsearch.registry import Registry
from flipsearch.walk.task import WalkOutcome, WalkTask


@dataclass(frozen=True)
class Rejection:
    """A rejected answer: number of its task, reason, host and process of the worker."""

    number: int
    reason: str
    worker: str


class Executor:
    """A place where walks run; it closes when its ``with`` statement ends.

    Attributes
    ----------
    name : str
    checks_answers : bool
        Whether the executor itself checks outcomes by `flipsearch.walk.engine.flaw` with a secret
        seed.
    rejections : list of Rejection
        Answers rejected since the reader last emptied the list.
    """

    name: ClassVar[str] = "executor"
    checks_answers: ClassVar[bool] = False
    rejections: list[Rejection]

    def __init__(self) -> None:
        self.rejections = []

    @property
    def workers(self) -> int:
        """The number of walkers: threads, actors, or 1 for a device."""
        return 1

    @property
    def capacity(self) -> int:
        """The number of tasks, running and waiting, that the executor wants to hold."""
        raise NotImplementedError

    @property
    def pending(self) -> int:
        """The number of submitted tasks whose outcomes are still to come."""
        raise NotImplementedError

    def submit(self, task: WalkTask) -> None:
        """Take a task; outcomes come back in any order."""
        raise NotImplementedError

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Return an outcome, or None if none comes within `timeout` seconds.

        If a walk raised an error, raise this error in place of its outcome.
        """
        raise NotImplementedError

    def hurry(self) -> None:
        """Drop waiting tasks, and end walks on a device at their present step.

        Tasks that are still `pending` afterwards come back; a dropped task never does.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Drop waiting tasks, let running ones end, and free all resources."""
        raise NotImplementedError

    @property
    def jobs(self) -> int:
        """The number of items that `each` works on at once."""
        return 1

    def each(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        idle: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[str, Any]]:
        """Apply a pure function of an importable module to items, in order.

        `idle` is called about once a second or more often. If it raises an error, the work ends.

        Yields
        ------
        ("value", result) or ("error", text)
            Results of remote workers are not checked.
        """
        for item in items:
            answers: list[tuple[str, Any]] = []
            # in a thread, because jitted code hears no signal; abandoned if `idle` raises
            thread = threading.Thread(target=_answer, args=(function, item, answers), daemon=True)
            thread.start()
            while thread.is_alive():
                idle()
                thread.join(0.1)
            idle()
            kind, value = answers[0]
            if kind == "raise":
                raise value
            yield kind, value

    def publish(self, flips_per_second: float, best_rank: int, sizes: dict[int, int]) -> None:
        """Show a run's progress: flips a second, the best rank, the number of states by rank."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _answer(function: Callable[[Any], Any], item: Any, answers: list[tuple[str, Any]]) -> None:
    """Append ("value", result), ("error", text) or ("raise", error) to the answers."""
    try:
        answers.append(("value", function(item)))
    except (FlipsearchError, MemoryError) as error:
        answers.append(("error", str(error) or "no memory is left"))
    except BaseException as error:
        answers.append(("raise", error))


class QueueExecutor(Executor):
    """An executor with its own threads, a queue of tasks to them and a queue of outcomes back.

    A thread puts one of three things into the queue of outcomes: an outcome, an error, or the
    number of tasks that it dropped.

    Invariant: `pending` counts the tasks whose outcomes are still to come.
    """

    pending = 0

    def __init__(self) -> None:
        super().__init__()
        self._tasks: queue.SimpleQueue[WalkTask | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[WalkOutcome | BaseException | int] = queue.SimpleQueue()

    def submit(self, task: WalkTask) -> None:
        """Queue a task."""
        self.pending += 1
        self._tasks.put(task)

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Return an outcome, or None after `timeout` seconds; see `Executor.next_outcome`."""
        try:
            outcome = self._outcomes.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(outcome, int):
            self.pending -= outcome
            return None
        self.pending -= 1
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    def hurry(self) -> None:
        """Drop waiting tasks."""
        self.pending -= self._drop_waiting()

    def close(self) -> None:
        """Drop waiting tasks and let running ones end."""
        self._drop_waiting()

    def _drop_waiting(self) -> int:
        dropped = 0
        try:
            while True:
                dropped += self._tasks.get_nowait() is not None
        except queue.Empty:
            return dropped


Factory = Callable[..., Executor]
"""Makes an executor from keywords: ``workers`` (int or None), ``gpu`` (auto, off or only),
``address`` (str or None) and ``announce`` (a function that is given a line of text before a long
wait). It raises a `UsageError` for a keyword that it would ignore."""

EXECUTORS: Registry[Factory] = Registry(
    "executor",
    {
        "threads": "flipsearch.executors.device:local_executor",
        "ray": "flipsearch.executors.ray:RayExecutor",
    },
)
executor_names = EXECUTORS.names
executor_named = EXECUTORS.get


def register_executor(name: str, factory: Factory) -> None:
    """Register an executor under a name, for `flipsearch.Study` and the command line.

    Raises
    ------
    UsageError
        Another executor has the name.

    Examples
    --------
    >>> from flipsearch.executors.threads import ThreadExecutor
    >>> register_executor("single", lambda **options: ThreadExecutor(1))
    >>> executor_named("single")().workers
    1
    """
    EXECUTORS.register(name, factory)
