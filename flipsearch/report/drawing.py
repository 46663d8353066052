"""Draw one picture of a run, a format or the catalogue into a file, for the command ``plot``.

Invariant: the file holds a whole picture or its earlier content.
"""

from __future__ import annotations

from pathlib import Path

from flipsearch.canvas import picture
from flipsearch.catalogue import Catalogue, Run
from flipsearch.errors import NotFoundError, UsageError
from flipsearch.files import write_atomically
from flipsearch.report.plots import (
    front_of_format,
    omega_by_format,
    rank_histogram,
    rank_over_time,
)
from flipsearch.rings import Ring

SUFFIXES = (".png", ".svg")
KINDS = ("history", "ranks", "front", "omega")


def write_plot(
    catalogue: Catalogue,
    what: str | None,
    path: str | Path,
    *,
    kind: str | None = None,
    ring: str | None = None,
    force: bool = False,
) -> Path:
    """Draw one picture of `what`, a run (number or name) or a format, into a file, atomically.

    The suffix of the file, ``.png`` or ``.svg``, is its format. `kind` is one of `KINDS`: by
    default ``history`` for a run, ``ranks`` for a format, ``omega`` without either. With `ring`
    only schemes over it are drawn (``ranks``, ``front`` and ``omega``).

    Raises
    ------
    UsageError
        The suffix is another one, `what` is missing for that kind, or the file exists and `force`
        is not set.
    NotFoundError, PlotError
        There is no such run, or nothing to draw; or matplotlib is not installed.
    """
    target = Path(path)
    suffix = target.suffix.lower()
    if suffix not in SUFFIXES:
        raise UsageError(f"cannot draw into {target.name!r}: end the name in .png or .svg")
    run = None
    if what is not None and kind in (None, "history"):
        run = _run(catalogue, what)
    chosen = kind or ("omega" if what is None else "ranks" if run is None else "history")
    if ring is not None and chosen == "history":
        raise UsageError("--ring goes with a format: a run searched one ring")
    if chosen == "omega":
        axes = omega_by_format(catalogue, ring=ring or Ring.Q)
    elif what is None:
        raise UsageError(f"name a {'run' if chosen == 'history' else 'format'} to draw")
    elif chosen == "history":
        if run is None:
            raise NotFoundError(f"there is no run {what}: flipsearch runs lists them")
        axes = rank_over_time(catalogue, run)
    elif what.isdecimal():
        raise NotFoundError(f"there is no run {what}: flipsearch runs lists them")
    else:
        draw = front_of_format if chosen == "front" else rank_histogram
        axes = draw(catalogue, what, ring=ring)
    write_atomically(target, picture(axes, suffix[1:]), force=force)
    return target


def _run(catalogue: Catalogue, what: str) -> Run | None:
    """Return the run with a number or name, or None."""
    if what.isdecimal():
        return catalogue.runs.find(int(what)) if len(what) <= 18 else None
    return catalogue.runs.find(what)
