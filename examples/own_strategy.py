"""A search strategy of your own, compared with the one that comes along.

    python examples/own_strategy.py --format 3x3x4 --target 29 --seeds 5 --budget 60s

A strategy decides what is walked next and learns from what comes back; `Narrow` needs ten lines.
It walks from the best few states, again and again, and knows no ladders of smaller formats.
`docs/examples.md` shows a run.
"""

import argparse
from collections.abc import Sequence
from statistics import median

import flipsearch as fs
from flipsearch.search.pools import Pools
from flipsearch.search.strategy import Strategy
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, pack


class Narrow(Strategy):
    """Walk from states of low rank, with a plus transition every 5,000 steps without success."""

    name = "narrow"

    def __init__(self, format_, ring=fs.Ring.F2, seed=0, target=0):
        super().__init__(format_, ring, seed, target)
        self.archive = Pools(ring, width=20, slack=2)
        self.archive.admit(pack(fs.naive_scheme(format_, ring)))

    def choose(self, number: int, seed: int) -> tuple[WalkTask, None]:
        """Return a task of a million steps, which ends when the rank is lower."""
        start = self.archive.draw(self.random)
        policy = Policy(5_000, 3, stop_rank=len(start) - 1)
        return WalkTask(self.format, self.ring, start, seed, 1_000_000, policy, number), None

    def learn(self, sent: None, outcome: WalkOutcome | None) -> None:
        """Keep what a task brought."""
        for state in () if outcome is None else (*outcome.best, outcome.final):
            self.archive.admit(state, self.random)


def main(arguments: Sequence[str] | None = None) -> None:
    """Search with both strategies, from the same seeds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", default="3x3x4")
    parser.add_argument("--target", type=int, default=29)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budget", default="60s")
    given = parser.parse_args(arguments)
    for strategy in ("pool", Narrow):
        ranks, seconds = [], []
        for seed in range(given.seeds):
            found = fs.search(
                given.format,
                target=given.target,
                strategy=strategy,
                seed=seed,
                budget=given.budget,
                gpu="off",
                lift=False,
            )
            ranks.append(found.progress.best_rank)
            seconds.append(found.history[-1].seconds)
        name = strategy if isinstance(strategy, str) else strategy.name
        print(f"{name:8} ranks {ranks}, median {median(seconds):.2f} s")


if __name__ == "__main__":
    main()
