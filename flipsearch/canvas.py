"""Make figures without pyplot, and turn finished figures into bytes.

matplotlib is an optional dependency. It is imported only here and only for drawing, and its global
state (pyplot, styles) is not changed.

Invariant: foreign text is drawn as it is and never read as a formula. The same figure gives the
same bytes.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from flipsearch.errors import FlipsearchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PlotError(FlipsearchError):
    """Pictures cannot be drawn on this machine; the message names the package to install."""


def axes_or_new(axes: Axes | None) -> Any:
    """Return the given axes, or the axes of a new figure."""
    if axes is not None:
        return axes
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise PlotError(
            "drawing needs matplotlib: install it with pip install 'flipsearch[plot]'"
        ) from None
    fresh = Figure(figsize=(6.4, 4.2), layout="constrained").subplots()
    fresh.spines[["top", "right"]].set_visible(False)
    fresh.grid(axis="y", color="#ddd", linewidth=0.6)
    fresh.set_axisbelow(True)
    return fresh


def plain(text: str) -> str:
    """Return foreign text for a picture: short, printable and not read as a formula."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    short = shown if len(shown) <= 60 else shown[:57] + "..."
    return short.replace("$", r"\$")


def whole_numbers(axis: Any) -> None:
    """Put the ticks of an axis on whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def picture(axes: Axes, form: str) -> bytes:
    """Return the figure of axes as the bytes of a ``png`` or ``svg`` file.

    The same figure gives the same bytes: they contain no date and no random identifiers.
    """
    from matplotlib import rc_context

    data = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {}
    with rc_context({"svg.hashsalt": "flipsearch"}):
        figure: Any = axes.get_figure(root=True)
        figure.savefig(data, format=form, dpi=150, metadata=metadata)
    return data.getvalue()
