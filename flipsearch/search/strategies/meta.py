"""Search many formats at once and pass schemes on between them (strategy `meta`).

A plan (`flipsearch.constructors.plan`) holds the least rank of every format that the schemes at
hand reach by gluing, products, serendipitous products and projections. The search begins with it,
and makes the scheme of a format only when a walk wants it. Each new best closes the plan again, so
that all formats made of the lowered one fall with it in a tenth of a second.

A task walks from a state near the best rank of its format, from a smaller scheme extended by naive
products, or from a larger one projected in a random basis. The start of a walk largely determines
its end: from an extended 3x4x4:38, 3x4x5:47 is a few million steps away, while from a pool of
3x4x5:48 it may be out of reach.

Formats are drawn by the number of formats that would fall with them, by recent success, and by
their size. A format that brought nothing for long rests until one that feeds it is lowered.

Invariant: pools hold schemes of their format over one ring, with the sides in ascending order.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flipsearch.constructors.closure import Leaf
from flipsearch.constructors.making import Maker
from flipsearch.constructors.plan import Plan
from flipsearch.constructors.recipes import NAIVE, NAMED, Sides
from flipsearch.errors import UsageError
from flipsearch.formats import TABULATED_SIDE, Format, MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.edges import changed, cuts, sorted_scheme
from flipsearch.search.ladder import naive_start
from flipsearch.search.members import Member, formats_of
from flipsearch.search.pools import Pools
from flipsearch.search.schedules import Schedule, pick, pick_weighted
from flipsearch.search.strategy import Levels, Setting, Strategy
from flipsearch.transform import extend, project, random_sandwich
from flipsearch.transform.dimensions import matrix_format, terms_left
from flipsearch.transform.symmetry import oriented
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack, unpack, words_of

SCHEDULES = (
    Schedule(200_000, 20_000, 2),
    Schedule(1_000_000, 5_000, 6),
    Schedule(1_000_000, 10_000, 3),
    Schedule(3_000_000, 50_000, 4),
)
CLIMBS, DESCENTS, NAIVE_STARTS = 0.2, 0.2, 0.1
"""Shares of the tasks from a smaller scheme, extended; a larger one, projected; the naive one."""
LARGEST_NAIVE = 64
"""Largest rank of a naive scheme to start from: larger ones lead nowhere."""
FADING = 0.98
"""Decay factor of a format's credit with each of its tasks."""
LARGEST_PRIMITIVE = 8
"""Largest side of the formats whose gains the plan counts; the others count as one format."""
COUNTED_AGAIN = 8
"""Number of new bests after which gains are counted again, which takes seconds."""
POOL_BYTES = 512 << 20
"""Bytes of all pools together, when each is full."""


class MetaStrategy(Strategy):
    """Walk a family of general formats, and pass schemes on between them.

    `format` and `archive` belong to the format with the latest new best, or at first to the
    largest format. Schedules are drawn uniformly for each task.

    Parameters
    ----------
    known : mapping of str to int, optional
        Known bounds by sorted format name, for the weights.
    starts, composed : iterables of Scheme and of Leaf, optional
        Schemes to plan with, those without an image over the ring left out; and recipes of sources
        among these and the starts.
    width, slack : int
        Largest number of states at each rank of a format, fewer if they are large; and the number
        of ranks to keep above its best.
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
        composed: Iterable[Leaf] = (),
        width: int = 64,
        slack: int = 2,
        schedules: Sequence[tuple[int, ...]] = SCHEDULES,
    ) -> None:
        if not formats or not all(f.is_general for f in formats):
            raise UsageError("the meta strategy takes general formats, at least one")
        ordered = sorted({f.sorted for f in formats}, key=lambda f: (f.naive_rank, f.name))
        super().__init__(ordered[-1], ring, seed, stream=0)
        self.width, self.slack, self.schedules = width, slack, tuple(schedules)
        self.priorities: dict[str, float] = {}
        at_hand = list(starts)
        self._at_hand = {scheme.content_hash[:NAMED]: scheme for scheme in at_hand}
        self.plan = Plan(ring, at_hand)
        recipes = list(composed)
        for leaf in recipes:
            self.plan.add(leaf)
        self.plan.close()
        self._maker = Maker({ring: self.plan}, self._at_hand.__getitem__, recipes)
        self._found: list[Scheme] = []
        self._finds: list[Scheme] = []
        self.members = {
            format_.name: self._member_of(format_, (known or {}).get(format_.name), len(ordered))
            for format_ in ordered
        }
        self.archive = self.members[self.format.name].pools
        self._count_gains()

    def _member_of(self, format_: MatrixProduct, known: int | None, members: int) -> Member:
        """Return a member whose full pools take their share of the memory."""
        best = self.plan.rank(*format_.sides)
        row = pack(naive_scheme(MatrixProduct(1, 1, 1), self.ring)).nbytes * words_of(format_)
        share = POOL_BYTES // members // (best * row * (self.slack + 1))
        pools = Pools[Words](width=min(self.width, max(2, share)), slack=self.slack)
        return Member(format_, known, pools, best)

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Make the strategy for a range of sides."""
        if not setting.within:
            raise UsageError("--strategy meta needs a range of sides: --within 2..4")
        formats = formats_of(setting.within)
        starts = setting.starts, setting.composed
        return cls(formats, setting.ring, setting.seed, setting.bounds, *starts)

    @property
    def finished(self) -> bool:
        """False: any bound may be beaten."""
        return False

    @property
    def best_rank(self) -> int:
        """The lowest rank of the current format."""
        return self.members[self.format.name].best

    def best_states(self) -> list[Words]:
        """Return the packed states of the lowest rank of the current format."""
        member = self.members[self.format.name]
        self._fill(member)
        return list(member.pools.levels[member.best])

    def samples(self) -> list[WalkTask]:
        """Return a task of the format with most rows, for each number of words of a factor."""
        largest: dict[int, Member] = {}
        for member in sorted(self.members.values(), key=lambda member: member.best):
            largest[words_of(member.format)] = member
        return [
            WalkTask(member.format, self.ring, pack(self.held_scheme(member.format.sides)), 1, 1)
            for member in largest.values()
        ]

    def choose(self, number: int, seed: int) -> tuple[WalkTask, str]:
        """Return a walk of a format from its pools, or from a smaller or a larger scheme."""
        members = list(self.members.values())
        weights = [each.weight * self.priorities.get(each.format.name, 1.0) for each in members]
        member = pick_weighted(self.random, members, weights)
        draw, start = self.random.random(), None
        if draw < CLIMBS:
            start = self._extended(member)
        elif draw < CLIMBS + DESCENTS:
            start = self._projected(member)
        elif draw < CLIMBS + DESCENTS + NAIVE_STARTS and member.format.naive_rank <= LARGEST_NAIVE:
            start = naive_start(member.format, self.ring)
        if start is None:
            self._fill(member)
            start = member.pools.draw(self.random, by_rank=True)
        steps, plus_after, band, *_ = pick(self.random, self.schedules)
        member.tasks += 1
        member.credit *= FADING
        policy = Policy(plus_after, band, max(0, member.best - 1))
        task = WalkTask(member.format, self.ring, start, seed, steps, policy, number)
        return task, member.format.name

    def learn(self, sent: str, outcome: WalkOutcome | None) -> None:
        """Keep the states of an outcome, and pass a new best on to other formats."""
        if outcome is None:
            return
        self.members[sent].idle += outcome.steps
        for state in (*outcome.best, outcome.final):
            self._keep(self.members[sent], state)

    def offer(self, scheme: Scheme) -> bool:
        """Add a scheme to the pool of its format; return whether it is a new best there."""
        form = sorted_scheme(scheme)
        member = self.members.get(str(form.format))
        return member is not None and form.ring is self.ring and self._keep(member, pack(form))

    def prioritise(self, weights: Mapping[str, float]) -> None:
        """Multiply the weights of formats by sorted names; those not named have factor 1.

        Raises `UsageError` if a format is not one of the search, or all would have weight 0.
        """
        for name in weights:
            if name not in self.members:
                raise UsageError(f"{name} is not among the formats of this search")
        if all(weights.get(name, 1.0) == 0 for name in self.members):
            raise UsageError("a format must have a priority above 0")
        self.priorities = dict(weights)

    def found(self) -> list[Scheme]:
        """Return the schemes of new best ranks since the last call."""
        schemes, self._found = self._found, []
        return schemes

    def held_scheme(self, sides: Sides) -> Scheme:
        """Return a scheme of the least rank, with its sides in ascending order."""
        n, m, p = sorted(sides)
        member = self.members.get(f"{n}x{m}x{p}")
        if member is not None and member.pools.best_rank == member.best:
            state = pick(self.random, member.pools.levels[member.best])
            return unpack(member.format, self.ring, state)
        name = self._maker.name(self.ring, (n, m, p))
        if name == NAIVE:
            return naive_scheme(MatrixProduct(n, m, p), self.ring)
        return sorted_scheme(self._maker.fetch(name).over(self.ring))

    def families(self) -> list[tuple[Format, Levels]]:
        """Return every format in which this search found a new best, with its states by rank."""
        found = {scheme.format.name for scheme in self._finds}
        return [
            (member.format, member.pools.levels)
            for name, member in self.members.items()
            if name in found and member.pools.best_rank == member.best
        ]

    def table(self) -> list[tuple[str, int, int | None]]:
        """Return format, best rank and known bound of every format, smallest first."""
        return [(name, member.best, member.known) for name, member in self.members.items()]

    def identity(self) -> dict[str, Any]:
        """Return the values in which a saved state must agree; the format may differ."""
        return {key: value for key, value in super().identity().items() if key != "format"}

    def memory(self) -> dict[str, Any]:
        """Return the pools of all formats that were walked, and the finds in their order."""
        return {
            "current": self.format.name,
            "finds": {str(k): pack(scheme) for k, scheme in enumerate(self._finds)},
            "found": [scheme.format.name for scheme in self._finds],
            "pools": {
                name: {
                    "credit": member.credit,
                    "gain": member.gain,
                    "tasks": member.tasks,
                    "idle": member.idle,
                    "levels": member.pools.state(),
                }
                for name, member in self.members.items()
                if member.tasks or member.pools.levels
            },
        }

    def remember(self, state: Mapping[str, Any]) -> None:
        """Restore the state that `memory` returned."""
        for k, name in enumerate(state.get("found", ())):
            words = np.asarray(state["finds"][str(k)], dtype=np.uint64)
            self._take(unpack(parse_format(name), self.ring, words))
        self._found.clear()
        for name, saved in state["pools"].items():
            if (member := self.members.get(name)) is not None:
                member.pools.restore(saved["levels"])
                member.credit, member.tasks = float(saved["credit"]), int(saved["tasks"])
                member.gain = float(saved.get("gain", member.gain))
                member.idle = int(saved.get("idle", 0))
                if member.pools.best_rank < member.best:  # older states have no finds
                    best = member.pools.levels[member.pools.best_rank][0]
                    self._take(unpack(member.format, self.ring, best))
        current = self.members.get(state.get("current", ""), self.members[self.format.name])
        self.format, self.archive = current.format, current.pools

    def _keep(self, member: Member, state: Words) -> bool:
        """Keep a state near the best of its format; return whether it is a new best."""
        if len(state) > member.best + self.slack:
            return False
        member.pools.admit(state, self.random)
        if len(state) >= member.best:
            return False
        scheme = unpack(member.format, self.ring, state)
        self._take(scheme)
        self.format, self.archive = member.format, member.pools
        self._count_gains(None if len(self._finds) % COUNTED_AGAIN == 0 else member)
        for cut in cuts(scheme, self.plan.rank, self.random):
            self.offer(cut)
        return True

    def _take(self, scheme: Scheme) -> None:
        """Plan with a new best scheme; formats that fall wake up, and those around it."""
        scheme = scheme.canonical
        self._at_hand[scheme.content_hash[:NAMED]] = scheme
        self._finds.append(scheme)
        self._found.append(scheme)
        self.plan.take(scheme)
        self._maker.replan()
        n, m, p = matrix_format(scheme).sides
        for member in self.members.values():
            rank = self.plan.rank(*member.format.sides)
            if rank < member.best:
                member.best, member.credit, member.idle = rank, 1.0, 0
            elif sum(abs(a - b) for a, b in zip(member.format.sides, (n, m, p), strict=True)) == 1:
                member.idle = 0

    def _count_gains(self, only: Member | None = None) -> None:
        """Count how many formats would fall with each at its known rank, or with one alone."""
        members = list(self.members.values()) if only is None else [only]
        known = {m.format.sides: m.known for m in members if m.known is not None}
        counts = {
            sides: count
            for sides, _, count in self.plan.gains(known, LARGEST_PRIMITIVE, quick=True)
        }
        for member in members:
            member.gain = counts.get(member.format.sides, 1.0)

    def _fill(self, member: Member) -> None:
        """Put the scheme that the plan makes into the pool of its format, unless one is there."""
        if member.pools.best_rank > member.best:
            self._keep(member, pack(self.held_scheme(member.format.sides)))

    def _extended(self, member: Member) -> Words | None:
        """Return a best scheme of a format one index smaller, extended, or None."""
        d, smaller = self._resized(member, -1)
        if d is None:
            return None
        return pack(extend(oriented(self.held_scheme(smaller), smaller), d))

    def _projected(self, member: Member) -> Words | None:
        """Return a best scheme of a format one index larger, projected, or None."""
        d, larger = self._resized(member, 1)
        if d is None:
            return None
        scheme = oriented(self.held_scheme(larger), larger)
        if self.ring.characteristic:
            scheme = random_sandwich(scheme, self.random)
        left = terms_left(scheme, d)
        indices = [index for index, terms in enumerate(left) if terms == min(left)]
        cut = project(scheme, d, pick(self.random, indices))
        return pack(cut) if cut.rank < member.format.naive_rank else None

    def _resized(self, member: Member, change: int) -> tuple[int | None, Sides]:
        """Draw a side, and return the sides with it changed; None if no scheme there is good."""
        sides = member.format.sides
        choices: list[tuple[int | None, Sides]] = []
        for d, side in enumerate(sides):
            if 2 <= side + change <= TABULATED_SIDE:
                other = changed(sides, d, side + change)
                if self.plan.rank(*other) < other[0] * other[1] * other[2]:
                    choices.append((d, other))
        return pick(self.random, choices) if choices else (None, sides)
