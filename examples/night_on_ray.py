"""A night on a Ray cluster: a long search that reports, pauses at a good rank, and goes on later.

    python examples/night_on_ray.py 5x5x5 --address auto --budget 8h --until 93

The run has a name, and its catalogue keeps a checkpoint every 10 seconds. The same command goes on
with it the next evening, also when the machine was switched off meanwhile. Without --address a
small cluster is started on this machine. `docs/examples.md` shows a run of half a minute.
"""

import argparse
import time
from collections.abc import Sequence

import flipsearch as fs


class Report:
    """Print a line every few minutes; pause the study at a rank that is good enough."""

    def __init__(self, every: float, until: int) -> None:
        self.every, self.until, self.last = every, until, time.monotonic()

    def __call__(self, study: fs.Study) -> None:
        """Look at the study, twice a second."""
        now = study.progress
        if time.monotonic() - self.last >= self.every:
            self.last = time.monotonic()
            what = f"{study.strategy.format} over {study.strategy.ring}: rank {now.best_rank}"
            rate = now.flips_per_second / 1e6
            print(f"{time.strftime('%H:%M:%S')}  {what}, {rate:.1f} M flips/s", flush=True)
        if now.best_rank <= self.until:
            study.pause()


def main(arguments: Sequence[str] | None = None) -> None:
    """Search until the morning."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("format", nargs="?", default="5x5x5")
    parser.add_argument("--ring", default="F2")
    parser.add_argument("--strategy", help="such as symmetric")
    parser.add_argument("--address", help="of a cluster to join: auto, or a URL")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--budget", default="8h")
    parser.add_argument("--every", type=float, default=300.0, help="seconds between two lines")
    parser.add_argument("--until", type=int, default=0, metavar="RANK")
    parser.add_argument("--run", default="night")
    parser.add_argument("--db", help="catalogue; by default the usual one")
    given = parser.parse_args(arguments)
    with fs.Catalogue.open(given.db) as catalogue:
        study = fs.Study(
            given.format,
            ring=given.ring,
            strategy=given.strategy,
            run=given.run,
            catalogue=catalogue,
            executor="ray",
            address=given.address,
            workers=given.workers,
            gpu="off",
            callbacks=[Report(given.every, given.until)],
            announce=print,
        )
        study.run(given.budget, lift=False)
        run = catalogue.runs.get(given.run)
        print(
            f"run {run.name}: rank {run.best_rank} after {run.flips:,} flips; the next call goes "
            "on with it"
        )


if __name__ == "__main__":
    main()
