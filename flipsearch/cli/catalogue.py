"""Commands about runs and known bounds."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli import database_argument, natural
from flipsearch.cli.output import complain, print_json, print_table
from flipsearch.errors import NotFoundError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    runs = commands.add_parser("runs", help="searches, and where each stands")
    runs.add_argument("--limit", type=natural, default=50, help="how many, latest first")
    runs.add_argument("--quarantine", action="store_true", help="rejected results instead")
    bounds = commands.add_parser("bounds", help="the table of known bounds")
    actions = bounds.add_subparsers(dest="action", metavar="ACTION", required=True)
    update = actions.add_parser("update", help="load a newer table; without FILE, the shipped one")
    update.add_argument("file", metavar="FILE", nargs="?", help="CSV: format,ZT,Z,Q,F2,F3,source")
    known = actions.add_parser("list", help="the bounds of a format, with their sources")
    known.add_argument("format", metavar="FORMAT")
    for parser, handler in (
        (runs, run_runs),
        (update, run_bounds_update),
        (known, run_bounds_list),
    ):
        parser.add_argument("--json", action="store_true", help="one JSON object a line")
        database_argument(parser)
        parser.set_defaults(handler=handler)


def run_runs(arguments: argparse.Namespace) -> int:
    """Print the runs, or what was quarantined."""
    from flipsearch.catalogue import Catalogue

    with Catalogue.open(arguments.db, read_only=True) as catalogue:
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
                run.format,
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
    if any(run.status == "interrupted" for run in runs):
        complain("flipsearch resume RUN goes on with an interrupted run")
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
    from flipsearch.catalogue import Catalogue

    with Catalogue.open(arguments.db) as catalogue:
        loaded = catalogue.bounds.update(None if arguments.file is None else Path(arguments.file))
    if arguments.json:
        print_json({"bounds": loaded or 0, "changed": loaded is not None})
    elif loaded is None:
        print("that table is the newest already")
    else:
        print(f"{loaded} bounds loaded")
    return 0


def run_bounds_list(arguments: argparse.Namespace) -> int:
    """Print the known bounds of one format."""
    from flipsearch.catalogue import Catalogue
    from flipsearch.rings import Ring

    with Catalogue.open(arguments.db, read_only=True) as catalogue:
        found = [catalogue.bounds.known(arguments.format, ring) for ring in Ring]
    known = [bound for bound in found if bound is not None]
    if not known:
        raise NotFoundError(f"no bound is known for {arguments.format}")
    if arguments.json:
        for bound in known:
            print_json(dataclasses.asdict(bound))
        return 0
    print_table(
        ("ring", "rank", "source", "table"),
        [(bound.ring, bound.value, bound.source, bound.version) for bound in known],
    )
    return 0
