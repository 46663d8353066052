"""Draw schedules: the length of a task, and the time and height of its plus transitions.

No schedule is best everywhere. A strategy therefore draws one for each task or course: uniformly
by `pick`, or by recent success with a `Bandit`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np

T = TypeVar("T")


class Schedule(NamedTuple):
    """The steps of a task, the steps before a plus transition, and its band (see `Policy`).

    `largest_rank` bounds the matrix rank of factors if the walk supports it (see `QuotientTask`).
    """

    steps: int
    plus_after: int
    band: int
    largest_rank: int = 0


def pick(random: np.random.Generator, items: Sequence[T]) -> T:
    """Draw one of the items uniformly."""
    return items[int(random.integers(len(items)))]


def pick_weighted(random: np.random.Generator, items: Sequence[T], weights: Any) -> T:
    """Draw one of the items with probabilities proportional to the weights."""
    weights = np.asarray(weights, dtype=np.float64)
    return items[int(random.choice(len(items), p=weights / weights.sum()))]


MEMORY = 0.97
"""Decay factor of a bandit's counts after each outcome."""


class Bandit:
    """Draw arms with probabilities that follow their recent success."""

    def __init__(self, arms: int) -> None:
        self.tried, self.gained = np.zeros((2, arms))

    def draw(self, random: np.random.Generator) -> int:
        """Draw the number of an arm."""
        weights = (1 + self.gained) / (2 + self.tried)
        return pick_weighted(random, range(len(weights)), weights)

    def learn(self, arm: int, success: bool) -> None:
        """Count an outcome of an arm."""
        self.tried *= MEMORY
        self.gained *= MEMORY
        self.tried[arm] += 1
        self.gained[arm] += success
