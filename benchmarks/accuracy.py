"""Errors of kernels of 2x2x2 against a product in longer precision, next to their bounds.

For Strassen's scheme, Winograd's, and members of their orbit that `stabilise` makes: the largest
error of an entry over max|A| max|B|, for float64 matrices uniform in [-1, 1). The reference is the
product of some rows of A with B in numpy's `longdouble` (64 bits of mantissa on x86), which
every level and block of the scheme enters. Figures are medians over seeds. numpy's own error
stands under the name `numpy`.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Sequence
from itertools import islice

import numpy as np

from benchmarks.common import benchmark_parser, emit
from flipsearch.kernels import error_bound, growth, load_kernel
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.kernels.stabilising import stabler_schemes

ROWS = 64
ATTEMPTS = 20
GRIDS = {"halves 2": ("halves", 2), "halves 8": ("halves", 8), "Q 15": ("Q", 15)}


def main(argv: Sequence[str] | None = None) -> int:
    parser = benchmark_parser(__doc__)
    parser.add_argument("--sizes", default="1024,2048,4096", help="sides of the matrices")
    parser.add_argument("--levels", default="1,2,3", help="levels of recursion")
    parser.add_argument("--seeds", type=int, default=3, help="pairs of matrices a figure")
    arguments = parser.parse_args(argv)
    schemes = {"Strassen": strassen(), "Winograd": winograd()}
    for name, (toward, denominators) in GRIDS.items():
        found = islice(stabler_schemes(winograd(), "2", toward, denominators), ATTEMPTS)
        *_, schemes[name] = found
    for name, scheme in schemes.items():
        factors = growth(scheme)
        keys = {"scheme": name, "hash": scheme.content_hash[:12]}
        emit(arguments.json, "gamma2", factors.gamma2, "", **keys)
        emit(arguments.json, "emax", factors.emax, "", **keys)
    kernels = {name: load_kernel(scheme) for name, scheme in schemes.items()}
    levels = [int(part) for part in arguments.levels.split(",")]
    for size in (int(part) for part in arguments.sizes.split(",")):
        errors: dict[tuple[str, int], list[float]] = {}
        for seed in range(arguments.seeds):
            generator = np.random.default_rng(seed)
            a, b = generator.uniform(-1, 1, (2, size, size))
            rows = generator.choice(size, ROWS, replace=False)
            exact = a[rows].astype(np.longdouble) @ b.astype(np.longdouble)
            scale = np.abs(a).max() * np.abs(b).max()
            results = {("numpy", 0): a @ b} | {
                (name, count): kernel.matmul(a, b, levels=count)
                for name, kernel in kernels.items()
                for count in levels
            }
            for key, product in results.items():
                error = float(np.abs(product[rows] - exact).max() / scale)
                errors.setdefault(key, []).append(error)
        for (name, count), found in errors.items():
            keys = {"scheme": name, "size": size, "levels": count}
            emit(arguments.json, "error", statistics.median(found), "max|A| max|B|", **keys)
            if name in schemes:
                bound = error_bound(growth(schemes[name]), 2, size, count, 2.0**-53)
                emit(arguments.json, "bound", bound, "max|A| max|B|", **keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
