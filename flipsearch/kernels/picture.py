"""The ratio of a kernel to numpy drawn by size and threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flipsearch.errors import UsageError
from flipsearch.kernels.timing import Timing


def plot_ratios(timings: Sequence[Timing], path: str | os.PathLike[str], title: str) -> Path:
    """Draw numpy's time / the kernel's time over the side of square products.

    Each number of threads has a line. A `UsageError` says that matplotlib is not installed, or
    does not know the ending of `path`.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UsageError("--plot needs matplotlib: pip install flipsearch[plot]") from None
    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for threads in sorted({timing.threads for timing in timings}):
        mine = sorted((t.shape[0], t.ratio) for t in timings if t.threads == threads)
        label = f"{threads} thread{'s' * (threads > 1)}"
        axes.plot([size for size, _ in mine], [ratio for _, ratio in mine], "o-", label=label)
    axes.axhline(1.0, color="grey", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set_xlabel("side of the matrices")
    axes.set_ylabel("numpy's time / kernel's time")
    axes.set_title(title)
    axes.legend()
    try:
        figure.savefig(path)
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    return Path(path)
