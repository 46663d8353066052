"""Run walks on threads of this process, one a core; this is the default executor.

Jitted walks release the interpreter's lock, so the threads run in parallel. They start at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from flipsearch.algebra.cores import available_cores
from flipsearch.errors import UsageError
from flipsearch.executors.base import QueueExecutor
from flipsearch.walk import engine
from flipsearch.walk.task import WalkOutcome, WalkTask


class ThreadExecutor(QueueExecutor):
    """Walk on threads of this process, by default one for each core that it may use."""

    name = "threads"
    workers = 0

    def __init__(
        self, workers: int | None = None, walk: Callable[[WalkTask], WalkOutcome] = engine.walk
    ) -> None:
        super().__init__()
        self.workers = available_cores() if workers is None else workers
        if self.workers < 1:
            raise UsageError("at least one worker is needed: give a number of at least 1")
        self._walk = walk
        self._threads = [
            threading.Thread(target=self._work, name=f"walk-{k}", daemon=True)
            for k in range(self.workers)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def capacity(self) -> int:
        """The number of one running and one waiting task for each worker."""
        return 2 * self.workers

    def close(self) -> None:
        """Drop waiting tasks and let running ones end."""
        super().close()
        for _ in self._threads:
            self._tasks.put(None)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                self._outcomes.put(self._walk(task))
            except BaseException as error:
                self._outcomes.put(error)
