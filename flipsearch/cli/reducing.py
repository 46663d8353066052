"""reduce: fewer additions for a scheme, by other programs or by another scheme of its rank."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.cli.names import is_file, is_hash, opened, scheme_of
from flipsearch.cli.output import hint, tell
from flipsearch.cli.parser import finish, natural
from flipsearch.errors import UsageError

if TYPE_CHECKING:
    from flipsearch.scheme import Scheme


def register(commands: Any) -> None:
    """Add the parser of this group."""
    reduce = commands.add_parser(
        "reduce",
        help="find fewer additions for a scheme: its programs, and others of its rank",
        description="Walk among schemes of the same rank for one whose straight-line programs "
        "need few additions (over F2 XORs), and store scheme and programs. Of a format the walk "
        "begins at all stored schemes of least rank: search --keep brings inequivalent ones.",
        examples=(
            "reduce 4x4x4 --budget 5m",
            "reduce 4x4x4 --ring F2",
            "reduce 43e44e4548b7 --keep",
            "reduce 3x3x4 --copies 2p",
        ),
    )
    reduce.add_argument(
        "ids", nargs="+", metavar="ID|FORMAT|FILE", help="a hash prefix, a format or a scheme file"
    )
    reduce.add_argument(
        "--budget",
        default="60s",
        metavar="TIME",
        help="time for each scheme, such as 30s, 5m (default 60s)",
    )
    reduce.add_argument(
        "--ring",
        default="Q",
        metavar="RING",
        help="of a format: the ring of its schemes, such as F2 (default Q, with ZT and Z)",
    )
    reduce.add_argument(
        "--seed",
        type=natural,
        default=0,
        metavar="N",
        help="seed of the random choices (default 0)",
    )
    how = reduce.add_mutually_exclusive_group()
    how.add_argument("--keep", action="store_true", help="keep the scheme, look for programs only")
    how.add_argument(
        "--copies",
        type=_copies,
        default=(1, 1, 1),
        metavar="NUMBER+SIDE",
        help="count the additions of so many copies side by side, such as 2p: along p they share "
        "the sums of A, along n those of B, along m those of C (default: of one)",
    )
    reduce.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write the programs as JSON (default: only store them)",
    )
    finish(reduce, run_reduce)


def _least_rank(arguments: argparse.Namespace, name: str) -> list[Scheme]:
    """Return the scheme that a name means; of a format, all of least rank, the sparsest first."""
    from flipsearch.kernels.choice import candidates
    from flipsearch.rings import parse_ring

    if is_file(name) or is_hash(name):
        return [scheme_of(arguments, name)]
    with opened(arguments) as catalogue:
        found = candidates(catalogue, catalogue.format(name), parse_ring(arguments.ring))
    found.sort(key=lambda scheme: (scheme.rank, scheme.nonzeros))
    return [scheme for scheme in found if scheme.rank == found[0].rank]


def _copies(text: str) -> tuple[int, int, int]:
    """Return how often the additions for A, B and C count: of ``2p`` 1, 2 and 2 times."""
    match = re.fullmatch("([1-9][0-9]?)([nmp])", text)
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no number and side, such as 2p")
    a, b, c = (1 if side == match[2] else int(match[1]) for side in "pnm")
    return a, b, c


def run_reduce(arguments: argparse.Namespace) -> int:
    """Look for fewer additions, store scheme and programs, and print the numbers of additions."""
    from flipsearch.catalogue import Provenance
    from flipsearch.files import write_atomically
    from flipsearch.kernels.additions import fewest_additions
    from flipsearch.rings import Ring
    from flipsearch.search.budget import parse_budget

    seconds = parse_budget(arguments.budget)
    if arguments.output and len(arguments.ids) > 1:
        raise UsageError("-o names one file: reduce one scheme at a time with it")
    for name in arguments.ids:
        scheme, *others = _least_rank(arguments, name)
        found = fewest_additions(
            scheme, seconds, arguments.seed, not arguments.keep, others, arguments.copies
        )
        best = found.scheme
        provenance = Provenance(
            parent=scheme.content_hash,
            method="reduce",
            seed=arguments.seed,
            details={"shared_additions": found.additions, "parts": found.parts},
        )
        with opened(arguments, read_only=False) as catalogue:
            if is_file(name):
                catalogue.schemes.add(scheme, Provenance(source=name, method="imported"))
            stored = catalogue.programs.add(found, provenance)
        record = {
            "format": str(best.format),
            "ring": best.ring.value,
            "rank": best.rank,
            "scheme": best.content_hash,
            "from": scheme.content_hash,
            "new": stored.scheme.new,
            "kept": stored.kept,
            "naive_additions": best.additions,
            "additions": found.additions,
            "left": found.left.additions,
            "right": found.right.additions,
            "output": found.output.additions,
        }
        if arguments.output:
            text = json.dumps(record | {"programs": found.to_dict()}) + "\n"
            write_atomically(Path(arguments.output), text.encode(), force=True)
        parts = " + ".join(map(str, found.parts))
        kind = "XORs" if best.ring is Ring.F2 else "additions"
        text = (
            f"{best.format}:{best.rank} {best.content_hash[:12]}: {found.additions} {kind} "
            f"({parts}), {best.additions} as written; {scheme.content_hash[:12]} as written needs "
            f"{scheme.additions}"
            + ("" if stored.kept else "; the programs stored before need no more: kept")
        )
        tell(arguments, record, text)
        short = best.content_hash[:12]
        hint(f"next       export {short} --to reduced  |  kernel {short} -o mm.py")
    return 0
