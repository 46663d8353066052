"""The page of a format: bounds with their sources beside what is stored, and its schemes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flipsearch.catalogue import Best, Bound, Record
from flipsearch.report import pages
from flipsearch.report.index_page import Picture, pictures_of
from flipsearch.report.markup import Child, Markup, foreign, reference, table, tag
from flipsearch.rings import Ring


def format_page(
    name: str,
    cells: Sequence[Best],
    bounds: Mapping[Ring, Bound],
    records: Sequence[Record],
    *,
    site: str,
    stored: int,
    pictures: Sequence[Picture] = (),
) -> bytes:
    """Return the page, to lie one folder below the site's.

    Parameters
    ----------
    name : str
        The format as tabulated: its sides in order.
    cells : sequence of Best
        Its row of the table of the best.
    bounds : mapping of Ring to Bound
        What is known, with sources.
    records : sequence of Record
        The schemes to list; each has a page.
    site : str
        Name of the site.
    stored : int
        How many of this format the catalogue holds.
    pictures : sequence of Picture
        What was drawn of it.
    """
    some = "" if stored == len(records) else f" The best of {stored} stored ones."
    words = f"Schemes for {name}, with any order of its sides.{some}"
    body: list[Child] = [
        tag("h2", "Known bounds and what is stored"),
        pages.legend(),
        _rings(name, cells, bounds),
        tag("h2", "Schemes"),
        pages.tools("schemes", "Filter") if len(records) > 10 else None,
        pages.status(),
        _schemes(words, records),
    ]
    if pictures:
        body += [tag("h2", "Pictures"), pictures_of(pictures, "../")]
    return pages.page(
        tag("bdi", name),
        body,
        site=site,
        home="../",
        trail=[
            ("index.html", site),
            (f"formats/{pages.folder_name(name)}.html", tag("bdi", name)),
        ],
    )


def _rings(name: str, cells: Sequence[Best], bounds: Mapping[Ring, Bound]) -> Markup:
    rows = []
    for best in cells:
        bound = bounds.get(best.ring)
        kind = pages.gap_class(best.gap, best.known_bound, stored=best.rank is not None)
        witness: Child = None
        if best.rank is not None and best.hash is not None:
            address = f"../schemes/{pages.scheme_name(best.hash)}/index.html"
            over = "" if best.over is best.ring else f" (over {best.over})"
            witness = tag("a", f"{best.rank}{over}", href=address)
        rows.append(
            tag(
                "tr",
                tag("th", str(best.ring), scope="row"),
                pages.cell(witness),
                pages.cell(best.known_bound),
                pages.cell(pages.signed(best.gap), class_=f"n {kind or ''}".strip()),
                tag("td", None if bound is None else reference(bound.source)),
                tag("td", None if bound is None else foreign(bound.version)),
            )
        )
    names = ("ring", "stored", "known bound", "gap", "source of the bound", "table")
    caption = f"{name}: a stored scheme is proved, a known bound is cited."
    return table(caption, pages.heads(*names), rows, id="rings")


def _schemes(words: str, records: Sequence[Record]) -> Markup:
    names = (
        "scheme",
        "format",
        "ring",
        "rank",
        "gap",
        "additions",
        "nonzeros",
        "growth",
        "omega",
        "source",
        "stored",
    )
    rows = (
        tag(
            "tr",
            tag(
                "th",
                tag(
                    "a",
                    tag("code", record.short),
                    href=f"../schemes/{pages.scheme_name(record.hash)}/index.html",
                ),
                scope="row",
                data_key=f"#{record.short}",
            ),
            pages.cell(tag("bdi", str(record.format)), class_=None),
            pages.cell(str(record.ring), class_=None),
            pages.cell(pages.number(record.rank), record.rank),
            pages.cell(
                pages.signed(record.gap),
                "" if record.gap is None else record.gap,
                f"n {pages.gap_class(record.gap, record.known_bound) or ''}".strip(),
            ),
            pages.cell(pages.number(record.additions), record.additions),
            pages.cell(pages.number(record.nonzeros), record.nonzeros),
            pages.cell(
                pages.number(record.growth, 4), "" if record.growth is None else record.growth
            ),
            pages.cell(f"{record.omega:.4f}", record.omega),
            pages.cell(foreign(_short(record.source)), class_=None),
            pages.cell(pages.day(record.stored), record.stored.timestamp(), None),
        )
        for record in records
    )
    return table(words, pages.heads(*names), rows, id="schemes", class_="sortable")


def _short(source: str) -> str:
    source = pages.without_folders(source)
    return source if len(source) <= 60 else source[:57] + "..."
