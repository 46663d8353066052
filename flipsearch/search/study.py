"""A study: a search from what its user asks to its result, in rounds of walking.

The command line, `resume` and Python all search by it. It makes the strategy and the executor,
records the run, walks for a while by `flipsearch.search.driver`, and goes on from where it stopped
as often as it is asked to.

Invariant: nothing is recorded before the executor is up and its walks are compiled. Each round
ends with a checkpoint from which the next one goes on, in this process or another.
"""

from __future__ import annotations

import logging
import math
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from flipsearch.catalogue import Catalogue, Run
from flipsearch.errors import UsageError
from flipsearch.executors import Executor, executor_named
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.budget import parse_budget
from flipsearch.search.checkpoint import outstanding_tasks
from flipsearch.search.driver import Driver, compile_ahead
from flipsearch.search.journal import Journal, Moment
from flipsearch.search.live import live_bar
from flipsearch.search.progress import Progress, Stop, stopped_by_signals
from flipsearch.search.registry import remade
from flipsearch.search.request import FormatLike, Request
from flipsearch.search.result import Result
from flipsearch.search.strategy import Strategy
from flipsearch.walk.task import WalkTask

logger = logging.getLogger("flipsearch.search")


class Study:
    """A search that can be run, paused, resumed and looked at.

    Parameters
    ----------
    format : str, path or Format, optional
        Such as ``4x5x6``, ``ss:4x4x4``, a tensor file or a tensor. None with `within`, with a run
        that exists, and with a strategy that is made already.
    ring : str or Ring, optional
        F2 (default), F3 or ZT; Q for the strategy ``numerical``.
    target : int, optional
        Rank at which the search ends.
    strategy : str, class or Strategy, optional
        A name, such as ``pool`` (default) or ``symmetric``; a class of your own, which is made
        for format, ring, seed and target; or a strategy that is made, which brings all of these.
    seed : int, optional
        Seed of the run; drawn from the clock by default.
    start : sequence of Scheme or str
        Schemes to start from, or IDs of stored ones, instead of the naive scheme.
    within : str, optional
        A range of sides such as ``2..4``: all formats in it are searched together, by ``meta``.
    mirrored : bool
        Whether symmetric walks over F2 keep the reversal of all indices too.
    fresh : bool
        Leave out the best stored schemes of the format, from which a pool walks otherwise.
    symmetry : str, optional
        The symmetry of numerical solutions: ``C3``, ``Z2``, ``R2``, or several joined by ``x``.
    run : str or int, optional
        Name or number of a run. A run of that name that exists is gone on with.
    catalogue : Catalogue, optional
        Where runs, checkpoints and schemes are stored. By default in memory: no file is touched.
    executor : str or Executor
        Where walks run: ``threads``, ``ray`` or another name; or an executor, which stays open.
    workers, gpu, address
        How an executor is made by its name: number of workers (all cores by default), ``auto``,
        ``off`` or ``only``, and a cluster to join.
    deterministic : bool
        Whether the same seed gives the same run.
    callbacks : iterable of functions
        Each is called with the study about twice a second and at the end of a round; it may call
        `pause`.
    progress : bool, optional
        Whether a progress bar is shown; by default in a terminal and in a notebook.
    announce : function, optional
        Told in a line of text what takes a while.

    Attributes
    ----------
    strategy : Strategy
    catalogue : Catalogue
    result : Result or None
        Of the last round, or of the one that runs; None before the first.
    history : list of Moment
        (seconds, flips, rank) of all rounds.

    Raises
    ------
    UsageError
        The options do not go together, or one would have no effect.
    NotFoundError
        There is no such run.

    Examples
    --------
    >>> study = Study("2x2x2", ring="F2", target=7, seed=1, gpu="off")
    >>> study.run(budget="10s").scheme.rank
    7
    >>> study.progress.best_rank, study.history[-1].rank
    (7, 7)
    """

    strategy: Strategy
    result: Result | None = None

    def __init__(
        self,
        format: FormatLike | None = None,
        *,
        ring: str | Ring | None = None,
        target: int | None = None,
        strategy: str | type[Strategy] | Strategy | None = None,
        seed: int | None = None,
        start: Sequence[str | Scheme] = (),
        within: str | None = None,
        mirrored: bool = False,
        fresh: bool = False,
        symmetry: str | None = None,
        run: str | int | None = None,
        catalogue: Catalogue | None = None,
        executor: str | Executor = "threads",
        workers: int | None = None,
        gpu: str | None = None,
        address: str | None = None,
        deterministic: bool = False,
        callbacks: Iterable[Callable[[Study], object]] = (),
        progress: bool | None = None,
        announce: Callable[[str], None] = logger.info,
    ) -> None:
        made = strategy if isinstance(strategy, Strategy) else None
        kind = None if isinstance(strategy, Strategy) else strategy
        request = Request(
            format, ring, target, kind, seed, start, within, mirrored, fresh, symmetry
        )
        if made is not None and request != Request():
            raise UsageError("a strategy that is made brings format, ring, target and seed along")
        options = {"workers": workers, "gpu": gpu, "address": address}
        if isinstance(executor, Executor) and options != dict.fromkeys(options):
            raise UsageError("an executor that is made brings workers, gpu and address along")
        if made is None and run is None:
            request.settled()  # before anything is opened
        if catalogue is None:
            catalogue = Catalogue.open(":memory:", shipped=False)
            weakref.finalize(self, catalogue.close)
        self.catalogue, self.executor, self.deterministic = catalogue, executor, deterministic
        self.callbacks, self._bar = list(callbacks), progress
        self._options = {**options, "gpu": gpu or "auto", "announce": announce}
        self._announce, self._stop = announce, Stop()
        self._kind = kind if isinstance(kind, type) else None
        self._made, self._journal = made, Journal()
        self._outstanding: list[WalkTask] = []
        self._record: Run | None = None
        known = None if run is None else catalogue.runs.find(run)
        if known is not None:
            request.refuse_changes(known, catalogue)
            self._begin = self._taken_up(known)
        elif run is not None and request == Request() and made is None:
            catalogue.runs.get(run)  # says that there is none
        else:
            self._begin = self._new(request, None if run is None else str(run))

    def run(
        self,
        budget: str | float = 60.0,
        *,
        lift: bool = True,
        stale: str | float | None = None,
        keep: int | None = None,
    ) -> Result:
        """Walk for so long, lift the best schemes, and save; go on where the last call ended.

        Ctrl-C ends it after what runs is finished and saved; a second one ends it at once.

        Parameters
        ----------
        budget : str or float
            Seconds, or such as ``90s``, ``10m``, ``8h``.
        lift : bool
            Lift the best schemes over F2 and F3 at the end, which takes up to a quarter of the
            budget more, or half a minute.
        stale : str or float, optional
            End also when no lower rank was found for so long.
        keep : int, optional
            Store so many schemes of each best rank, no two of them equivalent, as far as that can
            be proved; at the target go on until they are found. By default up to 16 distinct ones.

        Returns
        -------
        Result

        Raises
        ------
        UsageError
            A time that is none, an executor that cannot be had, or a strategy that stores schemes
            by itself and would ignore `keep`.
        """
        seconds = parse_budget(budget)
        if keep is not None and keep < 1:
            raise UsageError(f"--keep is the number of schemes of each best rank, not {keep}")
        if keep is not None and type(self.strategy).found is not Strategy.found:
            raise UsageError(
                f"--keep has no effect with --strategy {self.strategy.name}, which stores one "
                "scheme of each best rank: leave it out"
            )
        longest = math.inf if stale is None else parse_budget(stale)
        self._stop = Stop()
        if self._record is not None:
            self._begin = self._taken_up(self.catalogue.runs.get(self._record.id))
        with self._placed() as executor, live_bar(seconds, self._bar) as show:
            compile_ahead(self.strategy, executor)

            def report(progress: Progress) -> None:
                show(self.strategy, progress)
                for callback in self.callbacks:
                    callback(self)

            with stopped_by_signals(self._stop, self._announce):
                self._record = self._begin()
                driver = Driver(
                    self.strategy,
                    executor,
                    self.catalogue,
                    self._record,
                    report=report,
                    stop=self._stop,
                    deterministic=self.deterministic,
                    outstanding=self._outstanding,
                    keep=keep,
                    journal=self._journal,
                )
                self.result = driver.result
                driver.run(seconds, lift=lift, stale=longest)
                report(driver.progress)
        return driver.result

    def resume(self, budget: str | float = 60.0, **options: Any) -> Result:
        """Go on after a pause: `run`, for a study that has run.

        Raises
        ------
        UsageError
            It has not.
        """
        if self._record is None:
            raise UsageError("this study has not run yet: call run first")
        return self.run(budget, **options)

    def pause(self, at_once: bool = False) -> None:
        """Let `run` return soon, from a callback or another thread.

        Running tasks are finished and saved, and schemes are lifted; `at_once`, neither.
        """
        self._stop.asked = max(self._stop.asked, 2 if at_once else 1)

    @property
    def progress(self) -> Progress:
        """Rank, flips and seconds of the last round, or of the one that runs."""
        if self.result is None:
            return Progress(self.strategy.best_rank, self.strategy.sizes)
        return self.result.progress

    @property
    def history(self) -> list[Moment]:
        """(seconds, flips, rank) at the beginning, at each new best rank and at each end."""
        return self._journal.history

    def __repr__(self) -> str:
        strategy = self.strategy
        return (
            f"<Study of {strategy.format} over {strategy.ring} by {strategy.name}: best rank "
            f"{strategy.best_rank}>"
        )

    def _placed(self) -> AbstractContextManager[Executor]:
        """Return the executor; one that is made here is closed at the end of the round."""
        if isinstance(self.executor, Executor):
            return nullcontext(self.executor)
        return executor_named(self.executor)(**self._options)

    def _new(self, request: Request, name: str | None) -> Callable[[], Run]:
        """Make the strategy of a new run; return what records the run."""
        if self._made is None:
            self.strategy, recorded = request.made(self.catalogue)
        else:
            self.strategy = self._made
            recorded = {"strategy": self._made.name, "seed": self._made.seed}
            recorded["parameters"] = {"target": self._made.target}
        format_, ring = self.strategy.format, self.strategy.ring
        return lambda: self.catalogue.runs.start(format_, ring, name=name, **recorded)

    def _taken_up(self, run: Run) -> Callable[[], Run]:
        """Make the strategy of a stored run; return what records that it goes on."""
        runs = self.catalogue.runs
        if run.status == "running":
            runs.resume(run)  # raises, and says where it runs
        if self._made is None:
            self.strategy, state = remade(self.catalogue, run, self._kind)
        else:
            self.strategy, state = self._made, runs.last_checkpoint(run)
            self.strategy.restore(state or {})
        self._outstanding = outstanding_tasks(state or {}, self.strategy)
        self._journal = Journal.loaded(state)

        def begin() -> Run:
            taken = runs.resume(run)
            if taken.checkpointed != run.checkpointed:
                raise UsageError(f"run {run.id} has gone on elsewhere meanwhile: resume it again")
            return taken

        return begin
