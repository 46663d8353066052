"""runs compare: two or more searches next to each other.

Invariant: all figures come from checkpoints. A run is compared as it stood at its last one.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import opened
from flipsearch.cli.output import print_json, print_table

if TYPE_CHECKING:
    from flipsearch.catalogue import Run
    from flipsearch.search.journal import Journal

TITLES = {"start": "from rank", "schedule": "plus after, band", "kind": "kind of walk"}


def run_compare(arguments: argparse.Namespace) -> int:
    """Print facts, times and success of the runs named."""
    from flipsearch.search.journal import Journal

    with opened(arguments) as catalogue:
        runs = [catalogue.runs.get(name) for name in arguments.runs]
        journals = [Journal.loaded(catalogue.runs.last_checkpoint(run)) for run in runs]
    if arguments.json:
        for run, journal in zip(runs, journals, strict=True):
            told = asdict(journal) | {"finds": list(journal.finds)}
            print_json({**run.to_dict(), **told})
        return 0
    print_table(
        ("run", "name", "format", "ring", "strategy", "seed", "rank", "seconds", "M flips/s"),
        [_facts(run) for run in runs],
    )
    names = [f"run {run.id}" for run in runs]
    reached = [_reached(journal) for journal in journals]
    ranks = sorted({rank for times in reached for rank in times}, reverse=True)
    _print_rows(
        ["rank", *(f"{name}, s" for name in names)],
        [[rank, *(_seconds(times.get(rank)) for times in reached)] for rank in ranks],
    )
    for table, title in TITLES.items():
        keys = {key for journal in journals for key in journal.tables[table]}
        heads = [
            head
            for name in names
            for head in (f"{name}, tasks", "steps, %", "lower, %", "new best")
        ]
        rows = [[key, *_successes(journals, table, key)] for key in sorted(keys, key=_by_number)]
        _print_rows([title, *heads], rows)
    return 0


def _facts(run: Run) -> list[Any]:
    rate = f"{run.flips / run.seconds / 1e6:.1f}" if run.seconds else ""
    facts = [run.id, run.name, run.format, run.ring, run.strategy, run.seed, run.best_rank]
    return [*facts, f"{run.seconds:.1f}", rate]


def _reached(journal: Journal) -> dict[int, float]:
    """Return the seconds of walking after which each rank of the history was reached first."""
    times: dict[int, float] = {}
    for moment in journal.history:
        times.setdefault(moment.rank, moment.seconds)
    return times


def _seconds(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"


def _successes(journals: list[Journal], table: str, key: str) -> list[Any]:
    cells: list[Any] = []
    for journal in journals:
        tally = journal.tables[table].get(key)
        if tally is None:
            cells += [None] * 4
        else:
            steps = sum(other.steps for other in journal.tables[table].values())
            shares = tally.steps / max(1, steps), tally.lower / tally.tasks
            cells += [tally.tasks, *(f"{100 * share:.1f}" for share in shares), tally.best]
    return cells


def _by_number(key: str) -> tuple[bool, list[int], str]:
    """Return a sort key: ranks and schedules by their numbers, then formats."""
    parts = key.split(", ")
    numbers = [int(part) for part in parts if part.isdecimal()]
    return len(numbers) < len(parts), numbers, key


def _print_rows(columns: list[str], rows: list[list[Any]]) -> None:
    if rows:
        print()
        print_table(columns, rows)
