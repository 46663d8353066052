"""Write the schemes, checkpoints, rejected answers and the end of a search to the catalogue.

Invariant: a scheme is proved and durable before it counts as stored. If the catalogue cannot be
written (disk full, locked for longer than its patience), schemes go to spool files, and `trouble`
tells the search to stop. A failed checkpoint is only tried again later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from flipsearch.catalogue import Catalogue, Provenance, SpooledError
from flipsearch.equivalence import Classes
from flipsearch.errors import CatalogueError, InvalidSchemeError
from flipsearch.executors import Executor
from flipsearch.scheme import Scheme
from flipsearch.search.checkpoint import trimmed
from flipsearch.search.result import Result
from flipsearch.search.strategy import Strategy
from flipsearch.verify import verify
from flipsearch.walk.task import WalkOutcome, WalkTask, unpack

logger = logging.getLogger("flipsearch.search")

STORED_A_RANK = 16
"""Largest number of distinct schemes of each best rank that a run stores while it walks."""
COUNTING_SECONDS = 3.0
"""Longest time to count classes after a search, but for the last scheme compared."""
HEARTBEAT_SECONDS = 10.0


class Keeper:
    """Write the schemes of the best ranks of a strategy to the catalogue, each once.

    The result receives the hashes of stored schemes; its progress adds to the totals of its run.
    Of each best rank `wanted` schemes are stored, proved to be inequivalent; by default up to
    `STORED_A_RANK` distinct ones.
    """

    def __init__(
        self, strategy: Strategy, catalogue: Catalogue, result: Result, wanted: int | None = None
    ) -> None:
        self.strategy, self.catalogue, self.result = strategy, catalogue, result
        self.wanted = wanted
        self._classes = Classes()
        self._met: set[str] = set()
        self.run = result.run
        self.stored: dict[int, dict[str, Scheme]] = {}
        self.trouble: SpooledError | None = None
        self._later: list[tuple[Scheme, Provenance]] = []
        self._beat = time.monotonic()

    def keep(self, outcome: WalkOutcome, task: WalkTask | None) -> None:
        """Store the schemes that the strategy names as found, or else states of the best rank.

        States of walks in smaller formats are not stored.
        """
        if self.keep_found(outcome.number):
            return
        strategy, result = self.strategy, self.result
        rank, format_ = strategy.best_rank, strategy.format
        if rank >= format_.naive_rank or task is None or task.format != format_:
            return
        here = self.stored.setdefault(rank, {})
        states = strategy.best_states()[-1:] if rank < outcome.rank else []
        for state in (*outcome.best, outcome.final, *states):
            if len(state) != rank or len(here) >= (self.wanted or STORED_A_RANK):
                continue
            scheme = unpack(format_, strategy.ring, state)
            if self._is_another(scheme) and self._keep(scheme, outcome.number):
                here[scheme.content_hash] = scheme
                if result.scheme is None or rank < result.scheme.rank:
                    result.scheme = scheme

    @property
    def has_enough(self) -> bool:
        """Whether as many schemes of the best rank are stored as are wanted."""
        return len(self.stored.get(self.strategy.best_rank, ())) >= (self.wanted or 0)

    def count_classes(self, seconds: float = COUNTING_SECONDS) -> None:
        """Tell the result how many classes the stored schemes of the best rank are proved to be.

        Schemes that are left after so many seconds are not compared.
        """
        classes, end = Classes(), time.monotonic() + seconds
        for scheme in self.stored.get(self.strategy.best_rank, {}).values():
            if self.wanted is None and time.monotonic() > end:
                break
            self.result.compared += 1
            self.result.classes += self.wanted is not None or classes.meet(scheme) == "new"

    def _is_another(self, scheme: Scheme) -> bool:
        """Whether a scheme is distinct from those before, and inequivalent if that is wanted."""
        if scheme.content_hash in self._met:
            return False
        self._met.add(scheme.content_hash)
        return self.wanted is None or self._classes.meet(scheme) == "new"

    def keep_found(self, task: int | None = None) -> bool:
        """Store the schemes that the strategy names as found; return False if it names none."""
        found = self.strategy.found()
        for scheme in found or ():
            if self._keep(scheme, task):
                self.result.scheme = scheme
        return found is not None

    def reject(self, reason: str, task: int | None, worker: str | None = None) -> None:
        """Quarantine the outcome of a task, with the numbers that replay it."""
        about: dict[str, Any] = {"number": task, "seed": self.strategy.seed}
        if worker is not None:
            about["worker"] = worker
        try:
            self.catalogue.runs.quarantine(reason, run=self.run.id, task=about)
        except CatalogueError as error:
            logger.warning("task %s: %s; not recorded: %s", task, reason, error)

    def reject_all(self, executor: Executor) -> None:
        """Quarantine the answers that an executor did not accept."""
        while executor.rejections:
            rejection = executor.rejections.pop(0)
            self.reject(rejection.reason, rejection.number, rejection.worker)

    def beat(self) -> None:
        """Record a heartbeat if the last one is old."""
        if time.monotonic() - self._beat > HEARTBEAT_SECONDS:
            self._beat = time.monotonic()
            with suppress(CatalogueError):
                self.catalogue.runs.heartbeat(self.run)

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Store the state to go on from; log a failure and go on."""
        self._beat = time.monotonic()
        try:
            self.catalogue.runs.checkpoint(self.run, trimmed(state), **self._totals())
        except CatalogueError as error:
            logger.warning("no checkpoint: %s", error)

    def finish(self, state: Mapping[str, Any] | None, failure: BaseException | None) -> None:
        """Record the end of the run, and raise the error that ended it early.

        Without a state the last checkpoint stays.
        """
        if self._later:
            with suppress(SpooledError):  # the first such error is raised below
                self.catalogue.schemes.add_many(self._later, on_invalid="quarantine")
        ended = failure or self.trouble
        try:
            self.catalogue.runs.finish(
                self.run,
                "interrupted" if self.result.interrupted or ended else "done",
                state=None if state is None else trimmed(state),
                message=None if ended is None else (str(ended) or type(ended).__name__)[:1000],
                **self._totals(),
            )
        except CatalogueError as error:
            logger.warning("the end of the run is not recorded: %s", error)
        if ended is not None:
            raise ended

    def store(self, scheme: Scheme, provenance: Provenance) -> None:
        """Prove a scheme and store it; raises `InvalidSchemeError` or `SpooledError`."""
        verify(scheme)
        stored = self.catalogue.schemes.add(scheme, provenance)
        if stored.hash not in self.result.stored:
            self.result.stored.append(stored.hash)

    def _keep(self, scheme: Scheme, task: int | None) -> bool:
        """Store a scheme, or keep it for later; return False if it is not valid."""
        provenance = Provenance(
            run=self.run.id,
            seed=self.run.seed,
            task=task,
            method=f"{self.strategy.name} search over {self.strategy.ring}",
        )
        if self.trouble is not None:
            self._later.append((scheme, provenance))
            return True
        try:
            self.store(scheme, provenance)
        except InvalidSchemeError as error:
            self.reject(str(error), task)
            return False
        except SpooledError as error:
            logger.warning("stopping: %s", error)
            self.trouble = error
            if error.spool is None:
                self._later.append((scheme, provenance))
        return True

    def _totals(self) -> dict[str, Any]:
        """Return flips and seconds of the run since its first start, and the best rank."""
        progress = self.result.progress
        return {
            "flips": self.run.flips + progress.flips,
            "seconds": self.run.seconds + progress.seconds,
            "best_rank": progress.best_rank,
        }
