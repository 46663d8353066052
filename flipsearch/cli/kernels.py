"""Commands that make and time kernels: kernel, bench-kernel, reduce."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any


def register(commands: Any) -> None:
    """Add the parsers of this group."""
    from flipsearch.cli import database_argument

    kernel = commands.add_parser("kernel", help="write a standalone numba module from a scheme")
    kernel.add_argument("target", metavar="FORMAT|ID", help="a format, or a scheme's hash prefix")
    kernel.add_argument("-o", "--output", metavar="FILE", required=True, help="module to write")
    kernel.add_argument("--json", action="store_true", help="print one JSON object")
    database_argument(kernel)
    kernel.set_defaults(handler=run_kernel)

    bench = commands.add_parser("bench-kernel", help="time a kernel file against numpy")
    bench.add_argument("file", metavar="FILE", help="a module that `kernel` wrote")
    bench.add_argument("--sizes", default="256,512,1024,2048,4096", help="such as 1024,4096")
    bench.add_argument("--threads", default="1,2", help="such as 1,2; both sides use as many")
    bench.add_argument("--dtype", default="float64", help="such as float32, complex128, int64")
    bench.add_argument("--pairs", type=int, default=5, help="timed pairs a figure, at least 1")
    bench.add_argument("--plot", metavar="FILE", help="draw the ratios (needs matplotlib)")
    bench.add_argument("--json", action="store_true", help="one JSON object a line")
    bench.set_defaults(handler=run_bench_kernel)


def run_kernel(arguments: argparse.Namespace) -> int:
    """Write the kernel of a stored scheme."""
    from flipsearch.cli.output import print_json
    from flipsearch.kernels import find_scheme, write_kernel

    scheme = find_scheme(arguments.target, arguments.db)
    path = write_kernel(scheme, arguments.output)
    if arguments.json:
        print_json(
            {
                "kernel": str(path),
                "format": str(scheme.format),
                "ring": scheme.ring.value,
                "rank": scheme.rank,
                "scheme": scheme.content_hash,
            }
        )
    else:
        print(f"{path}: {scheme.format} of rank {scheme.rank}, scheme {scheme.content_hash[:12]}")
    return 0


def run_bench_kernel(arguments: argparse.Namespace) -> int:
    """Time a kernel file against numpy by size and threads."""
    import numpy as np

    from flipsearch.cli.output import print_json
    from flipsearch.errors import UsageError
    from flipsearch.kernels import import_kernel, time_against_numpy

    try:
        sizes = [int(part) for part in arguments.sizes.split(",")]
        threads = [int(part) for part in arguments.threads.split(",")]
        dtype = np.dtype(arguments.dtype)
    except (ValueError, TypeError) as error:
        raise UsageError(f"--sizes and --threads are lists of integers: {error}") from None
    if min(sizes) < 1 or min(threads) < 1 or arguments.pairs < 1:
        raise UsageError("sizes, threads and pairs are at least 1")
    module = import_kernel(Path(arguments.file))
    timings = []
    for count in threads:
        for size in sizes:
            timing = time_against_numpy(module, size, dtype, count, arguments.pairs)
            timings.append(timing)
            if arguments.json:
                print_json(
                    {
                        "name": "ratio_to_numpy",
                        "value": round(timing.ratio, 4),
                        "unit": "",
                        "dtype": timing.dtype,
                        "size": size,
                        "threads": count,
                        "seconds": timing.kernel_seconds,
                        "numpy_seconds": timing.numpy_seconds,
                        "difference": timing.error,
                        "scheme": module.SCHEME,
                    }
                )
            else:
                print(timing)
    if arguments.plot:
        from flipsearch.kernels.picture import plot_ratios

        plot_ratios(timings, arguments.plot, f"{module.FORMAT} {module.SCHEME[:12]}")
    return 0
