"""Declare the base class of strategies: every member that the driver reads, with its default.

A strategy chooses the next tasks and learns from their outcomes. A subclass supplies `choose` and
`learn` and fills `archive`. It saves further state by `memory` and `remember`.

Invariant: a strategy is a deterministic function of its seed and the sequence of outcomes that it
is told. It has no clock, no threads and no files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

from flipsearch.constructors.closure import Leaf
from flipsearch.errors import UsageError
from flipsearch.formats import Format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.pools import Pools
from flipsearch.walk.task import WalkOutcome, WalkTask, Words

Levels = Mapping[int, Sequence[Words]]
"""Packed states by rank."""


@dataclass(frozen=True)
class Setting:
    """The user's settings of a search, as the record of its run holds them.

    They are those of `flipsearch.Study`; with `within` the format is None. `starts` and `held` are
    stored schemes over any ring: instead of the naive scheme, and in addition to it. `composed`
    are recipes to plan with, of sources among these and the starts. `bounds` are the known bounds
    over the ring, by format.
    """

    format: Format | None
    ring: Ring
    seed: int
    target: int = 0
    starts: tuple[Scheme, ...] = ()
    composed: tuple[Leaf, ...] = ()
    held: tuple[Scheme, ...] = ()
    within: str | None = None
    mirrored: bool = False
    symmetry: str = ""
    bounds: Mapping[str, int] = field(default_factory=dict)


class Strategy(ABC):
    """A strategy: the driver asks it for tasks and tells it their outcomes.

    Each task gets its own seed from that of the run; the strategy itself draws from its `stream`.
    A target of 0 ends no search.

    Attributes
    ----------
    name, formerly : str
        The strategy's name on the command line, and in older checkpoints.
    options : frozenset of str
        The options among ``format target start within mirrored fresh symmetry`` that the strategy
        honours; others are refused.
    rings : tuple of Ring
        The rings that the strategy takes, the default first.
    archive : Pools
        The states found for the format, including its start.
    asked, told : int
        Numbers of tasks asked for and of outcomes told.
    climbing : str
        Progress in smaller formats, for display; usually empty.
    """

    name: ClassVar[str]
    formerly: ClassVar[str] = ""
    options: ClassVar[frozenset[str]] = frozenset({"format", "target"})
    rings: ClassVar[tuple[Ring, ...]] = (Ring.F2, Ring.F3, Ring.ZT)
    archive: Pools[Words]
    climbing: str = ""

    def __init__(
        self, format_: Format, ring: Ring, seed: int = 0, target: int = 0, *, stream: int = 2**32
    ) -> None:
        if ring not in self.rings:
            if ring.is_field_of_search:
                raise UsageError(
                    f"--strategy {self.name} runs over {' and '.join(self.rings)}, not over {ring}"
                )
            raise UsageError(
                f"searches run over F2, F3 and ZT, not over {ring}: lift afterwards, or take "
                "--strategy numerical over Q"
            )
        self.format, self.ring, self.seed, self.target = format_, ring, seed, target
        self.asked = self.told = 0
        self.random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        self._sent: dict[int, Any] = {}

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Make the strategy for a user's settings; the registry calls this."""
        assert setting.format is not None
        return cls(setting.format, setting.ring, setting.seed, setting.target)

    @abstractmethod
    def choose(self, number: int, seed: int) -> tuple[WalkTask, Any]:
        """Return the next task, and a note about it for `learn` of JSON values and arrays."""

    @abstractmethod
    def learn(self, sent: Any, outcome: WalkOutcome | None) -> None:
        """Learn from the outcome of a task, or from None if its walk was broken."""

    def ask(self) -> WalkTask:
        """Return the next task."""
        number = self.asked
        self.asked += 1
        task, self._sent[number] = self.choose(number, task_seed(self.seed, number))
        return task

    def tell(self, outcome: WalkOutcome) -> bool:
        """Learn from an outcome; return whether there is a new best rank.

        Outcomes that were told before, and outcomes of tasks that `restore` dropped, are ignored.
        """
        if outcome.number not in self._sent:
            return False
        self.told += 1
        best = self.format, self.best_rank
        self.learn(self._sent.pop(outcome.number), None if outcome.reason == "broken" else outcome)
        return (self.format, self.best_rank) != best

    def samples(self) -> list[WalkTask]:
        """Return a task of each kind that the strategy asks for, to compile their walks ahead."""
        return []

    def found(self) -> list[Scheme] | None:
        """Return new schemes of best ranks once, or None to let the driver choose them.

        The driver then takes states of the best rank from the outcomes of tasks in the format.
        """
        return None

    @property
    def levels(self) -> dict[int, list[Words]]:
        """The states found for the format, by rank."""
        return self.archive.levels

    @property
    def best_rank(self) -> int:
        """The lowest rank found."""
        return self.archive.best_rank

    @property
    def sizes(self) -> dict[int, int]:
        """The number of states held, by rank, for display."""
        return {rank: len(states) for rank, states in sorted(self.levels.items())}

    @property
    def finished(self) -> bool:
        """Whether the target is reached."""
        return self.best_rank <= self.target

    def best_states(self) -> list[Words]:
        """Return the packed states of the lowest rank, in the order in which they were found."""
        return list(self.levels[self.best_rank])

    def families(self) -> list[tuple[Format, Levels]]:
        """Return the formats whose schemes are lifted, with their states by rank."""
        return [(self.format, self.levels)]

    def table(self) -> list[tuple[str, int, int | None]]:
        """Return format, best rank and known bound of each format in a search of many formats."""
        return []

    def notes(self) -> list[str]:
        """Return lines for the user about the search so far, besides ranks."""
        return []

    def identity(self) -> dict[str, Any]:
        """Return the values in which a saved state must agree with this strategy."""
        return {
            "strategy": self.name,
            "format": str(self.format),
            "ring": str(self.ring),
            "seed": self.seed,
        }

    def memory(self) -> dict[str, Any]:
        """Return the state of the subclass as JSON values and arrays, for `remember`."""
        return {}

    def remember(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Restore the state that `memory` returned."""

    def sent_of(self, saved: Any) -> Any:
        """Return the note that `choose` made about a task from its form in a checkpoint."""
        return saved

    def state(self) -> dict[str, Any]:
        """Return the whole state as JSON values and arrays, for `restore`."""
        return {
            **self.identity(),
            "asked": self.asked,
            "told": self.told,
            "random": _plain(self.random.bit_generator.state),
            "sent": {str(number): sent for number, sent in self._sent.items()},
            **self.memory(),
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Go back to a saved state; return the strategy.

        Tasks without a told outcome are dropped unless the state holds them under ``outstanding``.
        Raises `UsageError` if the state belongs to another strategy, format, ring or seed.
        """
        whose = {"strategy": "pool", **state}  # older states lack the strategy
        if whose["strategy"] == self.formerly:
            whose["strategy"] = self.name
        if any(whose.get(key, value) != value for key, value in self.identity().items()):
            raise UsageError(
                f"the saved state is not of this {self.name} run: use the same options"
            )
        outstanding = {int(task["number"]) for task in state.get("outstanding", ())}
        self.asked = int(state.get("asked", state["told"]))
        self.told = self.asked - len(outstanding)
        self.random.bit_generator.state = state.get("random") or state["choice"]
        self._sent = {
            int(number): self.sent_of(saved)
            for number, saved in (state.get("sent") or state.get("pending", {})).items()
            if int(number) in outstanding
        }
        self.remember(state)
        return self


def task_seed(seed: int, number: int) -> int:
    """Return the 64-bit seed of task `number` of a run; with it a task can be replayed alone."""
    sequence = np.random.SeedSequence(seed, spawn_key=(number,))
    return int(sequence.generate_state(1, np.uint64)[0])


def _plain(value: Any) -> Any:
    """Return nested dictionaries of a generator's state with plain integers."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, np.integer) else value
