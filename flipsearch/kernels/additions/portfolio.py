"""Search for the scheme of a format and rank whose programs need the fewest additions.

The scheme at which an annealing begins matters most. A portfolio of schemes is therefore annealed:
the given ones, others of their rank from walks with plus transitions, and the best ones again,
hotter or colder. A start that comes close to the best gets twice the moves until that no longer
helps.

Invariant: the result is proved, as a scheme and as programs of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from random import Random

from flipsearch.algebra.cores import available_cores
from flipsearch.constructors.variants import neighbour
from flipsearch.formats import MatrixProduct
from flipsearch.kernels.additions.annealing import Annealing, may_anneal
from flipsearch.kernels.additions.reduction import reduce_additions
from flipsearch.programs import Reduction, transposed
from flipsearch.scheme import Scheme
from flipsearch.verify import verify
from flipsearch.walk.engine import warm_up
from flipsearch.walk.task import pack

HOT, COLD = (0.6, 1.0, 1.5), 0.22
"""Temperatures, in additions, at which an annealing may begin, and at which it ends."""

MOVES = 100_000
"""Moves of a first annealing."""

Weights = tuple[int, int, int]
"""How often the additions for A, B and C count."""

POOL = 12
"""Reductions to go on from."""

PIECE = 10_000
"""Moves between two looks at the clock."""

CLOSE = 2
"""A start is annealed again while it needs at most so many additions more than the best."""

FRESH = 0.8
"""Share of annealings that begin at a scheme from a walk."""


def fewest_additions(
    scheme: Scheme,
    seconds: float = 60.0,
    seed: int = 0,
    walk: bool = True,
    others: Sequence[Scheme] = (),
    weights: Weights = (1, 1, 1),
) -> Reduction:
    """Return the reduction with the fewest additions met among schemes of a format and rank.

    Parameters
    ----------
    scheme : Scheme
        Over any ring. Schemes with coefficients beyond -1, 0 and 1, or with factors of more than
        64 entries, are not exchanged for others.
    seconds : float
        Time to spend, on every core.
    walk : bool
        Whether the scheme may be exchanged for another of the same format and rank.
    others : sequence of Scheme
        Further schemes of the same format, ring and rank to begin at.
    weights : three int
        How often the additions for A, B and C count. Of k copies of a scheme along p, which share
        A, they are 1, k and k.
    """
    start = _walkable(scheme)
    if not walk or start is None:
        return reduce_additions(scheme, seconds, seed)
    starts = [start, *(other for each in others if (other := _walkable(each)) is not None)]
    # both compile, apart from the time to spend and from threads
    first = reduce_additions(scheme, passes=1, seed=seed)
    warm_up(start.format, start.ring, pack(start))
    end = time.monotonic() + seconds
    seeds = range(seed * available_cores(), (seed + 1) * available_cores())
    with ThreadPoolExecutor(len(seeds)) as threads:
        found = threads.map(lambda own: _Portfolio(starts, own, weights).run(end), seeds)
    best = min(first, *found, key=partial(_cost, weights))
    verify(best.scheme)
    best.check()
    return best


def _cost(weights: Weights, found: Reduction) -> int:
    return sum(weight * part for weight, part in zip(weights, found.parts, strict=True))


def _walkable(scheme: Scheme) -> Scheme | None:
    """Return a scheme over F2, F3 or ZT, where moves are made, or None."""
    ring = scheme.natural_ring
    if not ring.is_field_of_search or not may_anneal(scheme.factors):
        return None
    return scheme.canonical.over(ring)


class _Portfolio:
    """One search: its pool of reductions and its random choices."""

    def __init__(self, starts: list[Scheme], seed: int, weights: Weights = (1, 1, 1)) -> None:
        self.starts, self.weights = starts, weights
        self.random = Random(seed)
        self.pool: list[Reduction] = []
        format_ = starts[0].format
        self.sides = (0, 0, 0)
        if isinstance(format_, MatrixProduct) and format_.is_general:
            self.sides = format_.sides

    def run(self, end: float) -> Reduction:
        """Search until a time of `time.monotonic`; return the best reduction."""
        waiting = list(self.starts)
        while True:
            again = not waiting and self.random.random() >= FRESH
            if again:
                start, moves = self._again(), int(MOVES * 2 ** self.random.uniform(0, 4))
            else:
                scheme = waiting.pop() if waiting else self._elsewhere()
                start, moves = reduce_additions(scheme, passes=1, seed=self._seed()), MOVES
            self._keep(self._annealed(start, moves, end))
            if time.monotonic() > end:
                return self.pool[0]

    def _annealed(self, start: Reduction, moves: int, end: float) -> Reduction:
        """Return the best reduction met from a start, after more and more moves if it is good."""
        scheme = start.scheme
        programs = [[start.left], [start.right], [transposed(start.output)]]
        search = Annealing(
            scheme.factors, programs, scheme.ring, self.sides, self._seed(), self.weights
        )
        # what Tellegen's theorem adds when the last program is run backwards
        turned = self.weights[2] * (scheme.rank - scheme.w.shape[1])
        while time.monotonic() < end:
            before, hot = search.least, self.random.choice(HOT)
            pieces = -(-moves // PIECE)
            for piece in range(pieces):
                high, low = (hot * (COLD / hot) ** (x / pieces) for x in (piece, piece + 1))
                search.run(moves // pieces, high, low, walk=True)
                if time.monotonic() > end:
                    break
            close = not self.pool or search.least + turned <= self._cost(self.pool[0]) + CLOSE
            if search.least == before or not close:
                break
            search.back()
            moves *= 2
        (u, v, w), (left, right, output) = search.best()
        found = Scheme(scheme.format, scheme.ring, u, v, w)
        return Reduction(found, left, right, transposed(output))

    def _keep(self, found: Reduction) -> None:
        """Take a reduction into the pool if it is new and among the best."""
        if all(found.scheme != other.scheme for other in self.pool):
            # among equals the latest come first: the pool drifts
            self.pool = sorted([found, *self.pool], key=self._cost)[:POOL]

    def _cost(self, found: Reduction) -> int:
        return _cost(self.weights, found)

    def _again(self) -> Reduction:
        """Return a reduction of the pool, more likely one of the best."""
        return self.pool[int(self.random.expovariate(0.7)) % len(self.pool)]

    def _elsewhere(self) -> Scheme:
        """Return a scheme of the same rank from a walk with plus transitions."""
        anywhere = self.random.random() < 0.1
        start = self.random.choice(self.starts) if anywhere else self._again().scheme
        return neighbour(start, self.random) or start

    def _seed(self) -> int:
        return self.random.getrandbits(60)
