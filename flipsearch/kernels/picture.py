"""Draw the ratio of a kernel to numpy by size and threads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flipsearch.algebra.atomic import write_whole
from flipsearch.canvas import axes_or_new, picture
from flipsearch.errors import UsageError
from flipsearch.kernels.timing import Timing


def plot_ratios(timings: Sequence[Timing], path: str | os.PathLike[str], title: str) -> Path:
    """Draw numpy's time / the kernel's time over the side of square products.

    Each number of threads has a line. Without matplotlib a `PlotError` is raised, for an ending of
    `path` that it does not know a `UsageError`.
    """
    axes, target = axes_or_new(None), Path(path)
    for threads in sorted({timing.threads for timing in timings}):
        mine = sorted((t.shape[0], t.ratio) for t in timings if t.threads == threads)
        label = f"{threads} thread{'s' * (threads > 1)}"
        axes.plot([size for size, _ in mine], [ratio for _, ratio in mine], "o-", label=label)
    axes.axhline(1.0, color="grey", linewidth=1)
    axes.set_xscale("log", base=2)
    axes.set(xlabel="side of the matrices", ylabel="numpy's time / kernel's time", title=title)
    axes.legend()
    try:
        write_whole(target, picture(axes, target.suffix[1:]))
    except ValueError as error:
        raise UsageError(f"{path}: {error}") from None
    return target
