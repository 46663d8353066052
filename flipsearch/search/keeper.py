"""Everything a search writes to the catalogue: schemes, lifts, checkpoints, rejected answers.

Invariant: a scheme is proved and durable before it counts as stored. When the catalogue cannot be
written (disk full, locked for longer than its patience), what is found goes to spool files and the
search is told to stop (`trouble`); a checkpoint that fails is only tried again later.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from flipsearch.catalogue import Catalogue, Provenance, Run, SpooledError
from flipsearch.errors import CatalogueError, FlipsearchError, InvalidSchemeError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.checkpoint import trimmed
from flipsearch.verify import verify
from flipsearch.walk.task import WalkOutcome, WalkTask, Words, unpack

if TYPE_CHECKING:
    from flipsearch.executors import Executor
    from flipsearch.search.run import Result, Stop, Strategy

logger = logging.getLogger("flipsearch.search")

Levels = Mapping[int, Sequence[Words]]
"""Packed states by rank."""
STORED_A_RANK = 16
"""Distinct schemes of the best rank that a run stores while it walks."""
LEAST_TRIED, MOST_TRIED = 32, 256
"""Schemes lifted at the end before it is said that none lower does; few where each takes long."""
LIFTED_A_FORMAT = 8
"""The same for each format of a search of many, where it would be a new best."""
LIFTING = 2e11
"""About how many word operations of elimination pay for more than the least: ten seconds."""
HEARTBEAT_SECONDS = 10.0


class _LiftingOverError(Exception):
    """The time for lifting is over, or the user has asked to stop."""


class Keeper:
    """Writes what a strategy finds to the catalogue, each scheme once, best ranks only.

    Parameters
    ----------
    strategy : Strategy
    catalogue : Catalogue
    run : Run
        As it was when this search began; its totals are added to.
    result : Result
        Told what is stored.
    """

    def __init__(self, strategy: Strategy, catalogue: Catalogue, run: Run, result: Result) -> None:
        self.strategy, self.catalogue, self.run, self.result = strategy, catalogue, run, result
        self.naive = strategy.format.naive_rank
        self.stored: dict[int, dict[str, int]] = {}
        self.trouble: SpooledError | None = None
        self.later: list[tuple[Scheme, Provenance]] = []
        self._beat = time.monotonic()
        self._lifted: dict[str, int] = {}

    def keep(self, outcome: WalkOutcome, task: WalkTask | None) -> None:
        """Store what is new: what the strategy names as found, or the states of the best rank.

        Of walks in smaller formats on the way to the strategy's own nothing is kept.
        """
        if self.keep_found(outcome.number):
            return
        rank = self.strategy.best_rank
        if rank >= self.naive or task is None or task.format != self.strategy.format:
            return
        here = self.stored.setdefault(rank, {})
        states = self.strategy.best_states()[-1:] if rank < outcome.rank else []
        for state in (*outcome.best, outcome.final, *states):
            if len(state) != rank or len(here) >= STORED_A_RANK:
                continue
            scheme = unpack(self.strategy.format, self.strategy.ring, state)
            if scheme.content_hash not in here and self._keep(scheme, outcome.number):
                here[scheme.content_hash] = outcome.number
                if self.result.scheme is None or rank < self.result.scheme.rank:
                    self.result.scheme = scheme

    def keep_found(self, task: int | None = None) -> bool:
        """Store the schemes that the strategy names as found; False if it does not name any."""
        found = getattr(self.strategy, "found", None)
        if found is None:
            return False
        for scheme in found():
            if self._keep(scheme, task):
                self.result.scheme = scheme
        return True

    def reject(self, reason: str, task: int | None, worker: str | None = None) -> None:
        """Quarantine what a task brought, with what is needed to replay it."""
        about: dict[str, Any] = {"number": task, "seed": self.strategy.seed}
        if worker is not None:
            about["worker"] = worker
        try:
            self.catalogue.runs.quarantine(reason, run=self.run.id, task=about)
        except CatalogueError as error:
            logger.warning("task %d: %s; not recorded: %s", task, reason, error)

    def reject_all(self, executor: Executor) -> None:
        """Quarantine the answers that an executor did not accept."""
        rejections = getattr(executor, "rejections", None)
        while rejections:
            rejection = rejections.pop(0)
            self.reject(rejection.reason, rejection.number, rejection.worker)

    def checkpoint(self, state: Mapping[str, Any]) -> None:
        """Keep the state to go on from; if that fails, say so and go on."""
        self._beat = time.monotonic()
        try:
            self.catalogue.runs.checkpoint(self.run, trimmed(state), **self._totals())
        except CatalogueError as error:
            logger.warning("no checkpoint: %s", error)

    def finish(self, state: Mapping[str, Any] | None, failure: BaseException | None) -> None:
        """Record the end of the run; raise what ended it before its time.

        Without a state the last checkpoint stands.
        """
        if self.later:
            with suppress(SpooledError):  # the first of them is told
                self.catalogue.schemes.add_many(self.later, on_invalid="quarantine")
        ended = failure or self.trouble
        status = "interrupted" if self.result.interrupted or ended else "done"
        try:
            message = None if ended is None else (str(ended) or type(ended).__name__)[:1000]
            self.catalogue.runs.finish(
                self.run,
                status,
                state=None if state is None else trimmed(state),
                message=message,
                **self._totals(),
            )
        except CatalogueError as error:
            logger.warning("the end of the run is not recorded: %s", error)
        if ended is not None:
            raise ended

    def lift(self, stop: Stop, executor: Executor, show: Callable[[float], None]) -> None:
        """Lift the best schemes, until nothing lower is worth trying or the time is over.

        On the workers of the executor where it can apply functions there. The first signal during
        lifting ends it.
        """
        strategy = self.strategy
        if self.result.scheme is None:
            self.result.scheme = unpack(strategy.format, strategy.ring, strategy.best_states()[0])
        if strategy.ring.characteristic == 0:
            self.result.lifted = self.result.scheme
            return
        asked, deadline = stop.asked, math.inf

        def idle() -> None:
            now = time.monotonic()
            if stop.asked > asked or now > deadline:
                raise _LiftingOverError
            show(now)
            if now - self._beat > HEARTBEAT_SECONDS:
                self._beat = now
                with suppress(CatalogueError):
                    self.catalogue.runs.heartbeat(self.run)

        each: Callable[..., Iterator[tuple[str, Any]]] = getattr(executor, "each", _each)
        at_once = 1 if each is _each else getattr(executor, "workers", 1)

        def lift_some(format_: Format, levels: Levels, count: int) -> None:
            candidates = islice(self._candidates(format_, levels), count)
            # with the catalogue in trouble every further scheme would wait for it in vain
            while self.trouble is None and (batch := list(islice(candidates, at_once))):
                for scheme, answer in zip(batch, each(lifted, batch, idle), strict=False):
                    if self.trouble is None:
                        self._take_lifted(scheme, *answer)

        def lift_all() -> None:
            families = getattr(strategy, "families", None)
            if families is None:
                assert self.result.scheme is not None
                best = {strategy.best_rank: strategy.best_states()}
                levels = getattr(strategy, "levels", None) or best
                lift_some(strategy.format, levels, tries(self.result.scheme))
                return
            for format_, levels in families():
                with suppress(CatalogueError):  # then more is lifted than needed
                    held = self.catalogue.best(format_)
                    if held is not None:
                        self._lifted[str(format_)] = held.rank
                lift_some(format_, levels, LIFTED_A_FORMAT)

        began = time.monotonic()
        try:
            tiny = naive_scheme(MatrixProduct(2, 2, 2), strategy.ring)
            list(each(lifted, [tiny], idle))  # compiles, which the share is not for
            began = time.monotonic()
            deadline = began + self.result.lifting_share
            lift_all()
        except _LiftingOverError:
            if stop.asked == asked and self.result.lifted is None:
                self.result.lift_failure = (
                    f"none of those tried in {self.result.lifting_share:.0f} s lifts: give a "
                    "longer --budget, or lift the scheme by flipsearch lift"
                )
        self.result.lifting_seconds = time.monotonic() - began

    def _take_lifted(self, scheme: Scheme, kind: str, value: Any) -> None:
        """Store what lifting gave, which nobody has checked yet."""
        if kind == "error":
            self.result.lift_failure = str(value)
            return
        try:
            ring, u, v, w, denominators = value
            found = Scheme(scheme.format, parse_ring(str(ring)), u, v, w, denominators)
            self._store(
                found,
                Provenance(
                    run=self.run.id,
                    seed=self.run.seed,
                    lifted_from=scheme.content_hash,
                    method=f"Hensel lift from {scheme.ring}",
                ),
            )
        except SpooledError as error:
            self.trouble = error
        except (FlipsearchError, TypeError, ValueError) as error:
            self.result.lift_failure = f"a wrong lift was rejected: {error}"
            self.reject(self.result.lift_failure, -1)
            return
        if self._is_wanted(found.format, found.rank):
            self._lifted[str(found.format)] = found.rank
            if self.result.scheme is not None and found.format == self.result.scheme.format:
                self.result.lifted = found

    def _candidates(self, format_: Format, levels: Levels) -> Iterator[Scheme]:
        """Yield schemes of the pools: one of the lowest rank, one of each of the two lowest, ...

        Of a lower rank than has been lifted meanwhile, as long as there are any. So ranks of which
        nothing lifts, as 47 and 48 of 4x4x4 over F2, do not keep those above from their turn.
        """
        random = np.random.default_rng(self.strategy.seed)
        waiting = {
            rank: [levels[rank][int(i)] for i in random.permutation(len(levels[rank]))]
            for rank in sorted(levels)
        }

        def wanted() -> list[int]:
            return [r for r, left in waiting.items() if left and self._is_wanted(format_, r)]

        width = 0
        while ranks := wanted():
            width += 1
            for rank in ranks[:width]:
                if self._is_wanted(format_, rank):
                    yield unpack(format_, self.strategy.ring, waiting[rank].pop())

    def _is_wanted(self, format_: Format, rank: int) -> bool:
        """Whether nothing of that rank has been lifted."""
        return rank < self._lifted.get(str(format_), rank + 1)

    def _keep(self, scheme: Scheme, task: int | None) -> bool:
        """Store a scheme, or see to it that it is not lost; False if it is wrong."""
        provenance = Provenance(
            run=self.run.id,
            seed=self.run.seed,
            task=task,
            method=f"{self.strategy.name} search over {self.strategy.ring}",
        )
        if self.trouble is not None:
            self.later.append((scheme, provenance))
            return True
        try:
            self._store(scheme, provenance)
        except InvalidSchemeError as error:
            self.reject(str(error), task)
            return False
        except SpooledError as error:
            logger.warning("stopping: %s", error)
            self.trouble = error
            if error.spool is None:
                self.later.append((scheme, provenance))
        return True

    def _store(self, scheme: Scheme, provenance: Provenance) -> None:
        verify(scheme)
        stored = self.catalogue.schemes.add(scheme, provenance)
        if stored.hash not in self.result.stored:
            self.result.stored.append(stored.hash)

    def _totals(self) -> dict[str, Any]:
        """Flips and seconds of the run, with those before it was resumed; the best rank."""
        progress = self.result.progress
        return {
            "flips": self.run.flips + progress.flips,
            "seconds": self.run.seconds + progress.seconds,
            "best_rank": progress.best_rank,
        }


def tries(scheme: Scheme) -> int:
    """Return how many schemes of a format and about a rank are worth lifting, by what each costs.

    The Jacobian of the Brent equations has rank x (sum of factor lengths) columns and as many rows
    as the tensor has entries; over F2 elimination takes a word operation for 64 of its entries.
    """
    lengths = [factor.shape[1] for factor in (scheme.u, scheme.v, scheme.w)]
    columns = scheme.rank * sum(lengths)
    operations = columns**2 * float(np.prod(lengths)) / 64
    return int(np.clip(LIFTING / operations, LEAST_TRIED, MOST_TRIED))


def lifted(scheme: Scheme) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return ring, factors and denominators of the lift of a scheme, as plain values.

    A lift of a general format to Z is made ternary by a change of basis where that succeeds.

    Raises
    ------
    LiftError
        It does not lift.
    """
    from flipsearch.lift import lift
    from flipsearch.transform.ternary import ternary_sandwich

    found = lift(scheme).scheme
    format_ = found.format
    general = isinstance(format_, MatrixProduct) and format_.is_general
    if general and found.ring is Ring.Z:
        found = ternary_sandwich(found) or found
    return str(found.ring), found.u, found.v, found.w, found.denominators


def _each(
    function: Callable[[Any], Any], items: Iterable[Any], idle: Callable[[], None]
) -> Iterator[tuple[str, Any]]:
    """Apply a function here, one item after the other, as `RayExecutor.each` does elsewhere.

    In a thread, because jitted code lets no signal through; it is abandoned when `idle` raises.
    """
    for item in items:
        answers: list[tuple[str, Any]] = []

        def work(item: Any = item, answers: list[tuple[str, Any]] = answers) -> None:
            try:
                answers.append(("value", function(item)))
            except (FlipsearchError, MemoryError) as error:
                answers.append(("error", str(error) or "no memory is left"))
            except BaseException as error:
                answers.append(("raise", error))

        thread = threading.Thread(target=work, name="lift", daemon=True)
        thread.start()
        while thread.is_alive():
            idle()
            thread.join(0.1)
        idle()
        [(kind, value)] = answers
        if kind == "raise":
            raise value
        yield kind, value
