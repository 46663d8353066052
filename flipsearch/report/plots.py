"""Draw pictures of the catalogue; each function draws on matplotlib axes and returns them.

The axes may belong to any figure; by default they are those of a new one. Global state of
matplotlib is not changed, and given axes are not styled. Without matplotlib a `PlotError` is
raised.

Invariant: this module only reads. A picture without data is a `NotFoundError`, never empty.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from flipsearch.canvas import axes_or_new, plain, whole_numbers
from flipsearch.catalogue import Catalogue, Run
from flipsearch.catalogue.arguments import as_ring, names_of
from flipsearch.errors import NotFoundError
from flipsearch.formats import Format, parse_format
from flipsearch.report.history import best_over_time
from flipsearch.rings import Ring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RUNS = 10
COLOURS = {
    Ring.F2: "#0072b2",
    Ring.F3: "#009e73",
    Ring.ZT: "#d55e00",
    Ring.Z: "#cc79a7",
    Ring.Q: "#6a5acd",
}
"""Colours that most colour-blind people can distinguish (Okabe and Ito 2008, except for Q)."""


def rank_over_time(catalogue: Catalogue, run: Run | int | str, axes: Axes | None = None) -> Axes:
    """Draw the best rank of one run (or its number or name) over the time since its start."""
    known = run if isinstance(run, Run) else catalogue.runs.get(run)
    steps = best_over_time(catalogue, known)
    if not steps:
        raise NotFoundError(f"run {known.id} has stored no scheme: there is nothing to draw")
    axes = axes_or_new(axes)
    end = (known.finished or known.heartbeat) - known.started
    unit, name = _unit(max(end.total_seconds(), steps[-1].seconds))
    times = [step.seconds / unit for step in steps]
    ranks = [step.rank for step in steps]
    last = max(end.total_seconds() / unit, times[-1])
    axes.step([*times, last], [*ranks, ranks[-1]], where="post", color=COLOURS[known.ring])
    axes.plot(times, ranks, "o", color=COLOURS[known.ring], label=f"run {known.id}")
    bound = catalogue.bounds.known(known.format, known.ring)
    if bound is not None:
        axes.axhline(bound.value, color="#555", linestyle="--", label=f"known: {bound.value}")
    axes.set_xlim(left=0)
    title = f"{known.format} over {known.ring}, {known.strategy}"
    title = plain(f"{title}, {known.name}" if known.name else title)
    axes.set(xlabel=f"time since start ({name})", ylabel="best rank", title=title)
    whole_numbers(axes.yaxis)
    axes.legend()
    return axes


def gap_over_time(catalogue: Catalogue, axes: Axes | None = None) -> Axes:
    """Draw the distance of the latest runs from the known bound over the time since they began."""
    drawn = []
    for run in catalogue.runs.all(20 * MOST_RUNS):
        bound = catalogue.bounds.known(run.format, run.ring)
        steps = best_over_time(catalogue, run) if bound is not None else []
        if bound is not None and steps:
            drawn.append((run, bound.value, steps))
        if len(drawn) == MOST_RUNS:
            break
    if not drawn:
        raise NotFoundError("no run has stored a scheme with a known bound to compare with")
    axes = axes_or_new(axes)
    for number, (run, known, steps) in enumerate(drawn):
        end = ((run.finished or run.heartbeat) - run.started).total_seconds()
        times = [max(step.seconds, 0.01) for step in steps]
        gaps = [step.rank - known for step in steps]
        axes.step(
            [*times, max(end, times[-1])],
            [*gaps, gaps[-1]],
            where="post",
            marker="oss^vD"[number % 6],
            markersize=4,
            label=plain(f"{run.id}: {run.format} {run.ring}"),
        )
    axes.axhline(0, color="#555", linestyle="--")
    axes.set_xscale("log")
    axes.set(xlabel="seconds since start", ylabel="best rank - known bound", title="Latest runs")
    whole_numbers(axes.yaxis)
    axes.legend(fontsize="small", title="run")
    return axes


def rank_histogram(
    catalogue: Catalogue,
    format_: str | Format,
    *,
    ring: str | Ring | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the number of stored schemes of each rank for a format in any order of its sides.

    With `ring` only schemes over it count; Z includes ZT, and Q includes both.
    """
    name = names_of(format_)[1]
    counts: dict[Ring, Counter[int]] = {}
    for record in catalogue.schemes.records(format=format_, ring=ring):
        counts.setdefault(record.ring, Counter())[record.rank] += 1
    if not counts:
        over = "" if ring is None else f" over {as_ring(ring)}"
        raise NotFoundError(f"no scheme is stored for {name}{over}: there is nothing to draw")
    axes = axes_or_new(axes)
    below: Counter[int] = Counter()
    for held, counter in sorted(counts.items(), key=lambda item: list(Ring).index(item[0])):
        ranks = sorted(counter)
        axes.bar(
            ranks,
            [counter[rank] for rank in ranks],
            bottom=[below[rank] for rank in ranks],
            color=COLOURS[held],
            width=0.8,
            label=str(held),
        )
        below.update(counter)
    rings = [as_ring(ring)] if ring is not None else sorted(counts)
    found = [catalogue.bounds.known(format_, held) for held in rings]
    for value in sorted({bound.value for bound in found if bound is not None}):
        names = [held.ring for held in found if held is not None and held.value == value]
        label = f"known: {value} ({', '.join(sorted(set(names)))})"
        axes.axvline(value, color="#333", linestyle="--", linewidth=1, label=label)
    if min(below) == max(below):
        axes.set_xlim(min(below) - 3, max(below) + 3)
    axes.set(xlabel="rank", ylabel="schemes", title=plain(f"{name}: ranks of stored schemes"))
    whole_numbers(axes.xaxis)
    whole_numbers(axes.yaxis)
    axes.legend(fontsize="small")
    return axes


def front_of_format(
    catalogue: Catalogue,
    format_: str | Format,
    *,
    ring: str | Ring | None = None,
    axes: Axes | None = None,
) -> Axes:
    """Draw the Pareto front of a format: growth factor over additions, with rank and denominator.

    Filled points are on the front that `Filters.front` defines; each has its rank as label, and
    its greatest denominator if that is above 1. Circles are the other schemes. Fault-tolerant
    unions are left out, and so are schemes over finite fields, which have no growth factor.

    Parameters
    ----------
    catalogue : Catalogue
        The catalogue that stores the schemes.
    format_ : str or Format
        The format, in any order of its sides.
    ring : str or Ring, optional
        Draw only schemes over this ring; Z includes ZT, and Q includes both.
    axes : Axes, optional
        The axes to draw on; by default those of a new figure.

    Raises
    ------
    NotFoundError
        No scheme of characteristic 0 is stored.
    PlotError
        matplotlib is not installed.
    """
    name = names_of(format_)[1]
    wanted = Ring.Q if ring is None else as_ring(ring)
    best = {r.hash for r in catalogue.schemes.records(format=format_, ring=wanted, front=True)}
    records = [
        record
        for record in catalogue.schemes.records(format=format_, ring=wanted, sort="rank,additions")
        if record.survives is None and record.growth is not None
    ]
    if not records:
        raise NotFoundError(f"no scheme for {name} with a growth factor is stored over {wanted}")
    axes = axes_or_new(axes)
    for held in (Ring.ZT, Ring.Z, Ring.Q):
        for on_front in (True, False):
            chosen = [r for r in records if r.ring is held and (r.hash in best) is on_front]
            if chosen:
                axes.scatter(
                    [record.fewest_additions for record in chosen],
                    [float(record.growth or 0.0) for record in chosen],
                    s=36 if on_front else 16,
                    facecolors=COLOURS[held] if on_front else "none",
                    edgecolors=COLOURS[held],
                    label=f"{held}, on the front" if on_front else str(held),
                )
    for record in records:
        if record.hash in best:
            below = record.greatest_denominator or 1
            axes.annotate(
                f"rank {record.rank}" + (f", /{below}" if below > 1 else ""),
                (record.fewest_additions, float(record.growth or 0.0)),
                xytext=(5, 5),
                textcoords="offset points",
                fontsize="small",
            )
    axes.set(xlabel="additions, with shared sums", ylabel="growth factor")
    axes.set_title(plain(f"{name}: Pareto front"))
    axes.margins(0.15)
    whole_numbers(axes.xaxis)
    axes.legend(fontsize="small")
    return axes


def gap_histogram(catalogue: Catalogue, axes: Axes | None = None) -> Axes:
    """Draw the number of formats at each distance from the known bound, by ring."""
    counts = {ring: Counter[int]() for ring in Ring}
    for cell in catalogue.schemes.best_table():
        if cell.gap is not None:
            counts[cell.ring][max(-3, min(cell.gap, 10))] += 1
    gaps = sorted({gap for counter in counts.values() for gap in counter})
    if not gaps:
        raise NotFoundError("no scheme with a known bound is stored: there is nothing to draw")
    axes = axes_or_new(axes)
    width = 0.8 / len(counts)
    for number, (ring, counter) in enumerate(counts.items()):
        axes.bar(
            [gap - 0.4 + width * (number + 0.5) for gap in gaps],
            [counter[gap] for gap in gaps],
            width=width,
            color=COLOURS[ring],
            label=str(ring),
        )
    axes.set_xticks(gaps, [_gap_name(gap) for gap in gaps])
    axes.set(xlabel="best stored rank - known bound", ylabel="formats")
    axes.set_title("Distance to the known bounds")
    whole_numbers(axes.yaxis)
    axes.legend(fontsize="small")
    return axes


def omega_by_format(
    catalogue: Catalogue, *, ring: str | Ring = Ring.Q, axes: Axes | None = None
) -> Axes:
    """Draw the exponent omega of the best scheme of each general format over its size.

    `ring` is that of the schemes; by default Q, the schemes that work on real numbers.
    """
    wanted = as_ring(ring)
    points = []
    for cell in catalogue.schemes.best_table((wanted,)):
        if cell.format.startswith("tensor:") or ":" in cell.format or cell.rank is None:
            continue
        volume = math.prod(parse_format(cell.format).sides)
        if volume > 1 and cell.rank > 1:
            reached = cell.gap is not None and cell.gap <= 0
            omega = 3 * math.log(cell.rank) / math.log(volume)
            points.append((volume ** (1 / 3), omega, cell.format, reached))
    if not points:
        raise NotFoundError(f"no scheme of a general format is stored over {wanted}")
    axes = axes_or_new(axes)
    for reached, label, face in (
        (True, "reaches the known bound", COLOURS[Ring.F2]),
        (False, "does not", "none"),
    ):
        chosen = [point for point in points if point[3] is reached]
        if chosen:
            axes.scatter(
                [point[0] for point in chosen],
                [point[1] for point in chosen],
                s=22,
                facecolors=face,
                edgecolors=COLOURS[Ring.F2],
                label=label,
            )
    axes.axhline(math.log2(7), color="#555", linestyle="--", linewidth=1, label="log2 7")
    for x, omega, name, _ in sorted(points, key=lambda point: point[1])[:4]:
        axes.annotate(
            name, (x, omega), xytext=(4, -10), textcoords="offset points", fontsize="small"
        )
    axes.set(xlabel="size of the format, (nmp)^(1/3)", ylabel="omega = 3 log R / log nmp")
    axes.set_title(f"Exponent by format, over {wanted}")
    axes.margins(0.08)
    axes.legend(fontsize="small")
    return axes


def _unit(seconds: float) -> tuple[float, str]:
    for unit, name in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * unit:
            return unit, name
    return 1.0, "seconds"


def _gap_name(gap: int) -> str:
    if gap <= -3:
        return "-3 or less"
    return "10+" if gap >= 10 else f"{gap:+d}" if gap else "0"
