"""The journal of a run: its best rank over time, which tasks led lower, which brought schemes.

A checkpoint keeps it. `flipsearch runs compare` shows those of several runs, and a result its own;
`flipsearch runs replay` walks a logged task again. It serves people: no strategy reads it.

Invariant: moments and counts are of the whole run, however often it was paused or killed, but for
the walking that a kill loses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field
from typing import Any, NamedTuple, Self

from flipsearch.catalogue import Run
from flipsearch.formats import Format
from flipsearch.search.progress import Progress
from flipsearch.walk.kinds import encode, kind_of
from flipsearch.walk.task import WalkOutcome, WalkTask

TABLES = ("start", "schedule", "kind")
FINDS = 256
"""Largest number of tasks in the log, the latest ones."""


class Moment(NamedTuple):
    """The best rank of a run after so many seconds of walking and flips of all workers."""

    seconds: float
    flips: int
    rank: int


@dataclass
class Tally:
    """Numbers of tasks told, of tasks that ended lower, and of new best ranks; steps walked."""

    tasks: int = 0
    lower: int = 0
    best: int = 0
    steps: int = 0


@dataclass
class Journal:
    """The history of a run, and its successes by start, schedule and kind of walk.

    Parameters
    ----------
    history : list of Moment
        The beginning, each new best rank, and the end of each round of walking.
    tables : mapping of str to mapping of str to Tally
        Success by ``start`` (rank, or format if it is another than the run's), by ``schedule``
        (steps before a plus transition, and the band above the best rank) and by ``kind`` of walk.
    finds : mapping of str to task
        The latest tasks that brought a stored scheme, by number, as `flipsearch.walk.kinds.encode`
        writes them.
    """

    history: list[Moment] = field(default_factory=list)
    tables: dict[str, dict[str, Tally]] = field(
        default_factory=lambda: {name: {} for name in TABLES}
    )
    finds: dict[str, Any] = field(default_factory=dict)

    def note(self, run: Run, now: Progress) -> None:
        """Add the present to the history, unless it is the last entry already."""
        moment = Moment(run.seconds + now.seconds, run.flips + now.flips, now.best_rank)
        if not self.history or moment != self.history[-1]:
            self.history.append(moment)

    def count(
        self, format_: Format | None, task: WalkTask, outcome: WalkOutcome, best: bool
    ) -> None:
        """Count a task of a search for a format, or for many, and if it brought a new best."""
        policy, other = task.policy, task.format != format_
        keys = (
            str(task.format if other else task.rank),
            f"{policy.plus_after}, {policy.band}",
            kind_of(task).name,
        )
        for name, key in zip(TABLES, keys, strict=True):
            tally = self.tables[name].setdefault(key, Tally())
            tally.tasks += 1
            tally.lower += outcome.rank < task.rank
            tally.best += best
            tally.steps += outcome.steps

    def log(self, task: WalkTask) -> None:
        """Keep a task that brought a stored scheme; drop the oldest one beyond `FINDS`."""
        self.finds[str(task.number)] = encode(task)
        if len(self.finds) > FINDS:
            del self.finds[next(iter(self.finds))]

    def saved(self) -> dict[str, Any]:
        """Return what `loaded` reads, as JSON values and arrays."""
        tables = {
            name: {key: list(astuple(tally)) for key, tally in table.items()}
            for name, table in self.tables.items()
        }
        history = [list(moment) for moment in self.history]
        return {"history": history, "tables": tables, "finds": dict(self.finds)}

    @classmethod
    def loaded(cls, state: Mapping[str, Any] | None) -> Self:
        """Return the journal in a checkpoint; an empty one if it has none."""
        saved = (state or {}).get("journal") or {"history": (), "tables": {}}
        tables = {
            name: {key: Tally(*row) for key, row in saved["tables"].get(name, {}).items()}
            for name in TABLES
        }
        return cls([Moment(*row) for row in saved["history"]], tables, saved.get("finds", {}))
