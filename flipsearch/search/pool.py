"""Strategy `pool`: descents up ladders of formats, each through pools of decreasing rank.

A task starts from a state drawn from one of the lowest levels of a descent and stops as soon as it
is lower; where it ends joins the pool of its rank. Levels near the best are chosen geometrically,
states that have a flip before those that have none, and the plus transitions change from task to
task, because no schedule is best everywhere.

Descents are short and many: one that has not improved for long enough, measured by how long its
last improvement took, climbs to the next format of its ladder, or on the last is given up for a
new one (see `flipsearch.search.descent`). Some go on at once, a few tasks each, so that a
thousand workers do not crowd one of them. An archive keeps the best of all that was found for the
format itself, from the naive scheme on; one task in eight works on that. Walks over F2 do not
merge rows that agree in two factors (see `Policy`); over all rings the best states are checked
between tasks for any linear dependence.

Invariant: the strategy is a deterministic function of its seed and of the outcomes it is told, in
order. It has no clock, no threads and no files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from flipsearch.errors import UsageError
from flipsearch.formats import Format, MatrixProduct
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.search.descent import Descent, draw_ladder, naive_start
from flipsearch.search.levels import Archived, Pools, sandwiched, without_dependence
from flipsearch.walk.task import LARGEST_RANK, Policy, WalkOutcome, WalkTask, Words, pack

SCHEDULES: tuple[tuple[int, int], ...] = (
    *((1_000, 2), (2_000, 2), (5_000, 3), (10_000, 3)),
    *((20_000, 3), (50_000, 2), (100_000, 4)),
)
"""Steps before a plus transition, and band."""
MEMORY = 0.97
"""What is left, after each outcome, of how often a schedule has led lower."""
STEPS = 10_000_000
WIDTH = 4
"""Tasks that a descent has under way at most, before another begins."""
ARCHIVE_TURN = 8
"""One task in so many works on the archive."""
CARRIED = 4
"""Best states of a rung that are extended to the next."""


def task_seed(seed: int, number: int) -> int:
    """Return the 64-bit seed of task `number` of a run: each task can be replayed alone."""
    sequence = np.random.SeedSequence(seed, spawn_key=(number,))
    return int(sequence.generate_state(1, np.uint64)[0])


class Sent(NamedTuple):
    """Where a task under way belongs: -1 for a descent and its rung where it is the archive."""

    descent: int
    rung: int
    on_top: int
    schedule: int
    rank: int


class PoolStrategy(Archived):
    """Ask for tasks, tell outcomes.

    Parameters
    ----------
    format_ : Format
    ring : Ring
        F2, F3 or ZT.
    seed : int
    starts : sequence of Scheme, optional
        Where every descent begins; by default it climbs a ladder of smaller formats.
    target : int
        Rank at which the search is over; 0: never.
    steps : int
        Steps of a task.
    """

    name = "pool"
    keeps_outstanding = True

    def __init__(
        self,
        format_: Format,
        ring: Ring,
        seed: int = 0,
        starts: Sequence[Scheme] = (),
        target: int = 0,
        steps: int = STEPS,
    ) -> None:
        if not ring.is_field_of_search:
            raise UsageError(f"searches run over F2, F3 and ZT, not over {ring}: lift afterwards")
        if steps < 1:
            raise UsageError("a task has at least one step")
        for scheme in starts:
            if scheme.format != format_:
                raise UsageError(
                    f"a scheme of {scheme.format} cannot start a search for {format_}"
                )
            if scheme.ring is not ring:
                raise UsageError(
                    f"a scheme over {scheme.ring} cannot start a search over {ring}: "
                    "map it with over()"
                )
        self.format, self.ring, self.seed = format_, ring, seed
        self.target, self.steps = target, steps
        self.asked = self.told = self.begun = 0
        self.grows = not starts
        free = isinstance(format_, MatrixProduct) and format_.is_general
        self._may_sandwich = ring is Ring.ZT and free
        self.starts = [pack(scheme) for scheme in starts] or [naive_start(format_, ring)]
        if not all(0 < len(state) <= LARGEST_RANK for state in self.starts):
            raise UsageError(
                f"a search for {format_} has to start from 1 to {LARGEST_RANK} products"
            )
        self._random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(2**32,)))
        self._descents: list[Descent] = []
        self._sent: dict[int, Sent] = {}
        self._rungs: dict[str, Pools] = {}
        self._tried, self._gained = np.zeros((2, len(SCHEDULES)))
        self.archive = Pools(ring)
        for state in self.starts:
            self.archive.admit(state)

    @property
    def climbing(self) -> str:
        """The rungs that descents are on below the format itself; empty if none is."""
        rungs = {str(d.format): d.pools.best_rank for d in self._descents if not d.on_top}
        return " ".join(f"{name}:{rank}" for name, rank in rungs.items())

    def samples(self) -> list[WalkTask]:
        """Return a task of each sort that this strategy asks for, for compiling ahead."""
        starts = [(self.format, self.starts[0])]
        if self.grows:
            format_ = draw_ladder(self.format, np.random.default_rng(0))[0][0]
            starts.append((format_, naive_start(format_, self.ring)))
        return [WalkTask(format_, self.ring, start, 1, 1) for format_, start in starts]

    def ask(self) -> WalkTask:
        """Return the next task."""
        number = self.asked
        self.asked += 1
        weights = (1 + self._gained) / (2 + self._tried)
        schedule = int(self._random.choice(len(SCHEDULES), p=weights / weights.sum()))
        plus_after, band = SCHEDULES[schedule]
        if number % ARCHIVE_TURN == 0:
            place, rung, on_top = -1, -1, True
            format_, pools, steps = self.format, self.archive, self.steps
        else:
            descent = self._choose()
            descent.waiting += 1
            place, rung, on_top = descent.number, descent.rung, descent.on_top
            format_, pools = descent.format, descent.pools
            steps = max(1, min(self.steps, descent.patience // WIDTH))
        start = pools.draw(self._random)
        if place < 0 and self._may_sandwich and self._random.integers(2):
            start = sandwiched(self.format, start, self._random)
        self._sent[number] = Sent(place, rung, on_top, schedule, len(start))
        goal = max(0, min(len(start) - 1, pools.best_rank + 2))
        policy = Policy(plus_after, band, stop_rank=goal, merge=self.ring is not Ring.F2)
        seed = task_seed(self.seed, number)
        return WalkTask(format_, self.ring, start, seed, steps, policy, number)

    def tell(self, outcome: WalkOutcome) -> bool:
        """Take in an outcome; return whether it lowered the best rank."""
        self.told += 1
        before = self.best_rank
        sent = self._sent.pop(outcome.number, None)
        if sent is None:  # told twice
            return False
        descent = next((d for d in self._descents if d.number == sent.descent), None)
        if descent is not None:
            descent.waiting -= 1
        if outcome.reason == "broken":
            return False
        self._tried *= MEMORY
        self._gained *= MEMORY
        self._tried[sent.schedule] += 1
        self._gained[sent.schedule] += outcome.rank < sent.rank
        states = [*outcome.best, outcome.final]
        if sent.on_top and outcome.rank <= before:
            states.append(without_dependence(self.format, self.ring, outcome.best[-1]))
        if descent is not None and descent.rung == sent.rung:
            descent.take(states, outcome.steps)
            if descent.is_over and sent.on_top:
                self._descents.remove(descent)
            elif descent.is_over:
                descent.climb(self._carried(descent))
        if sent.on_top:
            for state in states:
                if len(state) <= before + 2:
                    self.archive.admit(state)
        return self.best_rank < before

    def _carried(self, descent: Descent) -> list[Words]:
        """Return the states a descent climbs with: its best, or better ones of descents before."""
        pools = self._rungs.setdefault(str(descent.format), Pools(self.ring))
        rank = descent.pools.best_rank
        best = descent.pools.levels[rank][-CARRIED:]
        if pools.levels and pools.best_rank < rank:
            known = pools.levels[pools.best_rank]
            return [known[int(self._random.integers(len(known)))]]
        if pools.levels and rank < pools.best_rank:
            pools = self._rungs[str(descent.format)] = Pools(self.ring)
        for state in best:
            pools.admit(state)
        return best

    def state(self) -> dict[str, Any]:
        """Return what `restore` needs: plain values and arrays."""
        return {
            "strategy": self.name,
            "format": str(self.format),
            "ring": str(self.ring),
            "seed": self.seed,
            "asked": self.asked,
            "told": self.told,
            "begun": self.begun,
            "descents": [descent.state() for descent in self._descents],
            "rungs": {name: pools.state() for name, pools in self._rungs.items()},
            "archive": self.archive.state(),
            "random": plain(self._random.bit_generator.state),
            "sent": {str(number): list(map(int, sent)) for number, sent in self._sent.items()},
            "tried": self._tried.tolist(),
            "gained": self._gained.tolist(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Tasks asked and never told are forgotten, unless the state holds them under
        ``outstanding``: then they are expected.

        Raises
        ------
        UsageError
            The state is of another strategy, format, ring or seed.
        """
        mine = {"strategy": self.name, "format": str(self.format), "ring": str(self.ring)}
        for key, value in (mine | {"seed": self.seed}).items():
            if state.get(key, value) != value:  # older states do not say
                raise UsageError("the saved state is not of this pool run: use the same options")
        outstanding = {int(task["number"]) for task in state.get("outstanding", ())}
        self.asked, self.begun = int(state["asked"]), int(state["begun"])
        self.told = self.asked - len(outstanding)
        self.archive = Pools.restored(self.ring, state["archive"])
        self._rungs = {
            name: Pools.restored(self.ring, pools) for name, pools in state["rungs"].items()
        }
        self._tried, self._gained = np.array(state["tried"]), np.array(state["gained"])
        self._descents = [
            Descent.restored(self.format, self.ring, saved) for saved in state["descents"]
        ]
        self._random.bit_generator.state = state["random"]
        self._sent = {
            int(number): Sent(*map(int, sent))
            for number, sent in state["sent"].items()
            if int(number) in outstanding
        }
        for descent in self._descents:
            descent.waiting = sum(sent.descent == descent.number for sent in self._sent.values())

    def _choose(self) -> Descent:
        """Return the descent with the fewest tasks under way, a new one if all have enough."""
        descent = min(self._descents, key=lambda d: d.waiting, default=None)
        if descent is None or descent.waiting >= WIDTH:
            ladder = draw_ladder(self.format, self._random) if self.grows else [(self.format, 0)]
            descent = Descent(self.begun, self.ring, ladder, Pools(self.ring))
            self.begun += 1
            alone = len(ladder) == 1
            for state in self.starts if alone else [naive_start(ladder[0][0], self.ring)]:
                descent.pools.admit(state)
            self._descents.append(descent)
        return descent


def plain(value: Any) -> Any:
    """Return nested dictionaries of a generator's state with plain integers."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return int(value) if isinstance(value, np.integer) else value
