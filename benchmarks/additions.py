"""Additions of the shipped schemes against the published figures of `reduced_additions.csv`.

For each row of the table: the fewest additions that a fresh catalogue lists for a scheme of the
row's rank or less without denominators, or after a search as `reduce` makes it, if that finds
less. Figures from the table are those of dronperminov's catalogue of addition-reduced schemes
(FastMatrixMultiplication at 65b3be0f, 5 September 2026); a row counts for its own rank. The last
line is the total.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.common import benchmark_parser, emit
from flipsearch.catalogue import Catalogue
from flipsearch.formats import parse_format
from flipsearch.kernels.additions import fewest_additions
from flipsearch.rings import Ring

TABLE = Path(__file__).parent / "reduced_additions.csv"


def main(argv: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--format", help="one format only")
    parser.add_argument(
        "--seconds", type=float, default=0.0, help="time to search a format (default 0)"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    totals = [0, 0]
    with TABLE.open(newline="") as file, Catalogue.open(":memory:") as catalogue:
        for row in csv.DictReader(file):
            format_ = parse_format(row["format"])
            rank, reference = int(row["rank"]), int(row["reduced_additions"])
            if arguments.format and format_ != parse_format(arguments.format).sorted:
                continue
            records = [
                record
                for record in catalogue.schemes.records(format=format_, sort="rank,additions")
                if record.format == format_
                and record.rank <= rank
                and record.ring in (Ring.ZT, Ring.Z)
            ]
            if not records:
                continue
            best = min(records, key=lambda record: record.fewest_additions)
            additions = best.fewest_additions
            if arguments.seconds > 0:
                schemes = [record.scheme for record in records if record.rank == best.rank]
                first, *others = schemes
                found = fewest_additions(first, arguments.seconds, arguments.seed, others=others)
                additions = min(additions, found.additions)
            totals[0] += additions
            totals[1] += reference
            emit(
                arguments.json, "additions", additions, "additions", format=format_.name,
                rank=best.rank, reference=reference, reference_rank=rank,
                reached=additions <= reference, as_written=best.additions,
            )  # fmt: skip
    emit(arguments.json, "additions_total", totals[0], "additions", reference=totals[1])
    return 0


if __name__ == "__main__":
    sys.exit(main())
