"""A strategy: toy walks, each from a random state of the lowest rank so far."""

from toy_walk import ToyTask

from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.pools import Pools
from flipsearch.search.strategy import Strategy
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack

POLICY = Policy(plus_after=0, merge=False)


class ToyStrategy(Strategy):
    """Walk down, and start the next walk where one came lowest."""

    name = "toy"

    def __init__(self, format_, ring=Ring.F2, seed=0, target=0) -> None:
        super().__init__(format_, ring, seed, target)
        self.archive = Pools[Words](ring, width=50)
        self.archive.admit(pack(naive_scheme(format_, ring)))

    def choose(self, number: int, seed: int) -> tuple[WalkTask, None]:
        """Return a walk from one of the best states."""
        states = self.best_states()
        start = states[self.random.integers(len(states))]
        return ToyTask(self.format, self.ring, start, seed, 2_000, POLICY, number, 5), None

    def learn(self, sent: None, outcome: WalkOutcome | None) -> None:
        """Keep the best state and the last one."""
        for state in () if outcome is None else (*outcome.best, outcome.final):
            self.archive.admit(state, self.random)

    def memory(self) -> dict:
        """Return the states held."""
        return {"states": [state for level in self.levels.values() for state in level]}

    def remember(self, state) -> None:
        """Take them back."""
        for each in state["states"]:
            self.archive.admit(each)
