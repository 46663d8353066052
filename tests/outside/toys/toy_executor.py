"""An executor: one walk at a time, in the caller's own thread."""

from collections import deque

from flipsearch.errors import UsageError
from flipsearch.executors.base import Executor
from flipsearch.walk import engine
from flipsearch.walk.task import WalkOutcome, WalkTask


class ToyExecutor(Executor):
    """Walk when asked for an outcome."""

    name = "toy"
    capacity = 2

    def __init__(self, workers=None, *, gpu="auto", address=None, announce=print) -> None:
        super().__init__()
        if workers not in (None, 1) or gpu == "only" or address:
            raise UsageError("the toy walks alone: leave out --workers, --gpu and --address")
        self.waiting: deque[WalkTask] = deque()

    @property
    def pending(self) -> int:
        """Return how many tasks wait."""
        return len(self.waiting)

    def submit(self, task: WalkTask) -> None:
        """Take a task."""
        self.waiting.append(task)

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Walk the task that has waited longest."""
        return engine.walk(self.waiting.popleft()) if self.waiting else None

    def hurry(self) -> None:
        """Drop all tasks."""
        self.waiting.clear()

    close = hurry
