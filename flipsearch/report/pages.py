"""What every page has: head, way back, foot; and how figures, moments and gaps are shown.

Invariant: a page is complete without its script, loads nothing but pictures beside it, and its
identifiers are unique.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from hashlib import sha256

from flipsearch import __version__
from flipsearch.report.assets import POLICY, SCRIPT, STYLE
from flipsearch.report.markup import Child, Markup, escape, join, tag
from flipsearch.rings import Ring

RING_NAMES = {
    Ring.F2: "the field of two elements",
    Ring.F3: "the field of three elements",
    Ring.ZT: "coefficients -1, 0 and 1, exact over the integers",
    Ring.Z: "the integers",
    Ring.Q: "the rationals",
}
_FOLDERS = re.compile(r"""(?<![^\s'"(\[])(?:file://)?(?:/|~|[A-Za-z]:[\\/])(?=\S)[^,\n]*[\\/]""")
GAPS = (
    ("better", "below the known bound"),
    ("even", "reaches it"),
    ("near", "at most 2 % above"),
    ("far", "at most 10 % above"),
    ("farther", "more than 10 % above"),
    ("open", "no scheme stored"),
)


def page(
    title: Child,
    body: Sequence[Child],
    *,
    site: str,
    trail: Sequence[tuple[str, Child]] = (),
    home: str = "",
    script: bool = True,
) -> bytes:
    """Return a page as UTF-8.

    Parameters
    ----------
    title : str or Markup
        Its heading.
    body : sequence
        What follows.
    site : str
        Name of the site.
    trail : sequence of (address, name)
        The pages above this one.
    home : str
        The way from this page to the site's folder, such as ``../../``.
    script : bool
        Whether there is a table to sort or filter.
    """
    plain = re.sub(r"<[^>]*>", "", escape(title))
    steps = [
        tag("li", tag("a", name, href=home + address, aria_current=place == len(trail) and "page"))
        for place, (address, name) in enumerate(trail, start=1)
    ]
    way = tag("nav", tag("ol", *steps), aria_label="Breadcrumb") if steps else None
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="generator", content=f"flipsearch {__version__}"),
        tag("meta", name="referrer", content="no-referrer"),
        tag("link", rel="icon", href="data:,"),
        tag("title", Markup(plain), f" - {site}" if trail else None),
        tag("style", Markup(STYLE)),
    )
    content = tag(
        "body",
        tag("a", "Skip to content", href="#content", class_="skip"),
        tag("header", way, tag("h1", title)),
        tag("main", *body, id="content", tabindex=-1),
        tag(
            "footer",
            tag(
                "p",
                Markup("Made by "),
                f"flipsearch {__version__}",
                ". Every scheme shown was ",
                "proved by its Brent equations; a known bound is cited, not proved here.",
            ),
        ),
        tag("script", Markup(SCRIPT)) if script else None,
    )
    return ("<!DOCTYPE html>\n" + tag("html", head, content, lang="en") + "\n").encode()


def folder_name(format_: str) -> str:
    """Return a file name for a format's page, another one for every format.

    ``4x4x4`` stays, ``ug:4x4x4`` becomes ``ug-4x4x4``; anything else gets a digest.
    """
    plain = format_.replace(":", "-", 1)
    if re.fullmatch(r"(?:[a-z]{2}-)?[0-9]+x[0-9]+x[0-9]+[abc]?", plain):
        return plain
    kept = re.sub(r"[^a-z0-9.-]+", "-", format_.lower())[:60].strip("-.")
    return f"{kept or 'format'}_{sha256(format_.encode()).hexdigest()[:8]}"


def scheme_name(hash_: str) -> str:
    """Return the name of a scheme's folder."""
    return hash_[:16]


def without_folders(text: str) -> str:
    """Return text with absolute paths cut down to their last part, for what will be published."""
    return _FOLDERS.sub("", text)


def gap_class(gap: int | None, bound: int | None, *, stored: bool = True) -> str | None:
    """Return the class of `GAPS` that colours a gap; None where no bound is known."""
    if not stored:
        return "open"
    if gap is None or not bound:
        return None
    for name, most in (("better", -1), ("even", 0), ("near", 0.02), ("far", 0.1)):
        if gap <= (most if most in (-1, 0) else most * bound):
            return name
    return "farther"


def legend() -> Markup:
    """Return what the colours mean."""
    return tag("ul", *(tag("li", text, class_=name) for name, text in GAPS), class_="legend")


def signed(gap: int | None) -> str | None:
    """Return a gap with its sign, ``0`` without one."""
    return None if gap is None else f"{gap:+d}" if gap else "0"


def number(value: float | None, digits: int = 6) -> str | None:
    """Return a figure as people write it, thousands apart."""
    if value is None:
        return None
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}".replace(",", "\u202f")
    return f"{value:.{digits}g}"


def cell(value: Child, key: object = None, class_: str | None = "n") -> Markup:
    """Return a table cell with what to sort it by, if not by what it shows."""
    return tag("td", value, class_=class_, data_key=None if key is None else str(key))


def heads(*names: Child, right: int = 10**6) -> list[Markup]:
    """Return column headings; those from number `right` on stand to the right."""
    return [
        tag("th", name, scope="col", class_="n" if place >= right else None)
        for place, name in enumerate(names)
    ]


def moment(when: dt.datetime | None) -> Markup | None:
    """Return a moment in UTC, to the minute."""
    if when is None:
        return None
    there = when.astimezone(dt.UTC)
    return tag(
        "time",
        there.strftime("%Y-%m-%d %H:%M UTC"),
        datetime=there.strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


def day(when: dt.datetime) -> Markup:
    """Return the day of a moment, in UTC."""
    there = when.astimezone(dt.UTC).strftime("%Y-%m-%d")
    return tag("time", there, datetime=there)


def facts(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Return names with their values; those without a value are left out."""
    shown = [(name, value) for name, value in pairs if value is not None and value != ""]
    inner = join(join((tag("dt", name), tag("dd", value))) for name, value in shown)
    return tag("dl", inner, class_="facts")


def big_numbers(pairs: Sequence[tuple[str, Child]]) -> Markup:
    """Return a row of figures with what they count."""
    boxes = [tag("div", tag("dt", name), tag("dd", value)) for name, value in pairs]
    return tag("dl", *boxes, class_="numbers")


def figure(address: str, words: str, *more: Child) -> Markup:
    """Return a picture with its words."""
    image = tag("img", src=address, alt=words, width=640, height=420, loading="lazy")
    return tag("figure", image, tag("figcaption", words, *more))


def tools(table: str, label: str, *more: Child) -> Markup:
    """Return the filter of a table, shown by the script only."""
    search = tag("input", type="search", id=f"{table}-filter", autocomplete="off")
    return tag(
        "div",
        tag("label", label, " ", search),
        *more,
        class_="tools",
        data_table=table,
        hidden=True,
    )


def status() -> Markup:
    """Return the line in which the script says what it did."""
    return tag("p", id="status", role="status", class_="dim")
