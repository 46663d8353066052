"""Pools of orbit states for the symmetric search, and how courses under each group walk.

A pool belongs to a group, C3 or C3 x Z2, and to a partition of the indices, whose sets give the
fixed cubes. It keeps states near its best rank; its schedules are those that served its group.

Invariant: every state lies at its rank, written out, and none above the best by more than the
slack.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from flipsearch.walk.task import Words

Parts = tuple[tuple[int, ...], ...]
State = tuple[Words, Words]


class Schedule(NamedTuple):
    """How the tasks of a course walk: see `Policy` and `QuotientTask`."""

    steps: int
    plus_after: int
    band: int
    largest_rank: int = 0


Schedules = tuple[Schedule, ...]
SCHEDULES: Schedules = (
    Schedule(20_000_000, 15_000, 24, 2),
    Schedule(20_000_000, 15_000, 24, 2),
    Schedule(20_000_000, 50_000, 24, 3),
    Schedule(20_000_000, 10_000, 12),
)
"""Under C3."""
MIRRORED_SCHEDULES: Schedules = (
    Schedule(20_000_000, 20_000, 30, 3),
    Schedule(20_000_000, 40_000, 72, 3),
    Schedule(20_000_000, 80_000, 30, 3),
    Schedule(20_000_000, 150_000, 30, 3),
)
"""Under C3 x Z2: among factors of matrix rank 1 and 2 alone 6x6x6 stays at 165."""
PATIENCE, MIRRORED_PATIENCE = 5, 8
"""Tasks without a new best that end a course."""


def default_parts(n: int) -> tuple[Parts, ...]:
    """Return partitions of 0 .. n - 1 worth trying: mirrored pairs, and neighbours for even n.

    {0, 4} {1, 3} {2} for 5 and {0, 1} {2, 3} {4, 5} for 6 are those of Moosbauer and Poole.
    """
    mirrored: Parts = tuple(
        (i, n - 1 - i) if i != n - 1 - i else (i,) for i in range((n + 1) // 2)
    )
    if n % 2:
        return (mirrored,)
    neighbours: Parts = tuple((i, i + 1) for i in range(0, n, 2))
    return (mirrored,) if n == 2 else (mirrored, neighbours)


@dataclass
class OrbitPool:
    """Quotient states of one partition and group, by rank."""

    parts: Parts
    mirrored: bool
    levels: dict[int, list[State]] = field(default_factory=dict)
    best: int = 1 << 30
    tasks: int = 0

    @property
    def orbit(self) -> int:
        """Terms of an orbit."""
        return 6 if self.mirrored else 3

    def rank(self, orbits: Words, cubes: Words) -> int:
        """Return the number of terms of a state."""
        return len(orbits) * self.orbit + len(cubes)

    @property
    def patience(self) -> int:
        """Tasks without a new best that end a course."""
        return MIRRORED_PATIENCE if self.mirrored else PATIENCE

    @property
    def schedules(self) -> Schedules:
        """Schedules for courses under the pool's group."""
        return MIRRORED_SCHEDULES if self.mirrored else SCHEDULES

    def add(self, state: State, width: int, slack: int, choice: np.random.Generator) -> bool:
        """Keep a state if its rank is near the best; return whether it was.

        Parameters
        ----------
        state : (orbits, cubes)
        width : int
            States kept at each rank; beyond it the new one takes a random one's place.
        slack : int
            Ranks kept above the best, in steps of an orbit.
        choice : Generator
        """
        rank = self.rank(*state)
        if rank > self.best + slack * self.orbit:
            return False
        level = self.levels.setdefault(rank, [])
        if len(level) < width:
            level.append(state)
        else:
            level[int(choice.integers(width))] = state
        if rank < self.best:
            self.best = rank
            for worse in [r for r in self.levels if r > rank + slack * self.orbit]:
                del self.levels[worse]
        return True

    def draw(self, choice: np.random.Generator) -> State:
        """Return a state kept: each rank half as often as the one below it."""
        ranks = sorted(self.levels)
        weights = np.array([0.5**k for k in range(len(ranks))])
        chosen = ranks[int(choice.choice(len(ranks), p=weights / weights.sum()))]
        states = self.levels[chosen]
        return states[int(choice.integers(len(states)))]

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: JSON values and arrays."""
        return {
            "parts": [list(part) for part in self.parts],
            "tasks": self.tasks,
            "states": [
                {"orbits": orbits, "cubes": cubes}
                for _, states in sorted(self.levels.items())
                for orbits, cubes in states
            ],
        }

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Go back to a saved state."""
        self.tasks = int(saved["tasks"])
        self.levels.clear()
        for item in saved["states"]:
            state = loaded(item)
            self.levels.setdefault(self.rank(*state), []).append(state)
        self.best = min(self.levels)


def loaded(item: Mapping[str, Any]) -> State:
    """Return a saved state of orbits and cubes, shapes (G, 3, 1) and (C,), as uint64 arrays."""
    orbits, cubes = (np.asarray(item[key], dtype=np.uint64) for key in ("orbits", "cubes"))
    return orbits, cubes
