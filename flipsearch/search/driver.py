"""Drive one strategy on an executor and keep its results in a catalogue.

The driver has the only clock. It fills the executor, tells the strategy every outcome, writes each
new best scheme to the catalogue as soon as it is found, records heartbeats and checkpoints the
strategy's state. When time is up, or on an interrupt, it tells the remaining outcomes, lifts the
best schemes to characteristic 0, and stores the lifts too.

Invariant: a scheme is durable in the catalogue before it is reported. Killing the process at any
moment loses only walking since the last checkpoint. No error leaves the run recorded as running.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from flipsearch.catalogue import Catalogue, Run
from flipsearch.executors import Executor
from flipsearch.search.checkpoint import with_outstanding
from flipsearch.search.journal import Journal
from flipsearch.search.keeper import Keeper
from flipsearch.search.lifting import Lifting
from flipsearch.search.progress import Progress, Stop
from flipsearch.search.result import Result
from flipsearch.search.strategy import Strategy
from flipsearch.walk import engine
from flipsearch.walk.dependence import is_dependent
from flipsearch.walk.kinds import kind_of
from flipsearch.walk.task import WalkOutcome, WalkTask, unpack

logger = logging.getLogger("flipsearch.search")

CHECKPOINT_SECONDS = 10.0
SOON_SECONDS = 1.0
"""A new best rank is checkpointed at once, unless the last checkpoint is younger than this."""
REPORT_SECONDS = 0.5
WINDOW = 16
"""Number of tasks in progress of a deterministic run, for executors of any capacity."""
LIFTING_SHARE, LIFTING_SECONDS = 0.25, 30.0
"""Longest time for lifting: this share of the budget, or this number of seconds if larger."""


class Driver:
    """Walk until the budget is spent, the strategy is finished, or a stop is requested.

    Parameters
    ----------
    catalogue : Catalogue
        Open for writing.
    run : Run
        The run's record, from `Runs.start` or `Runs.resume`.
    report : function
        Called with the `Progress` about twice a second.
    deterministic : bool
        Tell outcomes in the order of their tasks and ask for one new task after each. The whole
        run then replays on any executor.
    outstanding : iterable of WalkTask
        Tasks whose outcomes were not told before the strategy stopped; walked first.
    keep : int, optional
        Number of inequivalent schemes to store of each best rank; without them a target does not
        end the walk.
    checkpoint_seconds : float
        Seconds between two checkpoints, which are also heartbeats of the run.
    """

    def __init__(
        self,
        strategy: Strategy,
        executor: Executor,
        catalogue: Catalogue,
        run: Run,
        *,
        report: Callable[[Progress], None] = lambda progress: None,
        stop: Stop | None = None,
        deterministic: bool = False,
        outstanding: Iterable[WalkTask] = (),
        keep: int | None = None,
        journal: Journal | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.strategy, self.executor, self.report = strategy, executor, report
        self.stop = stop or Stop()
        self.deterministic, self.outstanding = deterministic, list(outstanding)
        self.checkpoint_seconds = checkpoint_seconds
        self.progress = Progress(strategy.best_rank, strategy.sizes)
        self.journal = Journal() if journal is None else journal
        self.result = Result(run, self.progress, journal=self.journal)
        self.keeper = Keeper(strategy, catalogue, self.result, keep)
        self._asked: dict[int, WalkTask] = {}
        self._waiting: dict[int, WalkOutcome] = {}
        self._torn = self._lower = False
        self._started = self._reported = self._checkpointed = self._improved = 0.0

    def run(self, budget: float, *, lift: bool = True, stale: float = math.inf) -> Result:
        """Walk, lift, and record the end of the run.

        Raises `SpooledError` if a scheme could not be stored (disk full, locked for a minute): its
        schemes are in a spool file, which the next opening of the catalogue stores. Raises
        `ClusterError` or `WalkFailedError` if the executor failed: found schemes are stored, and
        the run can be resumed.

        Parameters
        ----------
        budget : float
            Seconds of walking. Then running tasks are finished and waiting tasks are dropped.
            Lifting takes an additional share, `LIFTING_SHARE`.
        lift : bool
            Whether to lift the best schemes over F2 or F3 at the end.
        stale : float
            Seconds without a lower rank after which walking also ends.
        """
        failure: BaseException | None = None
        try:
            self._walk(budget, stale)
            self.progress.message = "counting classes"
            self.report(self.progress)
            self.keeper.count_classes()
            if self.result.scheme is None:  # nothing better than the start
                strategy, best = self.strategy, self.strategy.best_states()[0]
                self.result.scheme = unpack(strategy.format, strategy.ring, best)
            if lift and self.stop.asked < 2 and self.keeper.trouble is None:
                self._lift(budget)
        except (Exception, KeyboardInterrupt) as error:  # raised again by `finish`
            failure = error
        self.result.interrupted = bool(self.stop.asked)
        self.journal.note(self.result.run, self.progress)
        state = None
        try:
            # half an ask or tell cannot be replayed: then the last checkpoint stays
            state = None if self.deterministic and self._torn else self._state()
        except Exception as error:
            logger.warning("no last checkpoint: %s", error)
        self.keeper.finish(state, failure)
        return self.result

    def _walk(self, budget: float, stale: float) -> None:
        executor, stop, progress = self.executor, self.stop, self.progress
        self._started = self._reported = self._improved = time.monotonic()
        self.journal.note(self.result.run, self.progress)
        for task in self.outstanding:
            self._send(task)
        self.keeper.checkpoint(self._state())
        hurried = False
        while True:
            progress.seconds = time.monotonic() - self._started
            stopping = stop.asked or self.keeper.trouble is not None
            over = progress.seconds >= budget or time.monotonic() - self._improved >= stale
            walking = not (self._finished or over or stopping)
            if walking:
                room = WINDOW if self.deterministic else executor.capacity
                while executor.pending + len(self._waiting) < room:
                    self._ask()
            elif executor.pending == 0 or stop.asked > 1:
                return
            elif not (hurried or self.deterministic):
                hurried = True
                executor.hurry()
            outcome = executor.next_outcome(timeout=0.25)
            if outcome is not None and not self.deterministic:
                self._tell(outcome)
            elif outcome is not None:
                self._waiting[outcome.number] = outcome
                while self._asked and (first := next(iter(self._asked))) in self._waiting:
                    self._tell(self._waiting.pop(first))
                    if walking and not self._finished:
                        self._ask()
            self.keeper.reject_all(executor)
            self._show()
            now = time.monotonic()
            soon = min(SOON_SECONDS, self.checkpoint_seconds)
            if now - self._checkpointed >= (soon if self._lower else self.checkpoint_seconds):
                self._checkpointed, self._lower = now, False
                self.keeper.checkpoint(self._state())

    @property
    def _finished(self) -> bool:
        return self.strategy.finished and self.keeper.has_enough

    def _lift(self, budget: float) -> None:
        progress, result = self.progress, self.result
        walked = budget if math.isfinite(budget) else progress.seconds
        result.lifting_share = max(LIFTING_SECONDS, LIFTING_SHARE * walked)
        progress.message = f"lifting, for {result.lifting_share:.0f} s at most"
        self.report(progress)
        Lifting(self.keeper, self.executor, self.stop, self._show).run(result.lifting_share)

    def _send(self, task: WalkTask) -> None:
        self._asked[task.number] = task
        self.executor.submit(task)

    def _ask(self) -> None:
        self._torn = True
        task = self.strategy.ask()
        self._torn = False
        self._send(task)

    def _tell(self, outcome: WalkOutcome) -> None:
        """Check an outcome, tell the strategy, and store new schemes."""
        progress, task = self.progress, self._asked.get(outcome.number)
        if task is not None and not self.executor.checks_answers:
            outcome = engine.check(task, outcome, secrets.randbits(64))
        progress.flips += outcome.flips
        progress.steps += outcome.steps
        progress.tasks += 1
        if outcome.reason == "broken":
            self.keeper.reject("a walk broke the identity of its scheme", outcome.number)
        lower = self._learn(lambda: self.strategy.tell(outcome))
        if task is not None:
            several = "within" in self.strategy.options
            format_ = None if several else self.strategy.format
            self.journal.count(format_, task, outcome, lower)
        self._asked.pop(outcome.number, None)
        before = len(self.result.stored)
        self.keeper.keep(outcome, task)
        if task is not None and len(self.result.stored) > before:
            self.journal.log(task)

    def _learn(self, change: Callable[[], bool]) -> bool:
        """Change the strategy; record and return whether there is a new best rank."""
        self._torn = True
        lower = change()
        self._torn = False
        self.progress.best_rank, self.progress.sizes = self.strategy.best_rank, self.strategy.sizes
        if lower:
            self._lower, self._improved = True, time.monotonic()
            self.progress.seconds = self._improved - self._started
            self.journal.note(self.result.run, self.progress)
        return lower

    def _state(self) -> dict[str, Any]:
        asked = self._asked.values() if self.deterministic else ()
        state = {**self.strategy.state(), "journal": self.journal.saved()}
        return with_outstanding(state, asked)

    def _show(self) -> None:
        """Report the progress unless the last report is younger than `REPORT_SECONDS`."""
        now, progress = time.monotonic(), self.progress
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self.report(progress)
            self.executor.publish(progress.flips_per_second, progress.best_rank, progress.sizes)


def compile_ahead(strategy: Strategy, executor: Executor) -> None:
    """Compile the strategy's walks on the executor's machine, or load them from disk.

    This takes up to some minutes the first time. Before a study it does not use up the budget, and
    an interrupt leaves no run.
    """
    samples, parts = strategy.samples(), []
    for task in samples:
        orbit, rows = task.orbit, len(task.start) // 2
        while rows >= orbit:  # walks are compiled for several numbers of rows
            parts.append(replace(task, start=task.start[: rows - rows % orbit]))
            rows //= 2
    for function, tasks in ((_try, samples), (_try_part, parts)):
        for _ in executor.each(function, tasks):
            pass


def _try(task: WalkTask) -> None:
    """Compile a walk, the check of its outcome, and the test before it goes into a pool."""
    final = engine.walk(task).final
    if task.ring.is_field_of_search:
        is_dependent(task.format, task.ring, final)


def _try_part(task: WalkTask) -> None:
    kind_of(task).run(task)  # unchecked, because a part of a start is no scheme
