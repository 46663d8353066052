"""Ladders: formats of growing sides, each walked from the best of the one below, extended.

From the naive scheme a walk of 4x4x4 over F2 reaches rank 47 once in half a thousand million flips
and ends in Strassen's scheme squared far more often. From a scheme of 3x4x4 of rank 38 with the 16
naive products of another row appended, it reaches 47 in five million, nearly every time. A descent
therefore climbs a ladder: one side grows at every rung, and each rung is walked until it stops
improving. The ladder is drawn at random, because a descent's beginning largely settles its end.
(Arai, Ichikawa and Hukushima, "Adaptive flip graph algorithm for matrix multiplication", constrain
the search to extensions of smaller schemes for the same reason.)

Invariant: the pools of a descent hold schemes of its current rung's format only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.pools import Pools
from flipsearch.search.schedules import pick
from flipsearch.transform.dimensions import extend, free_dimensions, resized, tied_dimensions
from flipsearch.walk.task import Words, pack, unpack

SHORTEST = 2
"""Ladders begin where no side is longer than this."""
PATIENCE, TOP_PATIENCE = 20_000_000, 6_000
"""Steps without improvement that end the last rung: the larger of the first number and of the
second times the square of the naive rank; half the steps up to the last improvement are added."""
LONGEST_RUNG, RUNG_PATIENCE = 100_000_000, 3_000
"""The same on the rungs below, where the smaller one counts."""


def predecessors(format_: Format) -> list[tuple[MatrixProduct, int]]:
    """Return the formats that are one index smaller, each with the dimension that grows."""
    if not isinstance(format_, MatrixProduct):
        return []
    found = []
    for dimension in free_dimensions(format_):
        sides = [format_.sides[d] for d in tied_dimensions(format_, dimension)]
        if min(sides) > SHORTEST:
            smaller = resized(format_, dimension, -1)
            if smaller.naive_rank:  # kk:2x2x2c has no product left
                found.append((smaller, dimension))
    return found


def draw_ladder(format_: Format, random: np.random.Generator) -> list[tuple[Format, int]]:
    """Return the rungs from the smallest format up, each with the dimension that grew last.

    The dimension of the first rung is 0 and means nothing.
    """
    rungs: list[tuple[Format, int]] = []
    while choices := predecessors(format_):
        smaller, dimension = pick(random, choices)
        rungs.append((format_, dimension))
        format_ = smaller
    rungs.append((format_, 0))
    return rungs[::-1]


@dataclass
class Descent:
    """One way up a ladder and down in rank: its rung, and how it goes there.

    Parameters
    ----------
    number : int
    ring : Ring
    ladder : list of (Format, int)
        From `draw_ladder`, or a single rung.
    pools : Pools
        Of the current rung.
    rung : int
    steps, last_gain : int
        Steps walked on this rung, and when its best rank was last lowered.
    waiting : int
        Tasks asked of it and not yet told.
    """

    number: int
    ring: Ring
    ladder: list[tuple[Format, int]]
    pools: Pools[Words]
    rung: int = 0
    steps: int = 0
    last_gain: int = 0
    waiting: int = field(default=0, compare=False)

    @property
    def format(self) -> Format:
        """The current rung's format."""
        return self.ladder[self.rung][0]

    @property
    def on_top(self) -> bool:
        """Whether the current rung is the last."""
        return self.rung == len(self.ladder) - 1

    @property
    def patience(self) -> int:
        """Steps without improvement after which the current rung is done."""
        size = self.format.naive_rank**2
        if self.on_top:
            return max(PATIENCE, TOP_PATIENCE * size)
        return min(LONGEST_RUNG, RUNG_PATIENCE * size)

    def take(self, states: Sequence[Words], steps: int) -> None:
        """Take in what a walk on the current rung brought."""
        lowest = self.pools.best_rank
        for state in states:
            self.pools.admit(state)
        self.steps += steps
        if self.pools.best_rank < lowest:
            self.last_gain = self.steps

    @property
    def is_over(self) -> bool:
        """Whether the rung is walked out: no best state has a flip, or no gain came for long."""
        if not self.pools.mobile[self.pools.best_rank]:
            return True
        return self.steps > 3 * self.last_gain // 2 + self.patience

    def climb(self, states: Sequence[Words]) -> None:
        """Go to the next rung with states of this one, extended by naive products."""
        below = self.format
        self.rung += 1
        dimension = self.ladder[self.rung][1]
        self.pools = Pools(self.ring)
        self.steps = self.last_gain = 0
        for state in states:
            larger = extend(unpack(below, self.ring, state), dimension)
            self.pools.admit(pack(larger))

    def state(self) -> dict[str, Any]:
        """Return what `restored` needs: plain values and arrays."""
        return {
            "number": self.number,
            "grown": [dimension for _, dimension in self.ladder],
            "rung": self.rung,
            "steps": self.steps,
            "last_gain": self.last_gain,
            "pools": self.pools.state(),
        }

    @classmethod
    def restored(cls, format_: Format, ring: Ring, state: Mapping[str, Any]) -> Descent:
        """Return the descent towards a format that `state` described."""
        ladder: list[tuple[Format, int]] = []
        for dimension in reversed(state["grown"]):
            ladder.insert(0, (format_, int(dimension)))
            if len(ladder) < len(state["grown"]):
                assert isinstance(format_, MatrixProduct)
                format_ = resized(format_, int(dimension), -1)
        pools = Pools[Words](ring).restore(state["pools"])
        numbers = (int(state[key]) for key in ("rung", "steps", "last_gain"))
        return cls(int(state["number"]), ring, ladder, pools, *numbers)


def naive_start(format_: Format, ring: Ring) -> Words:
    """Return the packed naive scheme of a format."""
    return pack(naive_scheme(format_, ring))
