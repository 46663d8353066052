"""Where walks run. An executor only runs: it is handed tasks and hands back outcomes.

Every executor has `capacity`, `submit(task)`, `next_outcome(timeout)`, `hurry()` and `close()`;
one contract test suite runs against all of them.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from flipsearch.walk.task import WalkOutcome, WalkTask


class Executor(Protocol):
    """What a strategy's driver needs of an executor."""

    @property
    def capacity(self) -> int:
        """How many tasks it wants to hold at once: running and waiting."""

    @property
    def pending(self) -> int:
        """Tasks submitted whose outcomes have not been handed back."""

    def submit(self, task: WalkTask) -> None:
        """Take a task; outcomes come back in any order."""

    def next_outcome(self, timeout: float) -> WalkOutcome | None:
        """Return an outcome, or None if none has come after `timeout` seconds."""

    def hurry(self) -> None:
        """End soon: drop tasks that wait; those on a device come back with the steps done so far.

        What is still `pending` then comes back; a dropped task never does.
        """

    def close(self) -> None:
        """Drop what waits, let what runs end, free everything."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
