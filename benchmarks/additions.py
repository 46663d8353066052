"""Additions of the schemes we have against the published figures of `reduced_additions.csv`.

For each format of the table for which a scheme of its rank (or less) over ZT is shipped, or is
put together from Winograd's by products and sums along one side: the additions of the best shipped
program, or after a search as `reduce` makes it, whichever is less. Figures from the table are
those of dronperminov's catalogue of addition-reduced schemes (FastMatrixMultiplication at
65b3be0f, 5 September 2026); a row counts for its own rank. The last line is the total.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks.common import benchmark_parser, emit
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.kernels.additions import fewest_additions
from flipsearch.kernels.builtin import winograd
from flipsearch.programs import Reduction
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.transform import ORDERS, extend, merge, permute, product

TABLE = Path(__file__).parent / "reduced_additions.csv"
SMALLEST, LARGEST = 0.2, 4.0
"""Small formats get less than `--seconds`, large ones more, within these factors."""


def composed() -> list[Scheme]:
    """Return schemes made of Winograd's: its powers, and sums along one side."""
    two = winograd()
    schemes = [two, product(two, two), product(product(two, two), two)]
    row = two
    for p in range(3, 17):
        schemes.append(extend(row, "p"))
        if p % 2 == 0:
            row = merge(row, two, "p")
            schemes[-1] = row
    return schemes


def shipped() -> Iterable[Scheme]:
    """Yield the schemes that ship with the program."""
    from flipsearch.catalogue.shipped import read_folder, shipped_folder

    folder = shipped_folder()
    if folder is not None:
        yield from (scheme for scheme, _ in read_folder(folder))


def programs() -> dict[MatrixProduct, list[Reduction]]:
    """Return the shipped programs of ternary schemes by sorted format."""
    from flipsearch.catalogue.shipped import read_programs, shipped_folder

    found: dict[MatrixProduct, list[Reduction]] = {}
    folder = shipped_folder()
    for reduction, _ in read_programs(folder) if folder is not None else ():
        if reduction.scheme.ring is Ring.ZT:
            found.setdefault(reduction.scheme.format.sorted, []).append(reduction)
    return found


def candidates() -> dict[MatrixProduct, list[Scheme]]:
    """Return ternary schemes by sorted format."""
    found: dict[MatrixProduct, list[Scheme]] = {}
    for scheme in [*composed(), *shipped()]:
        format_ = scheme.format
        if scheme.ring.characteristic or scheme.natural_ring is not Ring.ZT:
            continue
        if not isinstance(format_, MatrixProduct) or not format_.is_general:
            continue
        scheme = scheme.canonical.over(Ring.ZT)
        order = next(order for order in ORDERS if format_.permuted(order) == format_.sorted)
        found.setdefault(format_.sorted, []).append(permute(scheme, order))
    return found


def main(argv: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--format", help="one format only")
    parser.add_argument(
        "--seconds",
        type=float,
        default=10.0,
        help="time for a format of the size of 3x3x3 (default 10); with 0 shipped programs only",
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    known, shipped_programs = candidates(), programs()
    totals = [0, 0]
    with TABLE.open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        format_ = parse_format(row["format"])
        rank, reference = int(row["rank"]), int(row["reduced_additions"])
        schemes = [scheme for scheme in known.get(format_, []) if scheme.rank <= rank]
        if not schemes or (arguments.format and format_ != parse_format(arguments.format).sorted):
            continue
        least = min(scheme.rank for scheme in schemes)
        found = [r for r in shipped_programs.get(format_, []) if r.scheme.rank <= rank]
        if arguments.seconds > 0 or not found:
            first, *others = (scheme for scheme in schemes if scheme.rank == least)
            size = least * format_.sides[0] ** 2 / 200
            share = arguments.seconds * min(LARGEST, max(SMALLEST, size))
            found.append(fewest_additions(first, share, arguments.seed, others=others))
        best = min(found, key=lambda reduction: reduction.additions)
        totals[0] += best.additions
        totals[1] += reference
        emit(
            arguments.json, "additions", best.additions, "additions", format=format_.name,
            rank=best.scheme.rank, reference=reference, reference_rank=rank, least_rank=least,
            reached=best.additions <= reference, as_written=best.scheme.additions,
        )  # fmt: skip
    emit(arguments.json, "additions_total", totals[0], "additions", reference=totals[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
