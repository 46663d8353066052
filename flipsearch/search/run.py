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
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.catalogue.records import Run
from flipsearch.errors import InvalidSchemeError, LiftError
from flipsearch.executors import Executor
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import verify
from flipsearch.walk.task import WalkOutcome, WalkTask, Words, unpack

logger = logging.getLogger("flipsearch.search")

CHECKPOINT_SECONDS = 10.0
STORED_A_RANK = 16
"""Distinct schemes of the best rank that a run stores while it walks."""
WINDOW = 16
"""Tasks asked and not yet told in a deterministic run, whatever the executor can hold."""
LIFTED = 32
"""Schemes tried at the end before it is said that none lifts."""


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
    interrupted: bool = False


class Stop:
    """Asked for by a signal: once to drain and save, twice to stop at once."""

    def __init__(self) -> None:
        self.asked = 0


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
) -> Result:
    """Walk until the budget is spent, the strategy is finished, or `stop` is asked for.

    Parameters
    ----------
    strategy : Strategy
    executor : Executor
    catalogue : Catalogue
        Open for writing.
    run : Run
        The run's record, from `Catalogue.start_run` or `resume_run`.
    budget : float
        Seconds of walking; what is running then is waited for.
    report : function
        Called with the `Progress` about twice a second.
    stop : Stop, optional
    deterministic : bool
        Tell outcomes in the order of their tasks, one new task asked for each, so that the whole
        run replays on any executor.
    lift : bool
        Lift the best schemes over F2 or F3 at the end.

    Returns
    -------
    Result
    """
    stop = stop or Stop()
    progress = Progress(strategy.best_rank, strategy.sizes)
    result = Result(run, progress)
    keeper = _Keeper(strategy, catalogue, run, result)
    started = time.monotonic()
    reported = checkpointed = started
    waiting: dict[int, WalkOutcome] = {}
    expected = int(strategy.state().get("told", 0))

    def tell(outcome: WalkOutcome) -> None:
        progress.flips += outcome.flips
        progress.steps += outcome.steps
        progress.tasks += 1
        if outcome.reason == "broken":
            catalogue.quarantine(
                "a walk broke the identity of its scheme",
                run=run.id,
                task={"number": outcome.number, "seed": strategy.seed},
            )
        strategy.tell(outcome)
        progress.best_rank, progress.sizes = strategy.best_rank, strategy.sizes
        keeper.keep(outcome)

    while True:
        now = time.monotonic()
        progress.seconds = now - started
        walking = not strategy.finished and progress.seconds < budget and not stop.asked
        if walking:
            room = WINDOW if deterministic else executor.capacity
            while executor.pending + len(waiting) < room:
                executor.submit(strategy.ask())
        elif executor.pending == 0 or stop.asked > 1:
            break
        outcome = executor.next_outcome(timeout=0.25)
        if outcome is not None and not deterministic:
            tell(outcome)
        elif outcome is not None:
            waiting[outcome.number] = outcome
            while expected in waiting:
                tell(waiting.pop(expected))
                expected += 1
                if walking and not strategy.finished:
                    executor.submit(strategy.ask())
        now = time.monotonic()
        if now - reported >= 0.5:
            reported, progress.seconds = now, now - started
            report(progress)
        if now - checkpointed >= CHECKPOINT_SECONDS:
            checkpointed = now
            catalogue.checkpoint(
                run,
                strategy.state(),
                flips=progress.flips,
                seconds=progress.seconds,
                best_rank=progress.best_rank,
            )
    progress.seconds = time.monotonic() - started
    result.interrupted = bool(stop.asked)
    if lift and stop.asked < 2:
        progress.message = "lifting"
        report(progress)
        keeper.lift(stop)
    catalogue.finish_run(
        run,
        "interrupted" if stop.asked else "done",
        flips=progress.flips,
        seconds=progress.seconds,
        best_rank=progress.best_rank,
        state=strategy.state(),
    )
    return result


class _Keeper:
    """Writes what a strategy finds to the catalogue, each scheme once, best ranks only."""

    def __init__(self, strategy: Strategy, catalogue: Catalogue, run: Run, result: Result) -> None:
        self.strategy, self.catalogue, self.run, self.result = strategy, catalogue, run, result
        self.naive = strategy.format.naive_rank
        self.stored: dict[int, dict[str, int]] = {}

    def keep(self, outcome: WalkOutcome) -> None:
        """Store what is new: what the strategy names as found, or the states of the best rank."""
        found = getattr(self.strategy, "found", None)
        if found is not None:  # a strategy with several formats, or that makes schemes itself
            for scheme in found():
                self._keep(scheme, outcome.number)
            return
        rank = self.strategy.best_rank
        if rank >= self.naive:
            return
        here = self.stored.setdefault(rank, {})
        for state in (*outcome.best, outcome.final):
            if len(state) != rank or len(here) >= STORED_A_RANK:
                continue
            scheme = unpack(self.strategy.format, self.strategy.ring, state)
            if scheme.content_hash not in here and self._keep(scheme, outcome.number):
                here[scheme.content_hash] = outcome.number

    def _keep(self, scheme: Scheme, task: int) -> bool:
        try:
            self._store(scheme, Provenance(**self._origin(task)))
        except InvalidSchemeError as error:
            self.catalogue.quarantine(str(error), run=self.run.id, task={"number": task})
            return False
        self.result.scheme = scheme
        return True

    def lift(self, stop: Stop) -> None:
        """Lift the best schemes, lowest rank first, until one lifts."""
        strategy = self.strategy
        if self.result.scheme is None:
            self.result.scheme = unpack(strategy.format, strategy.ring, strategy.best_states()[0])
        if strategy.ring.characteristic == 0:
            self.result.lifted = self.result.scheme
            return
        family = getattr(strategy, "best_schemes", None)
        if family is not None:
            for scheme in family():
                if stop.asked > 1:
                    return
                if scheme.format == self.result.scheme.format:
                    self._lift(self.result.scheme)
                else:
                    self._lift(scheme)
            return
        for tried, scheme in enumerate(self._candidates()):
            if stop.asked > 1 or tried >= LIFTED or self._lift(scheme):
                return

    def _lift(self, scheme: Scheme) -> bool:
        """Lift and store one scheme; whether it lifts."""
        from flipsearch.lift import lift

        try:
            found = lift(scheme).scheme
        except LiftError as error:
            self.result.lift_failure = str(error)
            return False
        self._store(
            found,
            Provenance(
                run=self.run.id,
                seed=self.run.seed,
                lifted_from=scheme.content_hash,
                method=f"Hensel lift from {scheme.ring}",
            ),
        )
        if self.result.scheme is not None and found.format == self.result.scheme.format:
            self.result.lifted = found
        return True

    def _candidates(self) -> Iterable[Scheme]:
        """Distinct schemes of the pools, lowest rank first, a few of each rank."""
        levels = getattr(self.strategy, "levels", None) or {
            self.strategy.best_rank: self.strategy.best_states()
        }
        for rank in sorted(levels):
            for state in levels[rank][: LIFTED // 4]:
                yield unpack(self.strategy.format, self.strategy.ring, state)

    def _store(self, scheme: Scheme, provenance: Provenance) -> None:
        verify(scheme)
        stored = self.catalogue.add(scheme, provenance)
        if stored.hash not in self.result.stored:
            self.result.stored.append(stored.hash)

    def _origin(self, task: int) -> dict[str, Any]:
        return {
            "run": self.run.id,
            "seed": self.run.seed,
            "task": task,
            "method": f"{self.strategy.name} search over {self.strategy.ring}",
        }
