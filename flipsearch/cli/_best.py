"""The table of `list --best`: formats by rings, ours beside what is known."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from flipsearch.catalogue import Best, Catalogue, Record
from flipsearch.catalogue.arguments import as_ring, names_of
from flipsearch.cli.output import complain, print_table
from flipsearch.errors import UsageError
from flipsearch.rings import Ring

_FILTERS = frozenset(
    [
        "front",
        "exact",
        "sort",
        "rank",
        "gap",
        "additions",
        "gamma",
        "growth",
        "source",
        "run",
        "since",
        "until",
    ]
)


def print_best(
    catalogue: Catalogue,
    arguments: argparse.Namespace,
    described: Callable[[Record | None], dict[str, Any]],
    print_objects: Callable[[Iterable[dict[str, Any]], bool, Sequence[str]], None],
) -> int:
    """Print formats by rings: our rank, the known bound, the gap.

    Parameters
    ----------
    catalogue : Catalogue
        Open.
    arguments : Namespace
        Of `list` or `query`.
    described : callable
        Gives what the listing prints of a record as an object; of None, its keys without values.
    print_objects : callable
        Prints objects as JSON lines, or as CSV with the columns given.

    Raises
    ------
    UsageError
        An option was given that the table would leave out of account.
    """
    for name, value in vars(arguments).items():
        if name in _FILTERS and value not in (None, False):
            raise UsageError(
                f"--{name} does not go with --best, which takes a format, --ring, --all, --limit "
                "and --offset: ask without --best"
            )
    rings = tuple(Ring) if arguments.ring is None else (as_ring(arguments.ring),)
    cells = catalogue.schemes.best_table(rings)
    if arguments.format is not None:
        wanted = names_of(arguments.format)[1]
        cells = [cell for cell in cells if cell.format == wanted]
    shown = {cell.format for cell in cells if arguments.all or cell.rank is not None}
    formats = list(dict.fromkeys(cell.format for cell in cells if cell.format in shown))
    end = None if arguments.limit is None else arguments.offset + arguments.limit
    formats = formats[arguments.offset : end]
    chosen = set(formats)
    here = {(cell.format, cell.ring): cell for cell in cells if cell.format in chosen}
    if arguments.json or arguments.csv:
        records = catalogue.schemes.by_hash(cell.hash for cell in here.values() if cell.hash)
        listed = [cell for cell in here.values() if arguments.all or cell.rank is not None]
        found = [_object(cell, described(records.get(cell.hash or ""))) for cell in listed]
        names = dict.fromkeys([*described(None), "gap", "over"])
        names |= dict.fromkeys(name for item in found for name in item)
        if arguments.csv:  # a table has the same columns in all rows
            found = [names | item for item in found]
        print_objects(found, arguments.csv, list(names))
        return 0
    print_table(
        ("format", *(ring.value for ring in rings)),
        [(name, *(_cell(here.get((name, ring))) for ring in rings)) for name in formats],
    )
    _explain(list(here.values()))
    return 0


def _cell(best: Best | None) -> str:
    if best is None:
        return ""
    ours = "-" if best.rank is None else str(best.rank)
    known = "?" if best.known_bound is None else str(best.known_bound)
    if best.rank is None:
        return f"{ours}/{known}"
    return f"{ours}/{known}" + (
        "" if best.gap is None else f" {best.gap:+d}" if best.gap else " ="
    )


def _explain(cells: list[Best]) -> None:
    held = [cell for cell in cells if cell.rank is not None]
    reduced = sum(cell.over is not cell.ring and cell.ring.characteristic > 0 for cell in held)
    gaps = [cell.gap for cell in held if cell.gap is not None]
    complain(
        "each cell: our rank/known bound and the gap, = where there is none; - nothing stored, "
        "? no bound known"
    )
    complain(
        f"{len(held)} of {len(cells)} cells hold a scheme: {sum(g < 0 for g in gaps)} below the "
        f"known bound, {sum(g == 0 for g in gaps)} at it, {sum(g > 0 for g in gaps)} above it"
        + (f"; {reduced} over F2 and F3 by reduction of one over ZT, Z or Q" if reduced else "")
    )


def _object(best: Best, described: dict[str, Any]) -> dict[str, Any]:
    return {
        **described,
        "format": best.format,
        "ring": best.ring.value,
        "rank": best.rank,
        "known_bound": best.known_bound,
        "gap": best.gap,
        "over": None if best.over is None else best.over.value,
    }
