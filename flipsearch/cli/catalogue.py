"""Commands about runs and known bounds."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli.compare import run_compare
from flipsearch.cli.names import opened
from flipsearch.cli.output import hint, print_json, print_table
from flipsearch.cli.parser import finish, natural
from flipsearch.cli.replay import run_replay
from flipsearch.errors import NotFoundError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue

_SHOWN = 20


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    runs = commands.add_parser(
        "runs",
        help="list searches and where each stands",
        description="List the runs of search, latest first, with their best rank so far.",
        examples=("runs", "runs --limit 5 --json", "runs compare 12 13"),
    )
    runs.add_argument(
        "--limit",
        type=natural,
        default=50,
        metavar="N",
        help="runs to list, latest first (default 50)",
    )
    runs.add_argument(
        "--quarantine", action="store_true", help="list rejected results instead of runs"
    )
    below = runs.add_subparsers(dest="action", metavar="ACTION")
    compare = below.add_parser(
        "compare",
        help="show runs next to each other",
        description="Show when each run reached each rank, and how often its tasks led lower: by "
        "the rank they started from, by schedule and by kind of walk.",
        examples=("runs compare 12 13", "runs compare monday tuesday --json"),
    )
    compare.add_argument("runs", nargs="+", metavar="RUN", help="numbers or names")
    replay = below.add_parser(
        "replay",
        help="walk a task again that brought a scheme",
        description="Walk one task of a run again, alone, and prove what it finds. A run logs the "
        "latest tasks that brought a stored scheme; `list --json` names the task of a scheme.",
        examples=("runs replay 12 431", "runs replay monday 431 --json"),
    )
    replay.add_argument("run", metavar="RUN", help="number or name of the run")
    replay.add_argument("task", metavar="TASK", type=int, help="number of the task")
    bounds = commands.add_parser(
        "bounds",
        help="show or update the table of known bounds",
        description="The table of published rank bounds with their sources, to which listings "
        "compare. It ships with flipsearch.",
        examples=("bounds list 4x5x6", "bounds update newer.csv"),
    )
    actions = bounds.add_subparsers(dest="action", metavar="ACTION", required=True)
    update = actions.add_parser(
        "update",
        help="load a newer table",
        description="Load a newer table of known bounds, by default the shipped one.",
        examples=("bounds update", "bounds update newer.csv"),
    )
    update.add_argument(
        "file",
        metavar="FILE",
        nargs="?",
        help="CSV with columns format,ZT,Z,Q,F2,F3,source (default: the shipped table)",
    )
    known = actions.add_parser(
        "list",
        help="show the bounds of a format",
        description="Show the known bounds of a format over each ring, with their sources.",
        examples=("bounds list 4x5x6", "bounds list ss:5x5x5 --json"),
    )
    known.add_argument("format", metavar="FORMAT", help="such as 4x5x6 or ss:5x5x5")
    for parser, handler in (
        (runs, run_runs),
        (compare, run_compare),
        (replay, run_replay),
        (update, run_bounds_update),
        (known, run_bounds_list),
    ):
        finish(parser, handler)


def run_runs(arguments: argparse.Namespace) -> int:
    """Print the runs, or what was quarantined."""
    from flipsearch.formats.named import short_name

    with opened(arguments) as catalogue:
        if arguments.quarantine:
            return _print_quarantine(catalogue, arguments)
        runs = catalogue.runs.all(arguments.limit)
    if arguments.json:
        for run in runs:
            print_json(run.to_dict())
        return 0
    print_table(
        ("run", "name", "format", "ring", "status", "rank", "flips", "seconds", "heartbeat"),
        [
            (
                run.id,
                run.name,
                short_name(run.format),
                run.ring,
                run.status,
                run.best_rank,
                run.flips,
                f"{run.seconds:.0f}",
                run.heartbeat.astimezone().strftime("%Y-%m-%d %H:%M:%S"),
            )
            for run in runs
        ],
    )
    stopped = [run for run in runs if run.status == "interrupted"]
    if stopped:
        hint(f"next: resume {stopped[0].id} goes on with that run")
    return 0


def _print_quarantine(catalogue: Catalogue, arguments: argparse.Namespace) -> int:
    for item in catalogue.runs.quarantined(arguments.limit):
        if arguments.json:
            print_json(dataclasses.asdict(item))
        else:
            moment = item.recorded.astimezone().strftime("%Y-%m-%d %H:%M")
            print(f"{item.id}  {moment}  {item.source or ''}  {item.reason}")
    return 0


def run_bounds_update(arguments: argparse.Namespace) -> int:
    """Load a table of known bounds."""
    with opened(arguments, read_only=False) as catalogue:
        before = catalogue.bounds.all()
        loaded = catalogue.bounds.update(None if arguments.file is None else Path(arguments.file))
        after = catalogue.bounds.all()
    old = {key: bound.value for key, bound in before.items()}
    changes = [bound for key, bound in after.items() if old.get(key) != bound.value]
    if arguments.json:
        print_json({"bounds": loaded or 0, "changed": loaded is not None, "values": len(changes)})
    elif loaded is None:
        print("that table is the newest already")
    else:
        print(f"{loaded} bounds loaded, {len(changes)} changed")
        print_table(
            ("format", "ring", "before", "now", "source"),
            [
                (b.format, b.ring, old.get((b.format, b.ring)), b.value, b.source[:50])
                for b in changes[:_SHOWN]
            ],
        )
        if len(changes) > _SHOWN:
            hint(f"... and {len(changes) - _SHOWN} more")
    return 0


def run_bounds_list(arguments: argparse.Namespace) -> int:
    """Print the known bounds of one format, upper and lower."""
    from flipsearch.catalogue.lower import lower_bound
    from flipsearch.rings import Ring

    with opened(arguments) as catalogue:
        found = [catalogue.bounds.known(arguments.format, ring) for ring in Ring]
    known = [bound for bound in found if bound is not None]
    if not known:
        raise NotFoundError(f"no bound is known for {arguments.format}")
    if arguments.json:
        for bound in known:
            lower = lower_bound(bound.format, bound.ring)
            below = None if lower is None else dataclasses.asdict(lower)
            print_json(dataclasses.asdict(bound) | {"lower": below})
        return 0
    rows = []
    for bound in known:
        lower = lower_bound(bound.format, bound.ring)
        cells = (None, None, "") if lower is None else (lower.rank, lower.border, lower.source)
        rows.append((bound.ring, bound.value, bound.source, bound.version, *cells))
    print_table(("ring", "rank", "source", "table", "at least", "border", "by"), rows)
    return 0
