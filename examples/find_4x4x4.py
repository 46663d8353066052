"""Find 4x4x4 in 47 multiplications over F2, lift what lifts, and plot the way there.

    python examples/find_4x4x4.py --budget 120s --plot rank.svg --kernel out

On two quiet cores the median of ten seeds is 6 seconds. `docs/examples.md` shows a run.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import flipsearch as fs
from flipsearch.kernels import write_kernel


def main(arguments: Sequence[str] | None = None) -> None:
    """Search, say what was found, and write what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--format", default="4x4x4")
    parser.add_argument("--target", type=int, default=47)
    parser.add_argument("--budget", default="120s")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--plot", type=Path, metavar="FILE", help="an .svg or .png file")
    parser.add_argument("--kernel", type=Path, metavar="DIR", help="folder for a numba module")
    given = parser.parse_args(arguments)
    found = fs.search(
        given.format,
        ring="F2",
        target=given.target,
        budget=given.budget,
        seed=given.seed,
        gpu="off",
    )
    best = next(moment for moment in found.history if moment.rank == found.scheme.rank)
    print(
        f"{given.format} over F2: rank {best.rank} after {best.seconds:.1f} s and "
        f"{best.flips:,} flips"
    )
    if found.lifted is not None:
        fs.verify(found.lifted)
        print(f"lifted to {found.lifted.ring}: rank {found.lifted.rank}")
    if given.plot is not None:
        found.plot().figure.savefig(given.plot)
    if given.kernel is not None and found.lifted is not None:
        given.kernel.mkdir(exist_ok=True)
        write_kernel(found.lifted, given.kernel / f"matmul_{found.lifted.rank}.py")


if __name__ == "__main__":
    main()
