"""Commands that read the catalogue: list, query, show, runs, bounds."""

from __future__ import annotations

import argparse
from typing import Any

PAGE = 50


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    listing = commands.add_parser("list", help="schemes in the catalogue, best first")
    _add_listing(listing)
    listing.set_defaults(handler=run_list)

    query = commands.add_parser("query", help="schemes by any of their properties")
    _add_listing(query)
    _add_filters(query)
    query.set_defaults(handler=run_list)

    show = commands.add_parser("show", help="everything about one scheme")
    show.add_argument("scheme", metavar="ID", help="hash prefix, 6 digits or more")
    show.add_argument("--products", action="store_true", help="write out its products")
    show.add_argument("--orbit", action="store_true", help="its symmetries and equivalence class")
    _add_common(show)
    show.set_defaults(handler=run_show)

    runs = commands.add_parser("runs", help="searches, and where each stands")
    runs.add_argument("--limit", type=_count, default=PAGE, help="how many, latest first")
    runs.add_argument("--quarantine", action="store_true", help="rejected results instead")
    _add_common(runs)
    runs.set_defaults(handler=run_runs)

    bounds = commands.add_parser("bounds", help="the table of known bounds")
    actions = bounds.add_subparsers(dest="action", metavar="ACTION", required=True)
    update = actions.add_parser("update", help="load a newer table; without FILE, the shipped one")
    update.add_argument("file", metavar="FILE", nargs="?", help="CSV: format,ZT,Z,Q,F2,F3,source")
    _add_common(update)
    update.set_defaults(handler=run_bounds_update)
    known = actions.add_parser("list", help="the bounds of a format, with their sources")
    known.add_argument("format", metavar="FORMAT")
    _add_common(known)
    known.set_defaults(handler=run_bounds_list)


def _count(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError("must not be negative")
    return value


def _add_common(parser: argparse.ArgumentParser) -> None:
    from flipsearch.cli import database_argument

    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    database_argument(parser)


def _add_listing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", metavar="FORMAT", nargs="?", help="in any order of its sides")
    parser.add_argument("--ring", help="F2, F3, ZT, Z or Q; Z includes ZT, and Q both")
    parser.add_argument("--best", action="store_true", help="formats by rings: ours, known, gap")
    parser.add_argument("--all", action="store_true", help="with --best: formats without schemes")
    parser.add_argument("--exact", action="store_true", help="this order of the sides only")
    parser.add_argument(
        "--sort",
        default="format,ring,rank,additions",
        help="columns, comma-separated, a minus before one for descending",
    )
    parser.add_argument("--limit", type=_count, help=f"page size; {PAGE} for people")
    parser.add_argument("--offset", type=_count, default=0, help="where the page starts")
    parser.add_argument("--csv", action="store_true", help="comma-separated values")
    _add_common(parser)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rank", metavar="N or N-M", help="a rank or a range, as 47-49 or -49")
    parser.add_argument("--gap", metavar="N or N-M", help="rank minus known bound, as 0 or 0-2")
    parser.add_argument("--additions", metavar="N or N-M", help="additions of the scheme")
    parser.add_argument("--growth", type=float, metavar="X", help="growth factor at most X")
    parser.add_argument("--source", metavar="TEXT", help="who found it: any part of the source")
    parser.add_argument("--run", metavar="RUN", help="found by this run (number or name)")
    parser.add_argument("--since", metavar="DATE", help="stored on or after, as 2026-01-31")
    parser.add_argument("--until", metavar="DATE", help="stored before")


def run_list(arguments: argparse.Namespace) -> int:
    """Print a page of schemes, or with ``--best`` the table of formats by rings."""
    from flipsearch.cli import _catalogue

    return _catalogue.run_list(arguments)


def run_show(arguments: argparse.Namespace) -> int:
    """Print one scheme."""
    from flipsearch.cli import _catalogue

    return _catalogue.run_show(arguments)


def run_runs(arguments: argparse.Namespace) -> int:
    """Print the runs, or what was quarantined."""
    from flipsearch.cli import _catalogue

    return _catalogue.run_runs(arguments)


def run_bounds_update(arguments: argparse.Namespace) -> int:
    """Load a table of known bounds."""
    from flipsearch.cli import _catalogue

    return _catalogue.run_bounds_update(arguments)


def run_bounds_list(arguments: argparse.Namespace) -> int:
    """Print the known bounds of one format."""
    from flipsearch.cli import _catalogue

    return _catalogue.run_bounds_list(arguments)
