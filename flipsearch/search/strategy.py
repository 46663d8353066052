"""The base class of strategies: everything that the driver reads, with its default.

A strategy says what is walked next and learns from what comes back. A subclass supplies `choose`
and `learn`, fills `archive`, and adds what it must remember to `memory` and `remember`.

Invariant: a strategy is a deterministic function of its seed and of the outcomes it is told, in
order. It has no clock, no threads and no files.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self

import numpy as np

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
    """What a user asks of a search, as the record of its run keeps it.

    Parameters
    ----------
    format : Format or None
        None where `within` says which formats.
    ring : Ring
    seed : int
    target : int
        The rank at which the search is over; 0 for never.
    starts : tuple of Scheme
        Stored schemes to start from, in any ring.
    within : str or None
        A range of sides such as ``2..8``.
    mirrored : bool
        Whether symmetric walks keep the reversal of all indices too.
    bounds : mapping of str to int
        Known bounds over the ring, by format.
    """

    format: Format | None
    ring: Ring
    seed: int
    target: int = 0
    starts: tuple[Scheme, ...] = ()
    within: str | None = None
    mirrored: bool = False
    bounds: Mapping[str, int] = field(default_factory=dict)


class Strategy(ABC):
    """Ask for tasks, tell outcomes.

    Parameters
    ----------
    format_ : Format
        What to search schemes for.
    ring : Ring
        F2, F3 or ZT.
    seed : int
        The seed of the run; every task gets a seed of its own from it.
    target : int
        The rank at which the search is over; 0 for never.
    stream : int
        Which stream of the seed the strategy draws from.

    Attributes
    ----------
    name : str
        As the command line calls it.
    formerly : str
        As older checkpoints call it.
    options : frozenset of str
        Those of ``format target start within mirrored`` that it honours; others are refused.
    archive : Pools
        The states found for the format, from its start on.
    asked, told : int
        Tasks asked for, and outcomes told.
    climbing : str
        Progress on the way to the format itself, to be shown; mostly empty.
    beginning : bool
        Whether `begin` has still work to do before the first task.
    """

    name: ClassVar[str]
    formerly: ClassVar[str] = ""
    options: ClassVar[frozenset[str]] = frozenset({"format", "target"})
    archive: Pools[Words]
    climbing: str = ""
    beginning: bool = False

    def __init__(
        self, format_: Format, ring: Ring, seed: int = 0, target: int = 0, *, stream: int = 2**32
    ) -> None:
        if not ring.is_field_of_search:
            raise UsageError(f"searches run over F2, F3 and ZT, not over {ring}: lift afterwards")
        self.format, self.ring, self.seed, self.target = format_, ring, seed, target
        self.asked = self.told = 0
        self.random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(stream,)))
        self._sent: dict[int, Any] = {}

    @classmethod
    def make(cls, setting: Setting) -> Strategy:
        """Return the strategy for what a user asks; called by the registry."""
        assert setting.format is not None
        return cls(setting.format, setting.ring, setting.seed, setting.target)

    @abstractmethod
    def choose(self, number: int, seed: int) -> tuple[WalkTask, Any]:
        """Return the next task, and what `learn` needs to know of it: JSON values and arrays."""

    @abstractmethod
    def learn(self, sent: Any, outcome: WalkOutcome | None) -> None:
        """Take in the outcome of a task, None if its walk was broken."""

    def ask(self) -> WalkTask:
        """Return the next task."""
        number = self.asked
        self.asked += 1
        task, self._sent[number] = self.choose(number, task_seed(self.seed, number))
        return task

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take in an outcome; return whether there is a new best rank.

        Outcomes told before are ignored, and those of tasks that `restore` has forgotten.
        """
        if outcome.number not in self._sent:
            return False
        self.told += 1
        best = self.format, self.best_rank
        self.learn(self._sent.pop(outcome.number), None if outcome.reason == "broken" else outcome)
        return (self.format, self.best_rank) != best

    def begin(self) -> bool:
        """Do a piece of the work before the first task; return whether there is a new best."""
        return False

    def samples(self) -> list[WalkTask]:
        """Return a task of each sort that it asks for, so that their walks are compiled ahead."""
        return []

    def found(self) -> list[Scheme] | None:
        """Return, once, the schemes of new best ranks; None to let the driver take them itself.

        The driver takes states of the best rank from the outcomes of tasks in the format.
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
        """Number of states held, by rank, to be shown."""
        return {rank: len(states) for rank, states in sorted(self.levels.items())}

    @property
    def finished(self) -> bool:
        """Whether the target is reached."""
        return self.best_rank <= self.target

    def best_states(self) -> list[Words]:
        """Return the packed states of the lowest rank, in the order found."""
        return list(self.levels[self.best_rank])

    def families(self) -> list[tuple[Format, Levels]]:
        """Return the formats to lift schemes of, with their states by rank."""
        return [(self.format, self.levels)]

    def table(self) -> list[tuple[str, int, int | None]]:
        """Return format, best rank and known bound of each format of a search of many."""
        return []

    def identity(self) -> dict[str, Any]:
        """Return what a saved state must share with this strategy to be restored."""
        return {
            "strategy": self.name,
            "format": str(self.format),
            "ring": str(self.ring),
            "seed": self.seed,
        }

    def memory(self) -> dict[str, Any]:
        """Return what `remember` needs: JSON values and arrays."""
        return {}

    def remember(self, state: Mapping[str, Any]) -> None:  # noqa: B027
        """Take back what `memory` returned."""

    def sent_of(self, saved: Any) -> Any:
        """Return what `choose` returned beside a task, from how a checkpoint keeps it."""
        return saved

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs, as JSON values and arrays."""
        return {
            **self.identity(),
            "asked": self.asked,
            "told": self.told,
            "random": _plain(self.random.bit_generator.state),
            "sent": {str(number): sent for number, sent in self._sent.items()},
            **self.memory(),
        }

    def restore(self, state: Mapping[str, Any]) -> Self:
        """Go back to a saved state; return this.

        Tasks asked and never told are forgotten, unless the state holds them under
        ``outstanding``: then they are expected.

        Raises
        ------
        UsageError
            The state is of another strategy, format, ring or seed.
        """
        whose = {"strategy": "pool", **state}  # older states do not say everything
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
    """Return the 64-bit seed of task `number` of a run: each task can be replayed alone."""
    sequence = np.random.SeedSequence(seed, spawn_key=(number,))
    return int(sequence.generate_state(1, np.uint64)[0])


def _plain(value: Any) -> Any:
    """Return nested dictionaries of a generator's state with plain integers."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, np.integer) else value
