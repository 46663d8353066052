"""HTML from Python values, escaped by construction.

Names of runs, sources and tensors come from files and users. Whatever is not `Markup` is escaped,
so that a page holds a tag only if this program wrote it.

Invariant: every string that enters through `tag`, `join` or `foreign` is escaped exactly once;
control characters become U+FFFD.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_VOID = frozenset(("meta", "link", "img", "input", "br", "hr"))
LONGEST_FOREIGN = 2000


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | None


def escape(value: object) -> Markup:
    """Return a value as HTML text, safe in content and in quoted attributes."""
    if isinstance(value, Markup):
        return value
    return Markup(html.escape(_CONTROL.sub("\ufffd", str(value)), quote=True))


def join(children: Iterable[Child], between: str = "") -> Markup:
    """Return the children one after the other; None is nothing."""
    return Markup(escape(between).join(escape(child) for child in children if child is not None))


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Markup:
    """Return an element.

    Parameters
    ----------
    name : str
        Its tag.
    *children : str, int or None
        Its content: text is escaped, `Markup` is not, None is left out.
    **attributes : str, int, bool or None
        A trailing underscore is dropped (``class_``), others become hyphens (``data_key``). True
        is an attribute without a value; False and None leave it out.
    """
    parts = [name]
    for key, value in attributes.items():
        written = key.rstrip("_").replace("_", "-")
        if value is True:
            parts.append(written)
        elif value is not None and value is not False:
            parts.append(f'{written}="{escape(value)}"')
    opening = f"<{' '.join(parts)}>"
    return Markup(opening if name in _VOID else f"{opening}{join(children)}</{name}>")


def foreign(text: object) -> Markup:
    """Return text of others: cut when absurdly long, its direction kept inside."""
    written = str(text)
    if len(written) > LONGEST_FOREIGN:
        written = written[:LONGEST_FOREIGN] + " ..."
    return tag("bdi", written)


def reference(text: str) -> Markup:
    """Return text of others as a link if it is a web address, else as `foreign` does."""
    if re.fullmatch(r"https?://[!-~]+", text) and len(text) <= LONGEST_FOREIGN:
        return tag("a", foreign(text), href=text, rel="noopener noreferrer")
    return foreign(text)


def table(
    caption: Child,
    columns: Iterable[Markup],
    rows: Iterable[Markup],
    **attributes: str | int | bool | None,
) -> Markup:
    """Return a table that scrolls sideways on narrow screens, reachable by keyboard."""
    body = tag(
        "table",
        tag("caption", caption),
        tag("thead", tag("tr", *columns)),
        tag("tbody", join(rows, Markup("\n"))),
        **attributes,
    )
    label = re.sub(r"<[^>]*>", "", str(escape(caption)))
    named = Markup(label.split(".")[0])
    return tag("div", body, class_="scroll", role="region", tabindex=0, aria_label=named)
