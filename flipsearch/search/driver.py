"""The driver: one strategy, run on an executor, its results kept in a catalogue.

The driver has the only clock. It fills the executor, tells the strategy every outcome, writes each
new best scheme to the catalogue as soon as it is found, beats the heart of the run and checkpoints
the strategy's state. When time is up, or on an interrupt, it tells what still comes back, lifts
the best schemes to characteristic 0, and stores them too.

Invariant: a scheme is durable in the catalogue before it is reported. Killing the process at any
moment loses walking since the last checkpoint, never a stored scheme; no error leaves the run
recorded as running.
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
from flipsearch.search.keeper import Keeper
from flipsearch.search.lifting import Lifting
from flipsearch.search.progress import Progress, Result, Stop
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
"""Tasks asked and not yet told in a deterministic run, whatever the executor can hold."""
LIFTING_SHARE, LIFTING_SECONDS = 0.25, 30.0
"""Lifting takes at most this share of the budget, or this many seconds if that is more."""


class Driver:
    """Walk until the budget is spent, the strategy is finished, or a stop is asked for.

    Parameters
    ----------
    strategy : Strategy
    executor : Executor
    catalogue : Catalogue
        Open for writing.
    run : Run
        The run's record, from `Catalogue.start_run` or `resume_run`.
    report : function
        Called with the `Progress` about twice a second.
    stop : Stop, optional
    deterministic : bool
        Tell outcomes in the order of their tasks, one new task asked for each, which makes the
        whole run replay on any executor.
    outstanding : iterable of WalkTask
        Asked of this strategy before it was stopped and never told: walked first.
    checkpoint_seconds : float
        Between two checkpoints; also the signs of life of the run.
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
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        self.strategy, self.executor, self.report = strategy, executor, report
        self.stop = stop or Stop()
        self.deterministic, self.outstanding = deterministic, list(outstanding)
        self.checkpoint_seconds = checkpoint_seconds
        self.progress = Progress(strategy.best_rank, strategy.sizes)
        self.result = Result(run, self.progress)
        self.keeper = Keeper(strategy, catalogue, self.result)
        self._asked: dict[int, WalkTask] = {}
        self._waiting: dict[int, WalkOutcome] = {}
        self._torn = self._lower = False
        self._started = self._reported = self._checkpointed = self._improved = 0.0

    def run(self, budget: float, *, lift: bool = True, stale: float = math.inf) -> Result:
        """Walk, lift, and record the end of the run.

        Parameters
        ----------
        budget : float
            Seconds of walking. Tasks running then are waited for, tasks waiting are not walked.
            Lifting has a share of it on top, `LIFTING_SHARE`.
        lift : bool
            Lift the best schemes over F2 or F3 at the end.
        stale : float
            Walking also ends when no lower rank was found for so many seconds.

        Raises
        ------
        SpooledError
            A scheme could not be stored (disk full, locked for a minute): the search has stopped,
            and its schemes are in a spool file, which goes in when the catalogue is opened again.
        ClusterError, WalkFailedError
            The executor failed: what was found is kept, and the run can be resumed.
        """
        failure: BaseException | None = None
        try:
            self._walk(budget, stale)
            if self.result.scheme is None:  # nothing better than the start
                strategy, best = self.strategy, self.strategy.best_states()[0]
                self.result.scheme = unpack(strategy.format, strategy.ring, best)
            if lift and self.stop.asked < 2 and self.keeper.trouble is None:
                self._lift(budget)
        except (Exception, KeyboardInterrupt) as error:  # what was found so far is kept
            failure = error
        self.result.interrupted = bool(self.stop.asked)
        self.result.note()
        state = None
        try:
            # half an ask or tell cannot be replayed: then the last checkpoint stands
            state = None if self.deterministic and self._torn else self._state()
        except Exception as error:
            logger.warning("no last checkpoint: %s", error)
        self.keeper.finish(state, failure)
        return self.result

    def _walk(self, budget: float, stale: float) -> None:
        strategy, executor, stop, progress = self.strategy, self.executor, self.stop, self.progress
        self._started = self._reported = self._improved = time.monotonic()
        self.result.note()
        for task in self.outstanding:
            self._send(task)
        self.keeper.checkpoint(self._state())
        hurried = False
        while True:
            progress.seconds = time.monotonic() - self._started
            stopping = stop.asked or self.keeper.trouble is not None
            over = progress.seconds >= budget or time.monotonic() - self._improved >= stale
            walking = not (strategy.finished or over or stopping)
            beginning = walking and strategy.beginning
            progress.message = "passing on what is stored" if beginning else ""
            if beginning:
                self._learn(strategy.begin)
                self.keeper.keep_found()
            elif walking:
                room = WINDOW if self.deterministic else executor.capacity
                while executor.pending + len(self._waiting) < room:
                    self._ask()
            elif executor.pending == 0 or stop.asked > 1:
                return
            elif not (hurried or self.deterministic):
                hurried = True
                executor.hurry()
            outcome = executor.next_outcome(timeout=0.0 if beginning else 0.25)
            if outcome is not None and not self.deterministic:
                self._tell(outcome)
            elif outcome is not None:
                self._waiting[outcome.number] = outcome
                while self._asked and (first := next(iter(self._asked))) in self._waiting:
                    self._tell(self._waiting.pop(first))
                    if walking and not strategy.finished:
                        self._ask()
            self.keeper.reject_all(executor)
            self._show()
            now = time.monotonic()
            soon = min(SOON_SECONDS, self.checkpoint_seconds)
            if now - self._checkpointed >= (soon if self._lower else self.checkpoint_seconds):
                self._checkpointed, self._lower = now, False
                self.keeper.checkpoint(self._state())

    def _lift(self, budget: float) -> None:
        progress, result = self.progress, self.result
        progress.seconds = time.monotonic() - self._started
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
        """Check an outcome, tell the strategy, and store what is new."""
        progress, task = self.progress, self._asked.get(outcome.number)
        if task is not None and not self.executor.checks_answers:
            outcome = engine.check(task, outcome, secrets.randbits(64))
        progress.flips += outcome.flips
        progress.steps += outcome.steps
        progress.tasks += 1
        if outcome.reason == "broken":
            self.keeper.reject("a walk broke the identity of its scheme", outcome.number)
        self._learn(lambda: self.strategy.tell(outcome))
        self._asked.pop(outcome.number, None)
        self.keeper.keep(outcome, task)

    def _learn(self, change: Callable[[], bool]) -> None:
        """Let the strategy change; note whether it has a new best rank."""
        self._torn = True
        lower = change()
        self._torn = False
        self.progress.best_rank, self.progress.sizes = self.strategy.best_rank, self.strategy.sizes
        if lower:
            self._lower, self._improved = True, time.monotonic()
            self.progress.seconds = self._improved - self._started
            self.result.note()

    def _state(self) -> dict[str, Any]:
        asked = self._asked.values() if self.deterministic else ()
        return with_outstanding(self.strategy.state(), asked)

    def _show(self) -> None:
        """Report the progress, unless it was reported just now."""
        now, progress = time.monotonic(), self.progress
        if now - self._reported >= REPORT_SECONDS:
            self._reported = now
            self.report(progress)
            self.executor.publish(progress.flips_per_second, progress.best_rank, progress.sizes)


def compile_ahead(strategy: Strategy, executor: Executor) -> None:
    """Compile, or load from disk, all that the strategy's walks need, on the executor's machine.

    That takes up to minutes the first time. Done before a study, it takes nothing off the budget
    and leaves no run behind when it is interrupted.
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
    """Compile all that a walk, the check of its outcome and its way into a pool need."""
    is_dependent(task.format, task.ring, engine.walk(task).final)


def _try_part(task: WalkTask) -> None:
    kind_of(task).run(task)  # unchecked: a part of a start is no scheme
