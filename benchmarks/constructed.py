"""Rank, largest coefficient and seconds of each structured construction, with its proof.

python -m benchmarks.constructed --sizes 6,7,8
python -m benchmarks.constructed --operands ss,st --sizes 10,12
"""

from __future__ import annotations

import time

from benchmarks.common import benchmark_parser, emit, integers
from flipsearch.constructors import CONSTRUCTORS, construct, offers
from flipsearch.formats import parse_format
from flipsearch.formats.format import OPERANDS
from flipsearch.rings import Ring


def main() -> None:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--sizes", type=integers, default=[6, 7, 8], help="sides, by commas")
    parser.add_argument("--operands", default=",".join(OPERANDS), help="pairs, by commas")
    arguments = parser.parse_args()
    structured = {"structured": CONSTRUCTORS.get("structured")}
    for operands in arguments.operands.split(","):
        for n in arguments.sizes:
            format_ = parse_format(f"{operands}:{n}x{n}x{n}")
            if not offers(format_, Ring.Q, structured):
                continue
            start = time.perf_counter()
            scheme = construct(format_, by="structured")
            seconds = time.perf_counter() - start
            keys = {"format": str(format_), "ring": str(scheme.natural_ring)}
            emit(arguments.json, "rank", scheme.rank, "products", **keys)
            largest = max(int(abs(factor).max()) for factor in scheme.factors)
            emit(arguments.json, "largest_coefficient", largest, "", **keys)
            emit(arguments.json, "seconds_to_prove", seconds, "s", **keys)


if __name__ == "__main__":
    main()
