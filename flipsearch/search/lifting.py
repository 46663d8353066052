"""Lift the best schemes of a search over F2 or F3 to characteristic 0, at its end.

For each format, one scheme of the lowest rank is tried first, then one of each of the two lowest
ranks, and so on, as long as no lower rank has been lifted. Higher ranks therefore get their turn
even if no scheme of a lower rank lifts, as for ranks 47 and 48 of 4x4x4 over F2.

Invariant: a lift is proved before it is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain, islice
from typing import Any

import numpy as np

from flipsearch.catalogue import Provenance, SpooledError
from flipsearch.errors import CatalogueError, FlipsearchError
from flipsearch.executors import Executor
from flipsearch.formats import Format, MatrixProduct
from flipsearch.lift import lift
from flipsearch.rings import Ring, parse_ring
from flipsearch.scheme import Scheme
from flipsearch.search.keeper import Keeper
from flipsearch.search.progress import Stop
from flipsearch.search.strategy import Levels
from flipsearch.transform.ternary import ternary_sandwich
from flipsearch.verify import is_valid
from flipsearch.walk.task import unpack

LEAST_TRIED, MOST_TRIED = 32, 256
"""Smallest and largest number of schemes of a format to try; few if each takes long."""
TRIED_A_FORMAT = 8
"""Number of schemes to try for each of many formats, if the lift would be a new best."""
OPERATIONS = 2e11
"""Word operations of elimination to spend on a format: about ten seconds."""
FIRST_SECONDS = 120.0
"""Additional time for the first scheme, because lifting may have to be compiled."""


class _OverError(Exception):
    """The time for lifting is over, or the user has asked to stop."""


class Lifting:
    """Lift the best schemes of a search on the workers of its executor.

    The keeper stores the lifts and records them in its result. The first signal to `stop` during
    lifting ends it. `show` is called several times a second.
    """

    def __init__(
        self, keeper: Keeper, executor: Executor, stop: Stop, show: Callable[[], None]
    ) -> None:
        self.keeper, self.executor, self.stop, self.show = keeper, executor, stop, show
        self.strategy, self.result = keeper.strategy, keeper.result
        self._ranks: dict[str, int] = {}
        self._asked, self._seconds, self._deadline = stop.asked, 0.0, 0.0

    def run(self, seconds: float) -> None:
        """Lift for at most `seconds` seconds, or until no scheme is worth trying."""
        strategy, result = self.strategy, self.result
        if result.scheme is None:
            return
        if strategy.ring.characteristic == 0:
            result.lifted = result.scheme
            return
        began = time.monotonic()
        self._seconds, self._deadline = seconds, began + seconds + FIRST_SECONDS
        try:
            self._lift_all(result.scheme)
        except _OverError:
            if self.stop.asked == self._asked and result.lifted is None:
                result.lift_failure = (
                    f"none of those tried in {seconds:.0f} s lifts: give a longer --budget, or "
                    "lift the scheme by flipsearch lift"
                )
        result.lifting_seconds = time.monotonic() - began

    def _lift_all(self, best: Scheme) -> None:
        families, jobs = self.strategy.families(), self.executor.jobs
        for format_, levels in families:
            count = tries(best)
            if len(families) > 1:
                count = TRIED_A_FORMAT
                with suppress(CatalogueError):  # without it, more is lifted than needed
                    held = self.keeper.catalogue.best(format_)
                    if held is not None:
                        self._ranks[str(format_)] = held.rank
            ready = self._ready(format_, levels)
            candidates = islice(chain(ready, self._candidates(format_, levels)), count)
            # if the catalogue cannot be written, every further scheme would wait for it in vain
            while self.keeper.trouble is None and (batch := list(islice(candidates, jobs))):
                answers = self.executor.each(lifted, batch, self._idle)
                for scheme, answer in zip(batch, answers, strict=False):
                    self._deadline = min(self._deadline, time.monotonic() + self._seconds)
                    if self.keeper.trouble is None:
                        self._take(scheme, *answer)

    def _idle(self) -> None:
        if self.stop.asked > self._asked or time.monotonic() > self._deadline:
            raise _OverError
        self.show()
        self.keeper.beat()

    def _candidates(self, format_: Format, levels: Levels) -> Iterator[Scheme]:
        """Yield schemes of the pools whose ranks are lower than all lifted until then."""
        random = np.random.default_rng(self.strategy.seed)
        waiting = {
            rank: [levels[rank][int(i)] for i in random.permutation(len(levels[rank]))]
            for rank in sorted(levels)
        }
        width = 0
        while ranks := [r for r, left in waiting.items() if left and self._wants(format_, r)]:
            width += 1
            for rank in ranks[:width]:
                if self._wants(format_, rank):
                    yield unpack(format_, self.strategy.ring, waiting[rank].pop())

    def _ready(self, format_: Format, levels: Levels) -> Iterator[Scheme]:
        """Yield the state of lowest rank over F3 that is a scheme over ZT, found there."""
        for rank in sorted(levels) if self.strategy.ring is Ring.F3 else ():
            for state in levels[rank]:
                scheme = unpack(format_, Ring.F3, state)
                if is_valid(Scheme(format_, Ring.ZT, *scheme.factors)):
                    yield scheme
                    return

    def _wants(self, format_: Format, rank: int) -> bool:
        """Return whether no scheme of that rank or a lower one has been lifted."""
        return rank < self._ranks.get(str(format_), rank + 1)

    def _take(self, scheme: Scheme, kind: str, value: Any) -> None:
        """Check and store the lift of a scheme."""
        result = self.result
        if kind == "error":
            result.lift_failure = str(value)
            return
        try:
            ring, u, v, w, denominators = value
            found = Scheme(scheme.format, parse_ring(str(ring)), u, v, w, denominators)
            self.keeper.store(
                found,
                Provenance(
                    run=result.run.id,
                    seed=result.run.seed,
                    lifted_from=scheme.content_hash,
                    method=f"Hensel lift from {scheme.ring}",
                ),
            )
        except SpooledError as error:
            self.keeper.trouble = error
        except (FlipsearchError, TypeError, ValueError) as error:
            result.lift_failure = f"a wrong lift was rejected: {error}"
            self.keeper.reject(result.lift_failure, None)
            return
        if self._wants(found.format, found.rank):
            self._ranks[str(found.format)] = found.rank
            if result.scheme is not None and found.format == result.scheme.format:
                result.lifted = found


def tries(scheme: Scheme) -> int:
    """Return the number of schemes of this format and about this rank to try, by their cost.

    The Jacobian of the Brent equations has rank x (sum of factor lengths) columns, and a row for
    each entry of the tensor. Over F2 elimination takes one word operation for 64 entries.
    """
    lengths = [factor.shape[1] for factor in (scheme.u, scheme.v, scheme.w)]
    columns = scheme.rank * sum(lengths)
    operations = columns**2 * float(np.prod(lengths)) / 64
    return int(np.clip(OPERATIONS / operations, LEAST_TRIED, MOST_TRIED))


def lifted(scheme: Scheme) -> tuple[str, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Lift a scheme; return ring, factors and denominators as plain values.

    A lift of a general format to Z is made ternary by a change of basis if that succeeds. Raises
    `LiftError` if the scheme does not lift.
    """
    found = lift(scheme)
    format_ = found.format
    if isinstance(format_, MatrixProduct) and format_.is_general and found.ring is Ring.Z:
        found = ternary_sandwich(found) or found
    return str(found.ring), found.u, found.v, found.w, found.denominators
