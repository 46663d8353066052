"""The first page: what there is, the table of formats and rings, pictures, runs.

Invariant: witness and bound stay apart: a cell links to the scheme that is stored, and beside it
stands the rank that the literature claims.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flipsearch.catalogue import Best, Run
from flipsearch.catalogue.queries import as_format
from flipsearch.report import pages
from flipsearch.report.markup import Child, Markup, foreign, table, tag
from flipsearch.rings import Ring

MOST_RUNS = 50


@dataclass(frozen=True)
class Picture:
    """A picture of the site: its file without suffix, and what it shows in words."""

    name: str
    words: str


def index_page(
    cells: Sequence[Best],
    runs: Sequence[Run],
    pictures: Sequence[Picture],
    *,
    site: str,
    stored: int,
    written: Mapping[str, int],
    note: str | None,
    now: dt.datetime,
) -> bytes:
    """Return the page.

    Parameters
    ----------
    cells : sequence of Best
        The table, format by format.
    runs : sequence of Run
        The latest runs.
    pictures : sequence of Picture
        What was drawn.
    site : str
        Heading.
    stored : int
        Schemes in the catalogue.
    written : mapping of str to int
        Formats that have a page, with the number of schemes on it.
    note : str, optional
        What is missing, and why.
    now : datetime
        When the site is written.
    """
    held = [cell for cell in cells if cell.rank is not None]
    compared = [cell.gap for cell in held if cell.gap is not None]
    body: list[Child] = [
        tag(
            "p",
            "Matrix-multiplication schemes, each proved exactly, beside the lowest ranks that "
            "the literature claims. As of ",
            pages.moment(now),
            ".",
        ),
        pages.big_numbers(
            [
                ("schemes stored", pages.number(stored)),
                ("formats", pages.number(len({cell.format for cell in held}))),
                (
                    "format and ring pairs at the known bound",
                    pages.number(sum(gap == 0 for gap in compared)),
                ),
                ("pairs below it", pages.number(sum(gap < 0 for gap in compared))),
            ]
        ),
        tag("h2", "Formats and rings"),
        tag(
            "p",
            "Each cell shows the rank of the best stored scheme, the known bound behind the "
            "slash, and the gap. A scheme over ZT, Z or Q also counts over F2 and F3 if it has an "
            "image there; one over ZT counts over Z and Q.",
        ),
        pages.legend(),
        _controls(),
        pages.status(),
        _table(cells, written),
    ]
    if pictures:
        body += [tag("h2", "Pictures"), pictures_of(pictures)]
    if note:
        body.append(tag("p", note))
    if runs:
        body += [tag("h2", "Runs"), _runs(runs, written)]
    return pages.page(site, body, site=site)


def pictures_of(pictures: Sequence[Picture], home: str = "") -> Markup:
    """Return pictures side by side, each as SVG with the PNG behind a link."""
    return tag(
        "div",
        *(
            pages.figure(
                f"{home}plots/{picture.name}.svg",
                picture.words,
                " ",
                tag("a", "PNG", href=f"{home}plots/{picture.name}.png"),
            )
            for picture in pictures
        ),
        class_="pictures",
    )


def _controls() -> Markup:
    choices = (
        tag(
            "label",
            tag("input", type="radio", name="ring-key", value=value, checked=on),
            f" {value}",
        )
        for value, on in (("gap", True), ("rank", False))
    )
    only = tag(
        "label",
        tag("input", type="checkbox", id="stored-only", checked=True),
        " only formats with a stored scheme",
    )
    sort = tag("fieldset", tag("legend", "Rings sort by"), *choices)
    return pages.tools("best", "Filter", only, sort)


def _table(cells: Sequence[Best], written: Mapping[str, int]) -> Markup:
    rows: dict[str, dict[Ring, Best]] = {}
    for item in cells:
        rows.setdefault(item.format, {})[item.ring] = item
    return table(
        "Best stored rank / known bound and gap, by format and ring. The headings sort.",
        pages.heads("format", "naive", *Ring, "omega", right=1),
        (_row(place, name, row, written) for place, (name, row) in enumerate(rows.items())),
        id="best",
        class_="sortable",
    )


def _row(place: int, name: str, row: Mapping[Ring, Best], written: Mapping[str, int]) -> Markup:
    link = format_link(name, written)
    naive = None if name.startswith("tensor:") else as_format(name).naive_rank
    real = row.get(Ring.Q)
    omega = None
    if real is not None and real.rank is not None and ":" not in name and naive and naive > 1:
        omega = 3 * math.log(real.rank) / math.log(naive)
    stored = any(item.rank is not None for item in row.values())
    return tag(
        "tr",
        tag("th", link, scope="row", data_key=place),
        pages.cell(pages.number(naive), "" if naive is None else naive),
        *(_cell(row.get(ring)) for ring in Ring),
        pages.cell(None if omega is None else f"{omega:.4f}", "" if omega is None else omega),
        data_open=not stored,
    )


def _cell(best: Best | None) -> Markup:
    if best is None:
        return tag("td", class_="n cell", data_gap="", data_rank="", data_key="")
    known = "?" if best.known_bound is None else str(best.known_bound)
    stored = best.rank is not None
    kind = pages.gap_class(best.gap, best.known_bound, stored=stored)
    parts: list[Child] = [tag("span", "-", class_="rank")]
    if best.rank is not None and best.hash is not None:
        over = f"a scheme over {best.over}"
        parts = [
            tag(
                "a",
                best.rank,
                href=f"schemes/{pages.scheme_name(best.hash)}/index.html",
                title=over,
            )
        ]
    parts += [tag("small", f"/{known}"), " ", tag("span", pages.signed(best.gap), class_="gap")]
    return tag(
        "td",
        *parts,
        class_=f"n cell {kind or ''}".strip(),
        data_gap="" if best.gap is None else best.gap,
        data_rank="" if best.rank is None else best.rank,
    )


def format_link(name: str, written: Mapping[str, int], home: str = "") -> Markup:
    """Return a format's name, linked to its page if it has one."""
    shown = tag("bdi", name)
    if name not in written:
        return shown
    return tag("a", shown, href=f"{home}formats/{pages.folder_name(name)}.html")


def _runs(runs: Sequence[Run], written: Mapping[str, int]) -> Markup:
    names = (
        "run",
        "name",
        "format",
        "ring",
        "strategy",
        "status",
        "rank",
        "flips",
        "seconds",
        "started",
    )
    rows = (
        tag(
            "tr",
            tag("th", run.id, scope="row"),
            pages.cell(None if run.name is None else foreign(run.name), class_=None),
            pages.cell(foreign(run.format), class_=None),
            pages.cell(str(run.ring), class_=None),
            pages.cell(foreign(run.strategy), class_=None),
            pages.cell(foreign(run.status), class_=None),
            pages.cell(pages.number(run.best_rank), _key(run.best_rank)),
            pages.cell(pages.number(run.flips), run.flips),
            pages.cell(pages.number(round(run.seconds)), run.seconds),
            pages.cell(pages.moment(run.started), run.started.timestamp(), class_=None),
        )
        for run in runs
    )
    words = f"The latest {MOST_RUNS} searches." if len(runs) == MOST_RUNS else "All searches."
    return table(words, pages.heads(*names), rows, id="runs", class_="sortable")


def _key(value: object) -> object:
    return "" if value is None else value
