"""Search many formats at once and pass schemes on between them (strategy `meta`).

Every format has a pool of packed states near its best rank. A task walks from one of these states.
Formats are drawn by their gap to the known bound and by recent success, ranks geometrically from
the best upwards. Every new best scheme of a format is passed on to other formats along edges
(`flipsearch.search.edges`): extend, project, merge, product and serendipitous product, up to the
order of the sides. The schemes that an edge yields go into the pools of their formats, and a new
best there is passed on in turn.

A share of the tasks climbs: such a task starts from one of the best schemes of a format one index
smaller, extended by naive products, at any rank. The start of a walk largely determines its end:
from an extended 3x4x4:38, 3x4x5:47 is a few million steps away, while from a pool of 3x4x5:48 it
may be out of reach.

Invariant: pools hold schemes of their format over one ring, with the sides in ascending order.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

from flipsearch.errors import FlipsearchError, UsageError
from flipsearch.formats import Format, MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.edges import Sides, changed, neighbours, sorted_scheme
from flipsearch.search.ladder import naive_start
from flipsearch.search.pools import Pools
from flipsearch.search.schedules import Schedule, pick, pick_weighted
from flipsearch.search.strategy import Levels, Setting, Strategy
from flipsearch.transform import extend
from flipsearch.transform.symmetry import oriented
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack, unpack

SCHEDULES = (
    Schedule(200_000, 20_000, 2),
    Schedule(1_000_000, 5_000, 6),
    Schedule(1_000_000, 10_000, 3),
    Schedule(3_000_000, 50_000, 4),
)
WORK = 500
"""Number of terms of schemes to pass on after each outcome; small enough to keep walkers busy."""
CLIMBS = 0.3
"""Share of the tasks that start from an extended best scheme of a smaller format."""
FADING = 0.98
"""Decay factor of a format's credit with each of its tasks."""


def formats_within(low: int, high: int) -> list[MatrixProduct]:
    """Return all general formats n <= m <= p with sides from low to high."""
    if not 1 <= low <= high:
        raise UsageError(f"a range of sides is low..high with 1 <= low <= high, not {low}..{high}")
    return [
        MatrixProduct(*sides) for sides in combinations_with_replacement(range(low, high + 1), 3)
    ]


def formats_of(within: str) -> list[MatrixProduct]:
    """Return the formats of a range of sides such as ``2..8``.

    Raises
    ------
    UsageError
        The text is no range.
    """
    match = re.fullmatch(r"(\d+)\.\.(\d+)", within)
    if match is None:
        raise UsageError(f"range {within!r} is not LOW..HIGH, for instance 2..4")
    return formats_within(int(match[1]), int(match[2]))


@dataclass
class Member:
    """A format of the search, with its known bound, states, recent success and tasks.

    The credit is 1 after a new best and decays with every task.
    """

    format: MatrixProduct
    known: int | None
    pools: Pools[Words]
    credit: float = 1.0
    tasks: int = 0

    @property
    def best(self) -> int:
        """The lowest rank held."""
        return self.pools.best_rank

    @property
    def weight(self) -> float:
        """The weight of the format in the draw of a task, by its gap, success and size.

        Small formats weigh more than large ones, because larger formats use their schemes. A
        format at its bound or below has a twentieth of the weight of an open one.
        """
        gap = 1 if self.known is None else self.best - self.known
        share = gap / max(1, self.known or self.best)
        open_ = min(1.0, 20 * share) if gap > 0 else 0.05
        return (open_ * (0.2 + self.credit) + 0.01) / self.format.naive_rank**0.5


class MetaStrategy(Strategy):
    """Walk a family of general formats, and pass schemes on between them.

    `format` and `archive` belong to the format with the latest new best, or at first to the
    largest format.

    Parameters
    ----------
    formats : sequence of MatrixProduct
        General formats, up to the order of their sides.
    ring, seed
        See `Strategy`.
    known : mapping of str to int, optional
        Known bounds by sorted format name, for the weights.
    starts : iterable of Scheme, optional
        Schemes over the ring to start from, besides the naive ones, with sides in any order.
    width : int
        Largest number of states at each rank of a format.
    slack : int
        Number of ranks to keep above the best of a format.
    schedules : sequence of (steps, plus_after, band)
        Drawn uniformly for each task.
    """

    name = "meta"
    options = frozenset({"within", "start"})

    def __init__(
        self,
        formats: Sequence[MatrixProduct],
        ring: Ring,
        seed: int,
        known: Mapping[str, int] | None = None,
        starts: Iterable[Scheme] = (),
        width: int = 64,
        slack: int = 2,
        schedules: Sequence[tuple[int, ...]] = SCHEDULES,
    ) -> None:
        if not formats or not all(f.is_general for f in formats):
            raise UsageError("the meta strategy takes general formats, at least one")
        ordered = sorted({f.sorted for f in formats}, key=lambda f: (f.naive_rank, f.name))
        super().__init__(ordered[-1], ring, seed, stream=0)
        self.width, self.slack, self.schedules = width, slack, tuple(schedules)
        self._queue: set[str] = set()
        self._found: list[Scheme] = []
        self._begun = False
        self.members: dict[str, Member] = {}
        for format_ in ordered:
            pools = Pools[Words](width=width, slack=slack)
            pools.admit(naive_start(format_, ring))
            self.members[format_.name] = Member(format_, (known or {}).get(format_.name), pools)
        self.archive = self.members[self.format.name].pools
        for scheme in starts:
            self.offer(scheme)
        self._found.clear()  # the starts are not new

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Make the strategy for a range of sides, with starts that have an image over the ring."""
        if not setting.within:
            raise UsageError("--strategy meta needs a range of sides: --within 2..4")
        formats = formats_of(setting.within)
        starts = [_over(scheme, setting.ring) for scheme in setting.starts]
        images = [scheme for scheme in starts if scheme is not None]
        return cls(formats, setting.ring, setting.seed, setting.bounds, images)

    @property
    def beginning(self) -> bool:  # type: ignore[override]
        """Whether schemes to start from still have to be passed on."""
        return not self._begun and bool(self._queue)

    def begin(self) -> bool:
        """Pass on one of the schemes to start from; return whether it gave a new best."""
        before = len(self._found)
        self.spread(1)
        self._begun = not self._queue
        return len(self._found) > before

    @property
    def finished(self) -> bool:
        """False: any bound may be beaten."""
        return False

    def samples(self) -> list[WalkTask]:
        """Return a task of every format, from the naive scheme."""
        return [
            WalkTask(member.format, self.ring, naive_start(member.format, self.ring), 1, 1)
            for member in self.members.values()
        ]

    def choose(self, number: int, seed: int) -> tuple[WalkTask, str]:
        """Return a walk of a format from its pools, or from an extended smaller scheme."""
        members = list(self.members.values())
        member = pick_weighted(self.random, members, [each.weight for each in members])
        start = self._extended(member) if self.random.random() < CLIMBS else None
        if start is None:
            start = member.pools.draw(self.random, by_rank=True)
        steps, plus_after, band, *_ = pick(self.random, self.schedules)
        member.tasks += 1
        member.credit *= FADING
        policy = Policy(plus_after, band, max(0, member.best - 1))
        task = WalkTask(member.format, self.ring, start, seed, steps, policy, number)
        return task, member.format.name

    def learn(self, sent: str, outcome: WalkOutcome | None) -> None:
        """Keep the states of an outcome, and pass new bests on to other formats."""
        if outcome is None:
            return
        for state in (*outcome.best, outcome.final):
            self._keep(self.members[sent], state)
        self.spread(WORK)

    def offer(self, scheme: Scheme) -> bool:
        """Add a scheme to the pool of its format; return whether it is a new best there."""
        form = sorted_scheme(scheme)
        member = self.members.get(str(form.format))
        if member is None or form.ring is not self.ring:
            return False
        return self._keep(member, pack(form))

    def found(self) -> list[Scheme]:
        """Return the schemes of new best ranks since the last call."""
        schemes, self._found = self._found, []
        return schemes

    def held_rank(self, sides: Sides) -> int | None:
        """Return the lowest rank held for the sides in any order; naive if a side is 1."""
        ordered = sorted(sides)
        if ordered[0] == 1:
            return ordered[1] * ordered[2]
        member = self._member(sides)
        return None if member is None else member.best

    def held_scheme(self, sides: Sides) -> Scheme:
        """Return a scheme of the lowest rank held, with its sides in ascending order."""
        n, m, p = sorted(sides)
        ordered = MatrixProduct(n, m, p)
        if ordered.n == 1:
            return naive_scheme(ordered, self.ring)
        pools = self.members[ordered.name].pools
        return unpack(ordered, self.ring, pick(self.random, pools.levels[pools.best_rank]))

    def spread(self, work: int) -> None:
        """Pass queued new bests along all edges, small formats first.

        With small formats first, most schemes of large formats are made once from the best parts,
        instead of repeatedly from improving ones.

        Parameters
        ----------
        work : int
            Number of terms of passed schemes after which the rest of the queue waits.
        """
        while self._queue and work > 0:
            name = min(self._queue, key=lambda name: (self.members[name].format.naive_rank, name))
            self._queue.discard(name)
            member = self.members[name]
            work -= member.best
            for scheme in neighbours(self.held_scheme(member.format.sides), self, self.random):
                self.offer(scheme)

    def worth(self, sides: Sides, rank: int) -> bool:
        """Return whether a scheme of that rank is a new best, or there is room at its rank."""
        member = self._member(sides)
        if member is None or rank >= min(member.format.naive_rank, member.best + self.slack + 1):
            return False
        return rank < member.best or len(member.pools.levels.get(rank, ())) < self.width // 4

    def families(self) -> list[tuple[Format, Levels]]:
        """Return every format whose best rank is below the naive one, with its states by rank."""
        return [
            (member.format, member.pools.levels)
            for member in self.members.values()
            if member.best < member.format.naive_rank
        ]

    def table(self) -> list[tuple[str, int, int | None]]:
        """Return format, best rank and known bound of every format, smallest first."""
        return [(name, member.best, member.known) for name, member in self.members.items()]

    def identity(self) -> dict[str, Any]:
        """Return the values in which a saved state must agree; the format may differ."""
        return {key: value for key, value in super().identity().items() if key != "format"}

    def memory(self) -> dict[str, Any]:
        """Return the pools of all formats, and the queue of new bests to pass on."""
        return {
            "current": self.format.name,
            "queue": sorted(self._queue),
            "begun": not self.beginning,
            "pools": {
                name: {
                    "credit": member.credit,
                    "tasks": member.tasks,
                    "levels": member.pools.state(),
                }
                for name, member in self.members.items()
            },
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `memory` returned."""
        self._queue, self._begun = set(state["queue"]), bool(state.get("begun", True))
        for name, saved in state["pools"].items():
            known = self.members[name].known if name in self.members else None
            pools = Pools[Words](width=self.width, slack=self.slack).restore(saved["levels"])
            credit, tasks = float(saved["credit"]), int(saved["tasks"])
            format_ = parse_format(name)
            self.members[name] = Member(format_, known, pools, credit, tasks)
        current = self.members[state.get("current", next(reversed(self.members)))]
        self.format, self.archive = current.format, current.pools

    def _member(self, sides: Sides) -> Member | None:
        return self.members.get("x".join(map(str, sorted(sides))))

    def _keep(self, member: Member, state: Words) -> bool:
        """Keep a state near the best of its format; return whether it is a new best."""
        before = member.best
        if not member.pools.admit(state, self.random) or len(state) >= before:
            return False
        member.credit = 1.0
        self.format, self.archive = member.format, member.pools
        self._queue.add(member.format.name)
        self._found.append(unpack(member.format, self.ring, state))
        return True

    def _extended(self, member: Member) -> Words | None:
        """Return an extended best scheme of a format one index smaller, or None."""
        sides = member.format.sides
        choices = []
        for d in range(3):
            smaller = changed(sides, d, sides[d] - 1)
            below = self._member(smaller)
            if below is not None and below.best < below.format.naive_rank:
                choices.append((d, smaller))
        if not choices:
            return None
        d, smaller = pick(self.random, choices)
        return pack(extend(oriented(self.held_scheme(smaller), smaller), d))


def _over(scheme: Scheme, ring: Ring) -> Scheme | None:
    """Return the scheme over the ring, or None if it has no image there."""
    try:
        return scheme.over(ring)
    except FlipsearchError:
        return None
