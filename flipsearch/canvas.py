"""Where pictures are drawn: figures without pyplot, and the bytes of a finished one.

matplotlib is an optional dependency, imported only here and only when something is drawn; nothing
global of it is touched (no pyplot, no style left behind).

Invariant: text of others is drawn as it is, never read as a formula; the same figure gives the
same bytes.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from flipsearch.errors import FlipsearchError

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class PlotError(FlipsearchError):
    """A picture that cannot be drawn on this machine; the message says what to install."""


def axes_or_new(axes: Axes | None) -> Any:
    """Return the axes given, or those of a new figure."""
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
    """Return text of others for a picture: short, printable, not read as a formula."""
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    short = shown if len(shown) <= 60 else shown[:57] + "..."
    return short.replace("$", r"\$")


def whole_numbers(axis: Any) -> None:
    """Put the ticks of an axis on whole numbers."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(integer=True))


def picture(axes: Axes, form: str) -> bytes:
    """Return the figure of some axes as the content of a ``png`` or ``svg`` file.

    The same figure gives the same bytes: no date, no random identifiers.
    """
    from matplotlib import rc_context

    data = io.BytesIO()
    metadata = {"Date": None} if form == "svg" else {}
    with rc_context({"svg.hashsalt": "flipsearch"}):
        figure: Any = axes.get_figure(root=True)
        figure.savefig(data, format=form, dpi=150, metadata=metadata)
    return data.getvalue()
