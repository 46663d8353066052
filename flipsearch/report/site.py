"""Write the catalogue as a static site.

By default a scheme has a page if it is the best of its format over some ring. Other schemes get a
page only on request, because catalogues of a hundred thousand schemes are usual. The factors of
one scheme at a time are in memory.

Invariant: every link leads to a file of the site. This holds while a search stores more schemes,
because the schemes with a page are chosen at the start. The site appears whole or not at all. It
shows the name of an imported file, never its folder. A cell links to the stored scheme, and shows
the rank that the literature claims separately.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from flipsearch.canvas import PlotError, picture
from flipsearch.catalogue import Best, Bound, Catalogue, Provenance, Record
from flipsearch.catalogue.arguments import names_of
from flipsearch.errors import NotFoundError, UsageError
from flipsearch.files import SUFFIXES
from flipsearch.formats.named import short_name
from flipsearch.report import pages
from flipsearch.report import plots as drawn
from flipsearch.report.facts import WORDS, Facts, downloads_of, facts, figures, row_of
from flipsearch.report.folder import Folder, new_folder
from flipsearch.rings import Ring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_RUNS = 50
MOST_DRAWN = 24
"""Largest number of formats with pictures; formats with the most schemes come first."""
GENERAL = (
    ("runs", "Distance of the latest runs to the known bound, over time.", drawn.gap_over_time),
    ("gaps", "Number of formats at each distance from the known bound.", drawn.gap_histogram),
    ("omega", "Exponent of the best scheme of each general format.", drawn.omega_by_format),
)
OF_A_FORMAT = (
    ("ranks", "Number of schemes of each rank", drawn.rank_histogram),
    (
        "front",
        "Growth factor over additions, with ranks and denominators on the Pareto front",
        drawn.front_of_format,
    ),
)


@dataclass(frozen=True)
class Report:
    """The site that was written: its index, the numbers of its files, a note on missing ones."""

    index: str
    formats: int
    schemes: int
    downloads: int
    pictures: int
    note: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Picture:
    """A picture of the site: the name of its files without suffix, and a description."""

    name: str
    words: str


def write_report(
    catalogue: Catalogue,
    folder: str | Path,
    *,
    everything: bool = False,
    downloads: str = "all",
    title: str = "flipsearch catalogue",
    plots: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Write the catalogue as a static site that works from disk.

    Parameters
    ----------
    catalogue : Catalogue
    folder : path
        A new or empty folder, or one that holds an earlier report and no other files.
    everything : bool
        Whether every scheme gets a page, not only the best over some ring.
    downloads : str
        File formats to offer, separated by commas; ``all`` or ``none``.
    title : str
        Heading of the site.
    plots : bool
        Whether to draw pictures. Without matplotlib the site has none and says so.
    progress : callable, optional
        Called with (schemes written, schemes to write).

    Raises
    ------
    UsageError, OSError
        The folder holds other files or cannot be written, or there is no such file format.
    CatalogueError
        A row of the catalogue is damaged; nothing is written.
    """
    kinds = _kinds(downloads)
    with new_folder(folder) as site:
        writer = _Writer(catalogue, site, kinds, title, everything, progress)
        note = writer.draw() if plots else None
        writer.write_schemes()
        writer.write_index(note)
    return Report(
        index=str(Path(folder) / "index.html"),
        formats=len(writer.written),
        schemes=len(writer.present),
        downloads=writer.files,
        pictures=len(writer.general) + sum(map(len, writer.own.values())),
        note=note,
    )


def _kinds(downloads: str) -> list[str]:
    if downloads in ("all", "none"):
        return list(SUFFIXES) if downloads == "all" else []
    kinds = [kind.strip() for kind in downloads.split(",") if kind.strip()]
    unknown = [kind for kind in kinds if kind not in SUFFIXES]
    if unknown:
        raise UsageError(
            f"unknown file format {unknown[0]!r}: choose from {', '.join(SUFFIXES)}, all, none"
        )
    return list(dict.fromkeys(kinds))


@dataclass
class _Writer:
    """The steps of writing a site, and their common values."""

    catalogue: Catalogue
    folder: Folder
    kinds: Sequence[str]
    title: str
    everything: bool
    progress: Callable[[int, int], None] | None

    def __post_init__(self) -> None:
        schemes = self.catalogue.schemes
        self.rows: dict[str, dict[Ring, Best]] = {}
        for cell in schemes.best_table():
            self.rows.setdefault(cell.format, {})[cell.ring] = cell
        held = [cell for row in self.rows.values() for cell in row.values() if cell.hash]
        if self.everything:
            self.present = {record.hash for record in schemes.records(sort="scheme")}
        else:
            self.present = {cell.hash for cell in held if cell.hash}
        self.counts = {cell.format: schemes.count(format=cell.format) for cell in held}
        self.general: list[Picture] = []
        self.own: dict[str, list[Picture]] = {}
        self.written: set[str] = set()
        self.files = self.done = 0

    def _page(
        self, place: str, template: str, heading: Any, /, *trail: Facts, **shown: Any
    ) -> None:
        """Write a page to a place of the site; `trail` holds the pages above it."""
        above = [("index.html", self.title), *(step for steps in trail for step in steps)]
        data = pages.rendered(
            template,
            heading=heading,
            site=self.title,
            home="../" * place.count("/"),
            trail=above if trail else [],
            **shown,
        )
        self.folder.write(place, data)

    def draw(self) -> str | None:
        """Draw the pictures; return the reason if there are none."""
        try:
            for name, words, make in GENERAL:
                if self._picture(name, make):
                    self.general.append(Picture(name, words))
            most = sorted(self.counts, key=lambda name: -self.counts[name])[:MOST_DRAWN]
            for name in most:
                for kind, words, draw in OF_A_FORMAT if self.counts[name] > 1 else ():
                    file = f"{kind}-{pages.folder_name(name)}"
                    if self._picture(file, partial(draw, format_=name)):
                        own = self.own.setdefault(name, [])
                        own.append(Picture(file, f"{words}: {name}."))
        except PlotError as error:
            return f"No pictures: {error}."
        return None

    def _picture(self, name: str, make: Callable[[Catalogue], Axes]) -> bool:
        try:
            axes = make(self.catalogue)
        except NotFoundError:
            return False
        for form in ("svg", "png"):
            self.folder.write(f"plots/{name}.{form}", picture(axes, form))
        return True

    def write_schemes(self) -> None:
        """Write the pages of the schemes, and of each format after its schemes."""
        known: dict[tuple[str, Ring], Bound] = self.catalogue.bounds.all()
        for name, records in groupby(self._records(), key=lambda one: names_of(one.format)[1]):
            address = f"formats/{pages.folder_name(name)}.html"
            heading = Markup("<bdi>{}</bdi>").format(short_name(name))
            listed = []
            for record in records:
                self._write_scheme(record, [(address, heading)])
                listed.append(replace(record))  # the copy has no factors in memory
                if self.progress is not None:
                    self.progress(self.done, len(self.present))
            cells = self.rows[name].values()
            nothing = {"source": None, "version": None}
            self._page(
                address,
                "format.html",
                heading,
                [(address, heading)],
                name=name,
                cells=cells,
                bounds={cell.ring: known.get((name, cell.ring), nothing) for cell in cells},
                records=listed,
                stored=self.counts[name],
                drawn=self.own.get(name, []),
                sortable=True,
            )
            self.written.add(name)

    def _records(self) -> Iterator[Record]:
        """Yield the schemes with a page, format by format, best first."""
        order = list(Ring)
        for name in self.counts:
            if self.everything:
                found = self.catalogue.schemes.query(format=name, sort="rank,additions")
            else:
                hashes = {cell.hash for cell in self.rows[name].values() if cell.hash is not None}
                found = list(self.catalogue.schemes.by_hash(hashes).values())
            found = [record for record in found if record.hash in self.present]
            yield from sorted(
                found, key=lambda one: (one.rank, order.index(one.ring), one.additions, one.id)
            )

    def _write_scheme(self, record: Record, above: Facts) -> None:
        # a scheme of thousands of products is said by its recipe, from which `export` makes files
        recipe = self.catalogue.schemes.recipe(record)
        scheme = None if recipe else record.scheme
        files = [] if scheme is None else downloads_of(record, self.kinds)
        place = f"schemes/{pages.scheme_name(record.hash)}"
        for file in files:
            self.folder.write(f"{place}/{file.name}", file.data)
        self._page(
            f"{place}/index.html",
            "scheme.html",
            Markup("<bdi>{}</bdi> of rank {} over {}").format(
                short_name(record.format), record.rank, str(record.ring)
            ),
            above,
            [(f"{place}/index.html", record.short)],
            large=figures(record),
            known=facts(record),
            files=files,
            words=WORDS,
            origins=[self._origin(entry) for entry in self.catalogue.schemes.provenance(record)],
            rank=record.rank,
            over=record.ring if record.ring.characteristic else None,
            made=scheme is None,
            products=() if scheme is None else scheme.products(),
            outputs=() if scheme is None else scheme.outputs(),
            sortable=False,
        )
        self.files += len(files)
        self.done += 1

    def _origin(self, entry: Provenance) -> Facts:
        """Return the origin of a scheme, with at most 40 details."""
        source = None if entry.source is None else pages.without_folders(entry.source)
        details = list((entry.details or {}).items())[:40]
        return [
            ("source", pages.reference(source)),
            ("method", pages.foreign(entry.method)),
            ("run", entry.run),
            ("task", entry.task),
            ("seed", entry.seed),
            ("lifted from", self._link(entry.lifted_from)),
            ("made from", self._link(entry.parent)),
            *((k[:80], pages.foreign(pages.without_folders(str(v)))) for k, v in details),
        ]

    def _link(self, name: str | None) -> Markup | None:
        """Return the hash of a scheme, as a link if the scheme has a page."""
        if name is None or name not in self.present:
            return None if name is None else pages.code(name)
        return pages.link(f"../{pages.scheme_name(name)}/index.html", pages.code(name[:12]))

    def write_index(self, note: str | None) -> None:
        """Write the first page."""
        cells = [cell for row in self.rows.values() for cell in row.values()]
        gaps = [cell.gap for cell in cells if cell.rank is not None and cell.gap is not None]
        counts = {
            "schemes stored": len(self.catalogue.schemes),
            "formats": len({cell.format for cell in cells if cell.rank is not None}),
            "format and ring pairs at the known bound": gaps.count(0),
            "pairs below it": sum(gap < 0 for gap in gaps),
        }
        self._page(
            "index.html",
            "index.html",
            self.title,
            counts=[(name, pages.number(count)) for name, count in counts.items()],
            rows={name: row_of(name, row) for name, row in self.rows.items()},
            rings=list(Ring),
            written=self.written,
            general=self.general,
            note=note,
            runs=self.catalogue.runs.all(MOST_RUNS),
            most_runs=MOST_RUNS,
            now=dt.datetime.now(dt.UTC),
            sortable=True,
        )
