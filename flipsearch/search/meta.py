"""Strategy `meta`: many formats at once, each feeding the others.

There is a pool of packed states for every (format, rank) near the best rank found. A task walks
from one of them: formats are chosen by their gap to the known bound and by recent success, ranks
geometrically from the best upwards. Every new best rank of a format is passed on along the edges
between formats (`flipsearch.search.edges`): extend, project, merge, product, serendipitous
product, always up to the order of the sides. What an edge yields goes into the pool of its format
and, if it is a new best there, is passed on in turn.

A share of the tasks climbs: it walks from one of the best schemes of a format one index smaller,
extended by naive products, however high that starts. Where a walk ends is largely settled by where
it begins, and from 3x4x4:38 extended 3x4x5:47 is a few million steps away, while from a pool of
3x4x5:48 it may be out of reach.

Invariant: pools hold schemes of their format with sides in increasing order, over the one ring;
the strategy is a deterministic function of its seed and of the outcomes it is told, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.edges import Sides, changed, neighbours, oriented, sorted_scheme
from flipsearch.search.family import Pool, formats_within
from flipsearch.search.pool import plain, task_seed
from flipsearch.transform import extend
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack, unpack

__all__ = ["SCHEDULES", "MetaStrategy", "Pool", "formats_within"]

SCHEDULES: tuple[tuple[int, int, int], ...] = (
    (200_000, 20_000, 2),
    (1_000_000, 5_000, 6),
    (1_000_000, 10_000, 3),
    (3_000_000, 50_000, 4),
)
"""Steps of a walk, steps before a plus transition, band; drawn evenly: none is best everywhere."""

WORK = 500
"""Terms of schemes passed on after each outcome, so that the walkers never wait for long."""

CLIMBS = 0.3
"""Share of the tasks that start from an extension of the best of a smaller format."""

RANK_RATIO = 0.3
"""Each rank above the best is chosen this often compared with the one below."""


class MetaStrategy:
    """Ask for walks and tell their outcomes, over a family of general formats.

    `format`, `best_rank`, `sizes` and `best_states` speak of the format with the latest new best,
    of the largest one before there is any.

    Parameters
    ----------
    formats : sequence of MatrixProduct
        General formats; each counts up to the order of its sides.
    ring : Ring
        F2, F3 or ZT.
    seed : int
        The run's seed.
    known : mapping of str to int, optional
        Known bounds by sorted format name, for weighting.
    starts : iterable of Scheme, optional
        Schemes to start from beside the naive ones, in any order of sides.
    width : int
        States kept at each (format, rank).
    slack : int
        Ranks kept above the best of a format.
    schedules : sequence of (steps, plus_after, band)
        Drawn evenly for each task.
    """

    name = "meta"
    keeps_outstanding = True

    def __init__(
        self,
        formats: Sequence[MatrixProduct],
        ring: Ring,
        seed: int,
        known: Mapping[str, int] | None = None,
        starts: Iterable[Scheme] = (),
        width: int = 64,
        slack: int = 2,
        schedules: Sequence[tuple[int, int, int]] = SCHEDULES,
    ) -> None:
        if not ring.is_field_of_search:
            raise UsageError(f"walks run over F2, F3 and ZT, not over {ring}")
        if not formats or not all(f.is_general for f in formats):
            raise UsageError("the meta strategy takes general formats, at least one")
        self.ring, self.seed, self.width, self.slack = ring, seed, width, slack
        self.schedules = tuple(schedules)
        self.asked = self.told = 0
        self._choice = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0,)))
        self._queue: set[str] = set()
        self._found: list[Scheme] = []
        self._pending: dict[int, str] = {}
        self.pools: dict[str, Pool] = {}
        bounds = known or {}
        for format_ in sorted({f.sorted for f in formats}, key=lambda f: (f.naive_rank, f.name)):
            self.pools[format_.name] = Pool(format_, bounds.get(format_.name))
        self._current = next(iter(self.pools.values()))
        for pool in self.pools.values():
            self._keep(pool, pack(naive_scheme(pool.format, ring)))
        self._current = list(self.pools.values())[-1]
        # naive schemes have nothing to pass on that is not naive again
        self._queue.clear()
        self._found.clear()
        for scheme in starts:
            self.offer(scheme)
        self._found.clear()  # these were found before
        self._begun = False

    @property
    def beginning(self) -> bool:
        """Whether the schemes to start from are still to be passed on, by `begin`."""
        return not self._begun and bool(self._queue)

    def begin(self) -> bool:
        """Pass one of the schemes to start from on; return whether there was a new best."""
        before = len(self._found)
        self.spread(1)
        self._begun = not self._queue
        return len(self._found) > before

    def samples(self) -> list[WalkTask]:
        """Return a task of each sort that this strategy asks for, for compiling ahead."""
        return [
            WalkTask(pool.format, self.ring, pack(naive_scheme(pool.format, self.ring)), 1, 1)
            for pool in self.pools.values()
        ]

    @property
    def format(self) -> MatrixProduct:
        """The format with the latest new best."""
        return self._current.format

    @property
    def best_rank(self) -> int:
        """The lowest rank of `format`."""
        return self._current.best

    @property
    def finished(self) -> bool:
        """Never: below every bound there may be a lower rank."""
        return False

    @property
    def sizes(self) -> dict[int, int]:
        """Pool size by rank of `format`."""
        return {rank: len(states) for rank, states in sorted(self._current.levels.items())}

    def best_states(self) -> list[Words]:
        """Return the packed states of the lowest rank of `format`."""
        return list(self._current.levels[self._current.best])

    def ask(self) -> WalkTask:
        """Return the next walk to be done."""
        pool = self._choose_pool()
        start = self._extended(pool) if self._choice.random() < CLIMBS else None
        if start is None:
            levels = sorted(pool.levels)
            weights = np.array([RANK_RATIO ** (rank - pool.best) for rank in levels])
            level = levels[int(self._choice.choice(len(levels), p=weights / weights.sum()))]
            states = pool.levels[level]
            start = states[int(self._choice.integers(len(states)))]
        steps, plus_after, band = self.schedules[int(self._choice.integers(len(self.schedules)))]
        pool.tasks += 1
        pool.credit *= 0.98
        number = self.asked
        self.asked += 1
        self._pending[number] = pool.format.name
        return WalkTask(
            pool.format,
            self.ring,
            start,
            task_seed(self.seed, number),
            steps,
            Policy(plus_after, band, max(0, pool.best - 1)),
            number,
        )

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take an outcome: keep its states and pass a new best on to other formats.

        An outcome of a task asked before the last `restore` is ignored. Returns whether there was
        a new best.
        """
        name = self._pending.pop(outcome.number, None)
        if name is None:
            return False
        self.told += 1
        if outcome.reason == "broken":
            return False
        pool = self.pools[name]
        before = pool.best
        for state in (*outcome.best, outcome.final):
            self._keep(pool, state)
        self.spread(WORK)
        return pool.best < before

    def offer(self, scheme: Scheme) -> bool:
        """Put a scheme into the pool of its format; return whether it is a new best there."""
        form = sorted_scheme(scheme)
        pool = self.pools.get(str(form.format))
        if pool is None or form.ring is not self.ring:
            return False
        return self._keep(pool, pack(form))

    def found(self) -> list[Scheme]:
        """Return, once, the schemes of new best ranks since the last call."""
        schemes, self._found = self._found, []
        return schemes

    def held_rank(self, sides: Sides) -> int | None:
        """Return the lowest rank held for those sides in any order; naive where a side is 1."""
        ordered = sorted(sides)
        if ordered[0] == 1:
            return ordered[1] * ordered[2]
        pool = self.pools.get("x".join(map(str, ordered)))
        return None if pool is None else pool.best

    def held_scheme(self, sides: Sides) -> Scheme:
        """Return a scheme of the lowest rank held, for the sides in increasing order."""
        n, m, p = sorted(sides)
        ordered = MatrixProduct(n, m, p)
        if ordered.n == 1:
            return naive_scheme(ordered, self.ring)
        pool = self.pools[ordered.name]
        states = pool.levels[pool.best]
        return unpack(ordered, self.ring, states[int(self._choice.integers(len(states)))])

    def spread(self, work: int = 1 << 30) -> None:
        """Pass queued new bests along all edges, small formats first.

        Small formats first, because most of what large ones would pass on is then made once, from
        the best parts, instead of again and again on the way there.

        Parameters
        ----------
        work : int
            Where to stop, counted in terms of the schemes passed on; what is left waits.
        """
        while self._queue and work > 0:
            name = min(self._queue, key=lambda name: (self.pools[name].format.naive_rank, name))
            self._queue.discard(name)
            pool = self.pools[name]
            work -= pool.best
            scheme = self.held_scheme(pool.format.sides)
            for scheme_ in neighbours(scheme, self, self._choice):
                self.offer(scheme_)

    def worth(self, sides: Sides, rank: int) -> bool:
        """Whether a scheme of that rank is wanted: a new best, or room beside the best."""
        pool = self.pools.get("x".join(map(str, sorted(sides))))
        if pool is None or rank >= min(pool.format.naive_rank, pool.best + self.slack + 1):
            return False
        return rank < pool.best or len(pool.levels.get(rank, ())) < self.width // 4

    def families(self) -> Iterator[tuple[MatrixProduct, dict[int, list[Words]]]]:
        """Yield every format that is below its naive rank, with its states by rank."""
        for pool in self.pools.values():
            if pool.best < pool.format.naive_rank:
                yield pool.format, pool.levels

    def table(self) -> list[tuple[str, int, int | None]]:
        """Return (format, best rank, known bound) for every format, smallest first."""
        return [(name, pool.best, pool.known) for name, pool in self.pools.items()]

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: JSON values and arrays."""
        return {
            "strategy": "meta",
            "ring": str(self.ring),
            "seed": self.seed,
            "asked": self.asked,
            "told": self.told,
            "pending": {str(number): name for number, name in self._pending.items()},
            "current": self._current.format.name,
            "queue": sorted(self._queue),
            "begun": not self.beginning,
            "choice": plain(self._choice.bit_generator.state),
            "pools": {
                name: {
                    "credit": pool.credit,
                    "tasks": pool.tasks,
                    "levels": {
                        str(rank): list(states) for rank, states in sorted(pool.levels.items())
                    },
                }
                for name, pool in self.pools.items()
            },
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go back to a saved state.

        Tasks asked and never told are forgotten, unless the state holds them under
        ``outstanding``: then they are expected.

        Raises
        ------
        UsageError
            The state is of another strategy, ring or seed.
        """
        if (state.get("strategy"), state.get("ring"), state.get("seed")) != (
            "meta",
            str(self.ring),
            self.seed,
        ):
            raise UsageError("the saved state is not of this meta run: use the same ring and seed")
        outstanding = {int(task["number"]) for task in state.get("outstanding", ())}
        self.asked = int(state.get("asked", state["told"]))
        self.told = self.asked - len(outstanding)
        self._choice.bit_generator.state = state["choice"]
        self._queue = set(state["queue"])
        self._begun = bool(state.get("begun", True))
        self._pending = {
            int(number): name
            for number, name in state.get("pending", {}).items()
            if int(number) in outstanding
        }
        for name, saved in state["pools"].items():
            format_ = parse_format(name)
            known = self.pools[name].known if name in self.pools else None
            levels = {int(rank): list(np.asarray(s)) for rank, s in saved["levels"].items()}
            self.pools[name] = Pool(
                format_,
                known,
                levels,
                min(levels),
                float(saved["credit"]),
                int(saved["tasks"]),
            )
        self._current = self.pools[state.get("current", next(reversed(self.pools)))]

    def _keep(self, pool: Pool, state: Words) -> bool:
        rank = len(state)
        if rank > pool.best + self.slack:
            return False
        if not pool.admit(state, self.width, self._choice):
            return False
        if rank >= pool.best:
            return False
        pool.best = rank
        pool.credit = 1.0
        self._current = pool
        pool.forget_above(rank + self.slack)
        self._queue.add(pool.format.name)
        self._found.append(unpack(pool.format, self.ring, state))
        return True

    def _extended(self, pool: Pool) -> Words | None:
        """Return a best scheme of a format one index smaller, extended; None if there is none."""
        sides = pool.format.sides
        choices = []
        for d in range(3):
            smaller = changed(sides, d, sides[d] - 1)
            below = self.pools.get("x".join(map(str, sorted(smaller))))
            if below is not None and below.best < below.format.naive_rank:
                choices.append((d, smaller))
        if not choices:
            return None
        d, smaller = choices[int(self._choice.integers(len(choices)))]
        return pack(extend(oriented(self.held_scheme(smaller), smaller), d))

    def _choose_pool(self) -> Pool:
        pools = list(self.pools.values())
        weights = np.array([self._weight(pool) for pool in pools])
        return pools[int(self._choice.choice(len(pools), p=weights / weights.sum()))]

    def _weight(self, pool: Pool) -> float:
        """Return how much a format deserves a walk: its gap, its success, its size.

        Small formats before large ones, because what is found there serves all that contain them.
        A format at its bound or below still gets a share, a twentieth of an open one.
        """
        gap = pool.gap / max(1, pool.known or pool.best)
        open_ = min(1.0, 20 * gap) if pool.gap > 0 else 0.05
        return (open_ * (0.2 + pool.credit) + 0.01) / pool.format.naive_rank**0.5
