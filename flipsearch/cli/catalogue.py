"""Commands that read the catalogue: list, query, show, runs, bounds."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli import database_argument, natural
from flipsearch.cli.output import complain, print_json, print_table
from flipsearch.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Catalogue, Record

PAGE = 50
ORDER = "format,ring,rank,additions"
KEYS = (
    "scheme",
    "format",
    "ring",
    "rank",
    "known_bound",
    "additions",
    "verified",
    "source",
)
"""What the listings print of every scheme as JSON, in this order."""

SHARED_KEYS = ("fewest_additions",)
STRUCTURED_KEYS = ("calls", "gamma")
UNION_KEYS = ("workers", "survives")
"""And of schemes with stored programs, of structured formats, of fault-tolerant unions."""


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
    show.add_argument(
        "scheme", metavar="ID", help="hash prefix, 6 digits or more; or a format: its best scheme"
    )
    show.add_argument(
        "--ring",
        help="with a format: best over this ring, by default ZT, Z or Q; over F2 and F3 also by "
        "reduction",
    )
    show.add_argument("--products", action="store_true", help="write out its products")
    show.add_argument(
        "--orbit",
        action="store_true",
        help="its class under symmetry: exactly where feasible, invariants in any case",
    )
    _add_common(show)
    show.set_defaults(handler=run_show)

    runs = commands.add_parser("runs", help="searches, and where each stands")
    runs.add_argument("--limit", type=natural, default=PAGE, help="how many, latest first")
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


def _add_common(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON object a line")
    database_argument(parser)


def _add_listing(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("format", metavar="FORMAT", nargs="?", help="in any order of its sides")
    parser.add_argument("--ring", help="F2, F3, ZT, Z or Q; Z includes ZT, and Q both")
    parser.add_argument("--best", action="store_true", help="formats by rings: ours, known, gap")
    parser.add_argument("--all", action="store_true", help="with --best: formats without schemes")
    parser.add_argument(
        "--front",
        action="store_true",
        help="of each format and ring only what no other beats in rank, calls and additions",
    )
    parser.add_argument("--exact", action="store_true", help="this order of the sides only")
    parser.add_argument(
        "--sort", help=f"columns, comma-separated, as rank,additions:desc (default {ORDER})"
    )
    parser.add_argument("--limit", type=natural, help=f"page size; {PAGE} for people")
    parser.add_argument("--offset", type=natural, default=0, help="where the page starts")
    parser.add_argument("--csv", action="store_true", help="comma-separated values")
    _add_common(parser)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--rank", metavar="N or N-M", help="a rank or a range, as 47-49 or -49")
    parser.add_argument(
        "--gap", metavar="N or N..M", help="rank minus known bound, as 0, -1, 0..2 or ..-1"
    )
    parser.add_argument(
        "--additions", metavar="N or N-M", help="additions, sums shared where programs are stored"
    )
    parser.add_argument("--gamma", type=float, metavar="X", help="recursion factor at most X")
    parser.add_argument("--growth", type=float, metavar="X", help="growth factor at most X")
    parser.add_argument("--source", metavar="TEXT", help="who found it: any part of the source")
    parser.add_argument("--run", metavar="RUN", help="found by this run (number or name)")
    parser.add_argument("--since", metavar="DATE", help="stored on or after, as 2026-01-31")
    parser.add_argument("--until", metavar="DATE", help="stored before")


def _filters(arguments: argparse.Namespace) -> Any:
    """Return the `Filters` that the options mean."""
    from flipsearch.catalogue import Filters

    given = vars(arguments)
    return Filters(
        format=arguments.format,
        ring=arguments.ring,
        rank=_range(given.get("rank"), "rank"),
        gap=_range(given.get("gap"), "gap"),
        additions=_range(given.get("additions"), "additions"),
        growth=given.get("growth"),
        gamma=given.get("gamma"),
        front=arguments.front,
        source=given.get("source"),
        run=given.get("run"),
        since=_date(given.get("since"), "since"),
        until=_date(given.get("until"), "until"),
        exact=arguments.exact,
    )


def _range(text: str | None, name: str) -> tuple[int | None, int | None] | None:
    """Return (low, high) of ``47``, ``47-49``, ``47..49``, ``47-`` or ``-49``.

    A gap may be negative: there ``-1`` is that number, not a range, and ``..-1`` is one.
    """
    if text is None:
        return None
    if name == "gap" and re.fullmatch(r"\s*-\d+\s*", text):
        return int(text), int(text)
    separator = ".." if ".." in text else "-"
    low, found, high = text.strip().partition(separator)
    try:
        if not found:
            return int(low), int(low)
        return (int(low) if low else None), (int(high) if high else None)
    except ValueError:
        raise UsageError(
            f"cannot read --{name} {text!r}: write a number or a range, as 47, 47-49, 47- or "
            f"--{name}=-2..0"
        ) from None


def _date(text: str | None, name: str) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"cannot read --{name} {text!r}: write a date, as 2026-01-31") from None


def run_list(arguments: argparse.Namespace) -> int:
    """Print a page of schemes, or with ``--best`` the table of formats by rings."""
    from flipsearch.catalogue import Catalogue
    from flipsearch.catalogue.columns import JSON_NAMES

    if arguments.all and not arguments.best:
        raise UsageError("--all goes with --best: without it every stored scheme is listed")
    with Catalogue.open(arguments.db, read_only=True) as catalogue:
        if arguments.best:
            return _print_best(catalogue, arguments)
        filters = _filters(arguments)
        for_people = not (arguments.json or arguments.csv)
        limit = PAGE if arguments.limit is None and for_people else arguments.limit
        page = catalogue.schemes.records(
            filters, sort=arguments.sort or ORDER, limit=limit, offset=arguments.offset
        )
        if not for_people:
            full = arguments.command == "query"
            full = full or arguments.csv  # the columns of a table are the same in all rows
            _print_objects((_object(record, full) for record in page), arguments.csv, JSON_NAMES)
            return 0
        records = list(page)
        structured = any(record.calls is not None for record in records)
        columns = ["scheme", "format", "ring", "rank", "known", "gap", "additions", "shared"]
        columns += ["growth", *(("calls", "gamma") if structured else ()), "source"]
        print_table(columns, [_row(record, structured) for record in records])
        beyond = catalogue.schemes.count(filters) - arguments.offset - len(records)
        if beyond > 0:
            following = arguments.offset + len(records)
            complain(f"{beyond} more: --offset {following}, or --limit {following + beyond}")
        return 0


def _row(record: Record, structured: bool) -> list[Any]:
    """Return a scheme's line of the listing for people."""
    shared = record.fewest_additions
    row = [
        record.short,
        record.format,
        record.ring,
        record.rank,
        record.known_bound,
        _signed(record.gap),
        record.additions,
        shared if shared < record.additions else None,
        _rounded(record.growth),
    ]
    if structured:
        row += [record.calls, _rounded(record.gamma)]
    return [*row, record.source[:60]]


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.5g}"


def _object(record: Record, full: bool = False) -> dict[str, Any]:
    """Return what ``--json`` prints of a scheme; `query` adds the columns it filters by."""
    everything = record.to_dict()
    if full:
        return everything
    shared = SHARED_KEYS if record.fewest_additions < record.additions else ()
    structured = STRUCTURED_KEYS if record.calls is not None else ()
    union = UNION_KEYS if record.survives is not None else ()
    return {key: everything[key] for key in (*KEYS, *shared, *structured, *union)}


def _print_objects(
    objects: Iterable[dict[str, Any]], as_csv: bool, columns: Sequence[str]
) -> None:
    """Print objects as JSON lines, or as CSV with these columns, which stand there in any case."""
    if not as_csv:
        for item in objects:
            print_json(item)
        return
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(objects)


def _signed(gap: int | None) -> str | None:
    return None if gap is None else f"{gap:+d}" if gap else "0"


def _print_best(catalogue: Catalogue, arguments: argparse.Namespace) -> int:
    from flipsearch.cli._best import print_best

    def described(record: Record | None) -> dict[str, Any]:
        return dict.fromkeys(KEYS) if record is None else _object(record)

    return print_best(catalogue, arguments, described, _print_objects)


def run_show(arguments: argparse.Namespace) -> int:
    """Print everything about one scheme."""
    from flipsearch.cli import _show

    return _show.run_show(arguments)


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
