"""Drive a strategy on an executor, and keep what it finds.

The driver is the only place with a clock: it fills the executor, tells the strategy every outcome,
writes each new best scheme to the catalogue as soon as it is found, beats the heart of the run and
checkpoints the strategy's state. When time is up, or on an interrupt, it tells what still comes
back, lifts the best schemes to characteristic 0, and stores them too.

Invariant: a scheme is durable in the catalogue before it is reported; killing the process at any
moment loses walking since the last checkpoint, never a stored scheme.
"""

from __future__ import annotations

import logging
import math
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from flipsearch.catalogue import Catalogue, Run
from flipsearch.executors import Executor
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.checkpoint import with_outstanding
from flipsearch.search.keeper import Keeper
from flipsearch.walk import engine
from flipsearch.walk.task import WalkOutcome, WalkTask, Words

logger = logging.getLogger("flipsearch.search")

CHECKPOINT_SECONDS = 10.0
SOON_SECONDS = 1.0
"""A new best rank is checkpointed at once, unless the last checkpoint is younger than this."""
WINDOW = 16
"""Tasks asked and not yet told in a deterministic run, whatever the executor can hold."""
LIFTING_SHARE, LIFTING_SECONDS = 0.25, 30.0
"""Lifting takes at most this share of the budget, or this many seconds if that is more."""


class Strategy(Protocol):
    """What the driver needs of a strategy."""

    @property
    def name(self) -> str:
        """Its name on the command line."""

    @property
    def format(self) -> Format:
        """What it searches schemes for."""

    @property
    def ring(self) -> Ring:
        """Where it walks."""

    @property
    def seed(self) -> int:
        """The seed of the run."""

    @property
    def best_rank(self) -> int:
        """The lowest rank found."""

    @property
    def finished(self) -> bool:
        """Whether there is nothing more to do."""

    @property
    def sizes(self) -> dict[int, int]:
        """Pool size by rank."""

    def ask(self) -> WalkTask:
        """Return the next task."""

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take in an outcome; whether it is a new best."""

    def best_states(self) -> list[Words]:
        """Packed states of the best rank."""

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs."""

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


@dataclass
class Progress:
    """What a run has done so far; handed to the caller as it goes."""

    best_rank: int
    sizes: dict[int, int]
    flips: int = 0
    steps: int = 0
    tasks: int = 0
    seconds: float = 0.0
    message: str = ""

    @property
    def flips_per_second(self) -> float:
        """Flips of all workers per second of wall time."""
        return self.flips / self.seconds if self.seconds else 0.0


@dataclass
class Result:
    """What a run found."""

    run: Run
    progress: Progress
    stored: list[str] = field(default_factory=list)
    scheme: Scheme | None = None
    lifted: Scheme | None = None
    lift_failure: str | None = None
    lifting_seconds: float = 0.0
    lifting_share: float = 0.0
    interrupted: bool = False


class Stop:
    """Asked for by a signal: once to drain and save, twice to stop at once."""

    def __init__(self) -> None:
        self.asked = 0


def compile_ahead(strategy: Strategy) -> None:
    """Compile, or load from disk, all that the strategy's walks need on this machine.

    That takes up to minutes the first time. Done before a search, it takes nothing off the budget
    and leaves no run behind when it is interrupted.
    """
    for task in getattr(strategy, "samples", list)():
        engine.walk(task)


def search(
    strategy: Strategy,
    executor: Executor,
    catalogue: Catalogue,
    run: Run,
    *,
    budget: float,
    report: Callable[[Progress], None] = lambda progress: None,
    stop: Stop | None = None,
    deterministic: bool = False,
    lift: bool = True,
    outstanding: Iterable[WalkTask] = (),
    checkpoint_seconds: float = CHECKPOINT_SECONDS,
) -> Result:
    """Walk until the budget is spent, the strategy is finished, or `stop` is asked for.

    Parameters
    ----------
    strategy : Strategy
    executor : Executor
    catalogue : Catalogue
        Open for writing.
    run : Run
        The run's record, from `Catalogue.runs.start` or `resume_run`.
    budget : float
        Seconds of walking; what is running then is waited for, what is waiting is not walked.
        Lifting has a share of it on top, `LIFTING_SHARE`.
    report : function
        Called with the `Progress` about twice a second.
    stop : Stop, optional
    deterministic : bool
        Tell outcomes in the order of their tasks, one new task asked for each, so that the whole
        run replays on any executor.
    lift : bool
        Lift the best schemes over F2 or F3 at the end.
    outstanding : iterable of WalkTask
        Asked of this strategy before it was stopped and never told: walked first.
    checkpoint_seconds : float
        Between two checkpoints; also the signs of life of the run.

    Returns
    -------
    Result

    Raises
    ------
    SpooledError
        A scheme could not be stored (disk full, locked for a minute): the search has stopped,
        and what it found is in a spool file, which goes in when the catalogue is opened again.
    ClusterError, WalkFailedError
        The executor failed: what was found is kept, and the run can be resumed.
    """
    stop = stop or Stop()
    progress = Progress(strategy.best_rank, strategy.sizes)
    result = Result(run, progress)
    keeper = Keeper(strategy, catalogue, run, result)
    publish = getattr(executor, "publish", None)
    checked = getattr(executor, "checks_answers", False)
    exact = deterministic and getattr(strategy, "keeps_outstanding", False)
    started = reported = time.monotonic()
    checkpointed = started - checkpoint_seconds
    asked: dict[int, WalkTask] = {}
    waiting: dict[int, WalkOutcome] = {}
    failure: BaseException | None = None
    lower = hurried = torn = False

    def send(task: WalkTask) -> None:
        asked[task.number] = task
        executor.submit(task)

    def ask() -> None:
        nonlocal torn
        torn = True
        task = strategy.ask()
        torn = False
        send(task)

    def tell(outcome: WalkOutcome) -> None:
        nonlocal lower, torn
        task = asked.get(outcome.number)
        if task is not None and not checked:
            outcome = engine.check(task, outcome, secrets.randbits(64))
        progress.flips += outcome.flips
        progress.steps += outcome.steps
        progress.tasks += 1
        if outcome.reason == "broken":
            keeper.reject("a walk broke the identity of its scheme", outcome.number)
        torn = True
        lower |= strategy.tell(outcome)
        torn = False
        asked.pop(outcome.number, None)
        progress.best_rank, progress.sizes = strategy.best_rank, strategy.sizes
        keeper.keep(outcome, task)

    def state() -> dict[str, Any]:
        return with_outstanding(strategy.state(), asked.values() if exact else ())

    def show(now: float) -> None:
        nonlocal reported
        if now - reported >= 0.5:
            reported = now
            report(progress)

    try:
        for task in outstanding:
            send(task)
        keeper.checkpoint(state())
        while True:
            now = time.monotonic()
            progress.seconds = now - started
            stopping = stop.asked or keeper.trouble is not None
            walking = not strategy.finished and progress.seconds < budget and not stopping
            beginning = walking and getattr(strategy, "beginning", False)
            progress.message = "passing on what is stored" if beginning else ""
            if beginning:
                torn = True
                lower |= strategy.begin()  # type: ignore[attr-defined]
                torn = False
                progress.best_rank, progress.sizes = strategy.best_rank, strategy.sizes
                keeper.keep_found()
            elif walking:
                room = WINDOW if deterministic else executor.capacity
                while executor.pending + len(waiting) < room:
                    ask()
            elif executor.pending == 0 or stop.asked > 1:
                break
            elif not (hurried or deterministic):
                hurried = True
                executor.hurry()
            outcome = executor.next_outcome(timeout=0.0 if beginning else 0.25)
            if outcome is not None and not deterministic:
                tell(outcome)
            elif outcome is not None:
                waiting[outcome.number] = outcome
                while asked and (expected := next(iter(asked))) in waiting:
                    tell(waiting.pop(expected))
                    if walking and not strategy.finished:
                        ask()
            keeper.reject_all(executor)
            now = time.monotonic()
            if publish is not None and now - reported >= 0.5:
                publish(progress.flips_per_second, progress.best_rank, progress.sizes)
            show(now)
            soon = min(SOON_SECONDS, checkpoint_seconds) if lower else checkpoint_seconds
            if now - checkpointed >= soon:
                checkpointed, lower = now, False
                keeper.checkpoint(state())
        progress.seconds = time.monotonic() - started
        if lift and stop.asked < 2 and keeper.trouble is None:
            walked = budget if math.isfinite(budget) else progress.seconds
            result.lifting_share = max(LIFTING_SECONDS, LIFTING_SHARE * walked)
            progress.message = f"lifting, for {result.lifting_share:.0f} s at most"
            report(progress)
            keeper.lift(stop, executor, show)
    except (Exception, KeyboardInterrupt) as error:  # what was found so far is kept
        failure = error
    result.interrupted = bool(stop.asked)
    saved = None
    try:
        # half an ask or tell cannot be replayed: then the last checkpoint stands
        saved = None if exact and torn else state()
    except Exception as error:
        logger.warning("no last checkpoint: %s", error)
    keeper.finish(saved, failure)
    return result
