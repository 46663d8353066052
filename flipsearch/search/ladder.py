"""Climb ladders of formats: walk each format from the extended best schemes of a smaller one.

From the naive scheme a walk of 4x4x4 over F2 reaches rank 47 once in 500 million flips, and ends
in Strassen's scheme squared far more often. From a scheme of 3x4x4 of rank 38, extended by the 16
naive products of another row, it reaches 47 in 5 million flips nearly every time. A descent
therefore climbs a ladder: one side grows at every rung, and each rung is walked until it stops
improving. The ladder is drawn at random, because a descent's beginning largely determines its end.
Tensors of other kinds have no sides; a smaller rung leaves out an index of A, B or C. Arai,
Ichikawa and Hukushima, "Adaptive flip graph algorithm for matrix multiplication", restrict the
search to extensions of smaller schemes for the same reason.

Invariant: the pools of a descent hold only schemes of its current rung's format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from flipsearch.formats import Format, MatrixProduct
from flipsearch.formats.sparse import LARGEST_DIMENSION, SparseTensor, sparse_tensor
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.edges import padded
from flipsearch.search.pools import Pools
from flipsearch.search.schedules import pick
from flipsearch.transform.dimensions import extend, free_dimensions, resized, tied_dimensions
from flipsearch.walk.task import Words, pack, unpack, words_of

SHORTEST = 2
"""Largest side of the first format of a ladder."""
PATIENCE, TOP_PATIENCE = 2_000_000, 6_000
"""Steps without improvement that end the last rung, as a number and per square of the naive rank.

The larger value counts. Half the steps up to the last improvement are added."""
LONGEST_RUNG, RUNG_PATIENCE = 100_000_000, 3_000
"""The same for the rungs below; there the smaller value counts."""


def removable(format_: Format) -> list[int]:
    """Return the numbers that `without` can remove from a format."""
    if isinstance(format_, SparseTensor):
        used = [sorted({entry[slot] for entry in format_.entries}) for slot in range(3)]
        return [
            slot * LARGEST_DIMENSION + index
            for slot, indices in enumerate(used)
            for index in indices
            if len(indices) > SHORTEST
        ]
    assert isinstance(format_, MatrixProduct)
    return [
        dimension
        for dimension in free_dimensions(format_)
        if min(format_.sides[d] for d in tied_dimensions(format_, dimension)) > SHORTEST
        and without(format_, dimension).naive_rank  # kk:2x2x2c has no product
    ]


def without(format_: Format, removed: int) -> Format:
    """Return the format that is one index smaller.

    `removed` is the dimension of a matrix product to shorten by one, with all tied to it. For a
    tensor it is the slot times `LARGEST_DIMENSION` plus the index whose entries are left out; the
    lengths of A, B and C stay.
    """
    if isinstance(format_, SparseTensor):
        slot, index = divmod(removed, LARGEST_DIMENSION)
        left = (entry for entry in format_.entries if entry[slot] != index)
        return sparse_tensor(format_.label, left, format_.sizes)
    assert isinstance(format_, MatrixProduct)
    return resized(format_, removed, -1)


def grown(scheme: Scheme, format_: Format, removed: int) -> Scheme:
    """Return the scheme of a format, from one of `without`, with naive products for the rest."""
    if isinstance(format_, SparseTensor):
        return padded(scheme, format_)
    return extend(scheme, removed)


def draw_ladder(format_: Format, random: np.random.Generator) -> list[tuple[Format, int]]:
    """Return the rungs from the smallest format up, each with the slice that the one below lacks.

    The first rung's slice is 0 and has no meaning.
    """
    rungs: list[tuple[Format, int]] = []
    if isinstance(format_, SparseTensor) and random.integers(2):
        return [(format_, 0)]  # often from nothing: ladders lead poly:7x7 astray
    while choices := removable(format_):
        removed = pick(random, choices)
        rungs.append((format_, removed))
        format_ = without(format_, removed)
    rungs.append((format_, 0))
    return rungs[::-1]


@dataclass
class Descent:
    """The state of one descent on its ladder.

    Its tasks walk over `ring`. `ladder` is from `draw_ladder`, or a single rung; `pools` are those
    of the current rung. `steps` and `last_gain` are the numbers of steps walked on this rung, now
    and at the last improvement of its best rank. `waiting` is the number of its tasks whose
    outcomes were not told.
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
        """The number of steps without improvement that end the current rung."""
        size = self.format.naive_rank**2
        if self.on_top:
            return max(PATIENCE, TOP_PATIENCE * size)
        return min(LONGEST_RUNG, RUNG_PATIENCE * size)

    def take(self, states: Sequence[Words], steps: int) -> None:
        """Add the states of a walk on the current rung to the pools, and count its steps."""
        lowest = self.pools.best_rank
        for state in states:
            self.pools.admit(state)
        self.steps += steps
        if self.pools.best_rank < lowest:
            self.last_gain = self.steps

    @property
    def is_over(self) -> bool:
        """Whether no best state has a flip, or the patience for an improvement is over."""
        if not self.pools.mobile[self.pools.best_rank]:
            return True
        return self.steps > 3 * self.last_gain // 2 + self.patience

    def climb(self, states: Sequence[Words]) -> None:
        """Go to the next rung with states of this rung, extended by naive products."""
        below = self.format
        self.rung += 1
        format_, removed = self.ladder[self.rung]
        self.pools = Pools(self.ring)
        self.steps = self.last_gain = 0
        for state in states:
            self.pools.admit(pack(grown(unpack(below, self.ring, state), format_, removed)))

    def state(self) -> dict[str, Any]:
        """Return the descent as plain values and arrays, for `restored`."""
        return {
            "number": self.number,
            "ring": str(self.ring),
            "grown": [removed for _, removed in self.ladder],
            "rung": self.rung,
            "steps": self.steps,
            "last_gain": self.last_gain,
            "pools": self.pools.state(),
        }

    @classmethod
    def restored(cls, format_: Format, ring: Ring, state: Mapping[str, Any]) -> Descent:
        """Return the descent towards a format that `state` described."""
        ladder: list[tuple[Format, int]] = []
        for removed in reversed(state["grown"]):
            ladder.insert(0, (format_, int(removed)))
            if len(ladder) < len(state["grown"]):
                format_ = without(format_, int(removed))
        pools = Pools[Words](ring).restore(state["pools"])
        ring = Ring(state.get("ring", ring))
        numbers = (int(state[key]) for key in ("rung", "steps", "last_gain"))
        return cls(int(state["number"]), ring, ladder, pools, *numbers)


def naive_start(format_: Format, ring: Ring) -> Words:
    """Return the packed naive scheme of a format."""
    words_of(format_)  # refuses what is too wide before it is written out
    return pack(naive_scheme(format_, ring))
