"""Commands that list schemes: list, query, and the table of formats by rings with --best."""

from __future__ import annotations

import argparse
import csv
import dataclasses
import datetime as dt
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import opened
from flipsearch.cli.output import hint, print_json, print_table
from flipsearch.cli.parser import finish, natural
from flipsearch.errors import UsageError

if TYPE_CHECKING:
    from flipsearch.catalogue import Best, Catalogue, Filters, Record

PAGE = 50
ORDER = "format,ring,rank,additions"
KEYS = ("scheme", "format", "ring", "rank", "known_bound", "additions", "verified", "source")
"""The keys that `list --json` prints of every scheme, in this order."""


_DESCRIPTIONS = {
    "list": "List stored schemes by format, ring, rank and additions, the known bound and the gap "
    "to it. --best gives one line a format: for each ring our rank, the known bound, the gap.",
    "query": "List stored schemes that meet every condition given. JSON and CSV have all columns.",
}
_EXAMPLES = {
    "list": ("list 4x4x4", "list --best --ring ZT", "list 3x3x3 --front --json"),
    "query": ("query --gap ..-1", "query 4x4x4 --rank 47-49 --sort additions", "query --run 15"),
}


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    for name, about in (
        ("list", "list the schemes of the catalogue, by format and rank"),
        ("query", "list schemes by any of their properties"),
    ):
        parser = commands.add_parser(
            name, help=about, description=_DESCRIPTIONS[name], examples=_EXAMPLES[name]
        )
        _add_listing(parser)
        if name == "query":
            _add_filters(parser)
        finish(parser, run_list)


def _add_listing(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "format",
        metavar="FORMAT",
        nargs="?",
        help="only this format, with its sides in any order (default: all)",
    )
    add(
        "--ring",
        help="only this ring: F2, F3, ZT, Z or Q; Z includes ZT, and Q both (default: all)",
    )
    add(
        "--best",
        action="store_true",
        help="a table of formats by rings: our rank, the known bound, the gap",
    )
    add(
        "--all", action="store_true", help="with --best: also formats of which no scheme is stored"
    )
    add(
        "--front",
        action="store_true",
        help="only the Pareto front of each format: rank, additions, growth factor, greatest "
        "denominator, ring (and recursive calls, lost workers)",
    )
    add(
        "--classes",
        action="store_true",
        help="count classes up to symmetry by format, field and rank, instead of schemes",
    )
    add("--exact", action="store_true", help="only this order of the sides")
    add("--sort", metavar="LIST", help=f"columns, such as rank,additions:desc (default {ORDER})")
    add(
        "--limit",
        type=natural,
        metavar="N",
        help=f"schemes to list (default {PAGE}; all with --json or --csv)",
    )
    add("--offset", type=natural, default=0, metavar="N", help="schemes to skip first (default 0)")
    add("--csv", action="store_true", help="print comma-separated values")


def _add_filters(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--rank", metavar="N or N-M", help="a rank or a range, as 47-49 or -49 (default: any)")
    add(
        "--gap",
        metavar="N or N..M",
        help="rank minus known bound, as 0, -1, 0..2 or ..-1 (default: any)",
    )
    add(
        "--additions",
        metavar="N or N-M",
        help="additions; sums are shared where programs are stored (default: any)",
    )
    add("--gamma", type=float, metavar="X", help="recursion factor at most X (default: any)")
    add("--growth", type=float, metavar="X", help="growth factor at most X (default: any)")
    add("--source", metavar="TEXT", help="who found it: any part of the source (default: any)")
    add("--run", metavar="RUN", help="found by this run (number or name) (default: any)")
    add("--since", metavar="DATE", help="stored on or after, as 2026-01-31 (default: any)")
    add("--until", metavar="DATE", help="stored before (default: any)")


def _filters(arguments: argparse.Namespace) -> Filters:
    """Return the filters of the options."""
    from flipsearch.catalogue import Filters

    names = {field.name for field in dataclasses.fields(Filters)}
    given = {k: v for k, v in vars(arguments).items() if k in names and v is not None}
    for name in given.keys() & {"rank", "gap", "additions"}:
        given[name] = _range(given[name], name)
    for name in given.keys() & {"since", "until"}:
        given[name] = _date(given[name], name)
    try:
        return Filters(**given)
    except (TypeError, ValueError) as error:  # NaN
        raise UsageError(str(error)) from None


def _range(text: str, name: str) -> tuple[int | None, int | None]:
    """Return (low, high) of ``47``, ``47-49``, ``47..49``, ``47-`` or ``-49``.

    A gap may be negative: there ``-1`` is that number, not a range, and ``..-1`` is one.
    """
    if name == "gap" and re.fullmatch(r"\s*-\d+\s*", text):
        return int(text), int(text)
    separator = ".." if ".." in text else "-"
    low, found, high = text.strip().partition(separator)
    try:
        if not found:
            return int(low), int(low)
        ends = (int(low) if low else None), (int(high) if high else None)
    except ValueError:
        raise UsageError(
            f"cannot read --{name} {text!r}: write a number or a range, as 47, 47-49, 47- or "
            f"--{name}=-2..0"
        ) from None
    if ends[0] is not None and ends[1] is not None and ends[0] > ends[1]:
        raise UsageError(f"--{name} {text} is empty: write the smaller number first")
    return ends


def _date(text: str, name: str) -> dt.datetime:
    try:
        moment = dt.datetime.fromisoformat(text)
        return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"cannot read --{name} {text!r}: write a date, as 2026-01-31") from None


def run_list(arguments: argparse.Namespace) -> int:
    """Print a page of schemes, or with ``--best`` the table of formats by rings."""
    if arguments.all and not arguments.best:
        raise UsageError("--all goes with --best: add --best, or leave --all out")
    with opened(arguments) as catalogue:
        if arguments.best:
            _print_best(catalogue, arguments)
        elif arguments.classes:
            _print_classes(catalogue, arguments)
        else:
            _print_page(catalogue, arguments)
    return 0


def _print_page(catalogue: Catalogue, arguments: argparse.Namespace) -> None:
    from flipsearch.catalogue.columns import JSON_NAMES

    filters = _filters(arguments)
    if filters.run is not None:
        catalogue.runs.get(filters.run)  # says that there is none
    for_people = not (arguments.json or arguments.csv)
    limit = PAGE if arguments.limit is None and for_people else arguments.limit
    page = catalogue.schemes.records(
        filters, sort=arguments.sort or ORDER, limit=limit, offset=arguments.offset
    )
    if not for_people:
        # the columns of a table are the same in all rows
        full = arguments.command == "query" or arguments.csv
        more = ("growth", "greatest_denominator") if filters.front else ()
        objects = (_object(record, full, more) for record in page)
        _print_objects(objects, arguments.csv, JSON_NAMES)
        return
    records = list(page)
    structured = any(record.calls is not None for record in records)
    front = bool(filters.front)
    columns = ["scheme", "format", "ring", "rank", "known", "gap", "additions"]
    columns += ["growth", "denominator"] if front else ["shared", "growth"]
    columns += [*(("calls", "gamma") if structured else ()), "source"]
    for survive, title in ((False, ""), (True, "unions that survive lost workers")):
        rows = [
            [
                *_row(record, structured, front),
                *((record.workers, record.survives) if survive else ()),
            ]
            for record in records
            if (record.survives is not None) is survive
        ]
        if rows or not survive:
            extra = ["workers", "survives"] if survive else []
            print_table([*columns, *extra], rows, title)
    if not records:
        hint("no stored scheme meets these conditions")
    beyond = catalogue.schemes.count(filters) - arguments.offset - len(records)
    if beyond > 0:
        following = arguments.offset + len(records)
        hint(f"{beyond:,} more: --offset {following}, or --limit {following + beyond}")


def _print_classes(catalogue: Catalogue, arguments: argparse.Namespace) -> None:
    """Print how many classes the schemes of each format, field and rank are proved to be.

    An option that the counts would ignore raises a `UsageError`.
    """
    from flipsearch.equivalence import Classes
    from flipsearch.formats import MatrixProduct
    from flipsearch.formats.named import short_name

    for name in ("sort", "limit", "offset", "front"):
        if vars(arguments).get(name):
            raise UsageError(f"--{name} does not go with --classes, which counts all of them")
    classes, counts = Classes(), dict[tuple[str, str, int], Counter[str]]()
    for record in catalogue.schemes.records(_filters(arguments), sort="format,rank"):
        form = record.format
        tabulated = form.sorted if isinstance(form, MatrixProduct) else form
        over = record.ring.value if record.ring.characteristic else "Z, Q"
        counter = counts.setdefault((str(tabulated), over, record.rank), Counter())
        counter["schemes"] += 1
        counter[classes.meet(record.scheme)] += 1
    columns = ["format", "over", "rank", "schemes", "classes", "undecided"]
    rows = [
        [*key, counter["schemes"], counter["new"], counter["undecided"]]
        for key, counter in counts.items()
    ]
    if arguments.json or arguments.csv:
        found = (dict(zip(columns, row, strict=True)) for row in rows)
        _print_objects(found, arguments.csv, columns)
        return
    print_table(columns, [[short_name(str(name)), *row] for name, *row in rows])
    if any(row[-1] for row in rows):
        hint("undecided: the invariants agree with another scheme's; a proof is not feasible")


def _row(record: Record, structured: bool, front: bool) -> list[Any]:
    """Return a scheme's line of the listing for people, or of the table of a front."""
    from flipsearch.formats.named import short_name

    shared = record.fewest_additions
    gap = None if record.gap is None else f"{record.gap:+d}" if record.gap else "0"
    facts = [record.short, short_name(record.format), record.ring, record.rank]
    facts += [record.known_bound, gap]
    growth = _rounded(record.growth)
    if front:
        facts += [shared, growth, record.greatest_denominator]
    else:
        facts += [record.additions, shared if shared < record.additions else None, growth]
    facts += [record.calls, _rounded(record.gamma)] if structured else []
    return [*facts, _FILE.sub("", record.source)[:60]]


_FILE = re.compile(r"^\S*/\S*, (?=.)")
"""The path of the file that a scheme was read from, which `show` tells in full."""


def _rounded(value: float | None) -> str | None:
    return None if value is None else f"{value:.5g}"


def _object(record: Record, full: bool = False, more: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON object of a scheme, with some more columns; for `query` with all."""
    everything = record.to_dict()
    if full:
        return everything
    keys = [*KEYS, *more]
    if record.fewest_additions < record.additions:
        keys.append("fewest_additions")
    if record.calls is not None:
        keys += ["calls", "gamma"]
    if record.survives is not None:
        keys += ["workers", "survives"]
    return {key: everything[key] for key in keys}


def _print_objects(
    objects: Iterable[dict[str, Any]], as_csv: bool, columns: Sequence[str]
) -> None:
    """Print objects as JSON lines, or as CSV with a first line of these columns."""
    if not as_csv:
        for item in objects:
            print_json(item)
        return
    writer = csv.DictWriter(sys.stdout, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(objects)


_NOT_WITH_BEST = (
    "classes", "front", "exact", "sort", "rank", "gap", "additions", "gamma", "growth", "source",
    "run", "since", "until",
)  # fmt: skip


def _print_best(catalogue: Catalogue, arguments: argparse.Namespace) -> None:
    """Print formats by rings: our rank, the known bound, the gap.

    An option that the table would ignore raises a `UsageError`.
    """
    from flipsearch.catalogue.arguments import as_ring, names_of
    from flipsearch.formats.named import short_name
    from flipsearch.rings import Ring

    for name in _NOT_WITH_BEST:
        if vars(arguments).get(name) not in (None, False):
            raise UsageError(
                f"--{name} does not go with --best, which takes a format, --ring, --all, --limit "
                "and --offset"
            )
    rings = tuple(Ring) if arguments.ring is None else (as_ring(arguments.ring),)
    cells = catalogue.schemes.best_table(rings)
    if arguments.format is not None:
        wanted = names_of(arguments.format)[1]
        cells = [cell for cell in cells if cell.format == wanted]
    held = [cell for cell in cells if arguments.all or cell.rank is not None]
    end = None if arguments.limit is None else arguments.offset + arguments.limit
    formats = list(dict.fromkeys(cell.format for cell in held))[arguments.offset : end]
    chosen = set(formats)
    here = {(cell.format, cell.ring): cell for cell in cells if cell.format in chosen}
    if not (arguments.json or arguments.csv):
        print_table(
            ("format", *(ring.value for ring in rings)),
            [
                (short_name(name), *(_cell(here.get((name, ring))) for ring in rings))
                for name in formats
            ],
        )
        _explain(list(here.values()))
        return
    records = catalogue.schemes.by_hash(cell.hash for cell in here.values() if cell.hash)
    found = [
        _best_object(cell, records.get(cell.hash or ""))
        for cell in here.values()
        if arguments.all or cell.rank is not None
    ]
    names = dict.fromkeys([*KEYS, "gap", "over", *(name for item in found for name in item)])
    if arguments.csv:  # a table has the same columns in all rows
        found = [names | item for item in found]
    _print_objects(found, arguments.csv, list(names))


def _cell(best: Best | None) -> str:
    if best is None:
        return ""
    ours = "-" if best.rank is None else str(best.rank)
    known = "?" if best.known_bound is None else str(best.known_bound)
    gap = "" if best.gap is None else f" {best.gap:+d}" if best.gap else " ="
    return f"{ours}/{known}{gap}"


def _explain(cells: list[Best]) -> None:
    held = [cell for cell in cells if cell.rank is not None]
    reduced = sum(cell.over is not cell.ring and cell.ring.characteristic > 0 for cell in held)
    gaps = [cell.gap for cell in held if cell.gap is not None]
    hint("each cell: our rank/known bound and the gap, = for none; - none stored, ? none known")
    hint(
        f"{len(held)} of {len(cells)} cells hold a scheme: {sum(g < 0 for g in gaps)} below the "
        f"known bound, {sum(g == 0 for g in gaps)} at it, {sum(g > 0 for g in gaps)} above"
        + (f"\n{reduced} over F2 and F3 by reduction of one over ZT, Z or Q" if reduced else "")
    )


def _best_object(best: Best, record: Record | None) -> dict[str, Any]:
    described: dict[str, Any] = dict.fromkeys(KEYS) if record is None else _object(record)
    return described | {
        "format": best.format,
        "ring": best.ring.value,
        "rank": best.rank,
        "known_bound": best.known_bound,
        "gap": best.gap,
        "over": None if best.over is None else best.over.value,
    }
