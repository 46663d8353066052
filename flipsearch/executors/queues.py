"""What executors with threads of their own share: a queue of tasks, a queue of outcomes.

Invariant: `pending` counts the tasks whose outcomes are still to come; what is dropped is taken
off it, what a walk raises is raised where its outcome would have come.
"""

from __future__ import annotations

import queue
from types import TracebackType
from typing import Self

from flipsearch.walk.task import WalkOutcome, WalkTask


class QueueExecutor:
    """Hands tasks to threads, and back what they put among the outcomes.

    An outcome, an error, or the number of tasks that were dropped since.
    """

    def __init__(self) -> None:
        self.pending = 0
        self._tasks: queue.SimpleQueue[WalkTask | None] = queue.SimpleQueue()
        self._outcomes: queue.SimpleQueue[WalkOutcome | BaseException | int] = queue.SimpleQueue()

    def submit(self, task: WalkTask) -> None:
        """Queue a task."""
        self.pending += 1
        self._tasks.put(task)

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Return an outcome, or None after `timeout` seconds; raises what a walk raised."""
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
        """Drop what waits, so that what runs is all that is still to come."""
        self.pending -= self._drop_waiting()

    def close(self) -> None:
        """Drop what waits, let what runs end."""
        self._drop_waiting()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _drop_waiting(self) -> int:
        dropped = 0
        try:
            while True:
                dropped += self._tasks.get_nowait() is not None
        except queue.Empty:
            return dropped
