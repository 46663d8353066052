"""The catalogue as a static site: which pages there are, and the order in which they are made.

By default every scheme that is the best of its format over some ring has a page; everything else
only on demand, because catalogues of a hundred thousand schemes are usual. Factors are held one
scheme at a time.

Invariant: every link leads to a file of the site, also while a search goes on storing: what gets a
page is settled at the start. The site appears whole or not at all.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flipsearch.catalogue import Best, Bound, Catalogue, Record
from flipsearch.catalogue.queries import names_of
from flipsearch.errors import NotFoundError, UsageError
from flipsearch.files import SUFFIXES
from flipsearch.report import plots as drawn
from flipsearch.report.canvas import PlotError, picture
from flipsearch.report.folder import Folder, new_folder
from flipsearch.report.format_page import format_page
from flipsearch.report.index_page import MOST_RUNS, Picture, index_page
from flipsearch.report.pages import folder_name, scheme_name
from flipsearch.report.scheme_page import downloads as files_of
from flipsearch.report.scheme_page import scheme_page
from flipsearch.rings import Ring

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_HISTOGRAMS = 24
"""Formats that get a picture of their own: those of which most is stored."""


@dataclass(frozen=True)
class Report:
    """What was written: where, how much, and what is missing (`note`)."""

    index: str
    formats: int
    schemes: int
    downloads: int
    pictures: int
    note: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


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
        What to show.
    folder : path
        Where: a new or empty folder, or one that holds an earlier report and nothing else.
    everything : bool
        Whether every scheme gets a page, not only those that are best over some ring.
    downloads : str
        File formats to offer, separated by commas; ``all`` or ``none``.
    title : str
        Heading of the site.
    plots : bool
        Whether to draw pictures; without matplotlib the site has none, and says so.
    progress : callable, optional
        Called with (schemes written, schemes to write).

    Returns
    -------
    Report
        What was written.

    Raises
    ------
    UsageError
        The folder holds something else, or there is no such file format.
    CatalogueError
        A row of the catalogue is damaged; nothing is written.
    OSError
        The folder cannot be written.
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
        schemes=sum(writer.written.values()),
        downloads=writer.files,
        pictures=writer.count_pictures(),
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


class _Writer:
    """The steps of writing a site, and what they share."""

    def __init__(
        self,
        catalogue: Catalogue,
        folder: Folder,
        kinds: Sequence[str],
        title: str,
        everything: bool,
        progress: Callable[[int, int], None] | None,
    ) -> None:
        self.catalogue, self.folder, self.kinds, self.title = catalogue, folder, kinds, title
        self.everything, self.progress = everything, progress
        self.cells = catalogue.best_table()
        self.rows: dict[str, list[Best]] = {}
        for cell in self.cells:
            self.rows.setdefault(cell.format, []).append(cell)
        if everything:
            self.present = {record.hash for record in catalogue.records(sort="scheme")}
        else:
            self.present = {cell.hash for cell in self.cells if cell.hash is not None}
        self.counts = {name: catalogue.count(format=name) for name in self._held()}
        self.general: list[Picture] = []
        self.own: dict[str, Picture] = {}
        self.written: dict[str, int] = {}
        self.files = 0
        self.done = 0

    def _held(self) -> list[str]:
        """Return the formats of which something is stored, in order."""
        return [
            name
            for name, cells in self.rows.items()
            if any(cell.rank is not None for cell in cells)
        ]

    def draw(self) -> str | None:
        """Draw the pictures; return why there are none, if there are none."""
        catalogue = self.catalogue
        general: list[tuple[str, str, Callable[[], Axes]]] = [
            (
                "runs",
                "Best rank over time of the latest runs, as the distance to the known bound.",
                partial(drawn.gap_over_time, catalogue),
            ),
            (
                "gaps",
                "How many formats are how far from the known bound, ring by ring.",
                partial(drawn.gap_histogram, catalogue),
            ),
            (
                "omega",
                "The exponent of the best scheme of each general format over its size.",
                partial(drawn.omega_by_format, catalogue),
            ),
        ]
        try:
            for name, words, make in general:
                if self._picture(name, make):
                    self.general.append(Picture(name, words))
            most = sorted(self.counts, key=lambda name: -self.counts[name])[:MOST_HISTOGRAMS]
            for name in most:
                file = f"ranks-{folder_name(name)}"
                make = partial(drawn.rank_histogram, catalogue, name)
                if self.counts[name] > 1 and self._picture(file, make):
                    self.own[name] = Picture(file, f"How many schemes of each rank: {name}.")
        except PlotError as error:
            return f"No pictures: {error}."
        return None

    def _picture(self, name: str, make: Callable[[], Axes]) -> bool:
        try:
            axes = make()
        except NotFoundError:
            return False
        for form in ("svg", "png"):
            self.folder.write(f"plots/{name}.{form}", picture(axes, form))
        return True

    def count_pictures(self) -> int:
        """Return how many pictures were drawn."""
        return len(self.general) + len(self.own)

    def write_schemes(self) -> None:
        """Write the pages of the schemes and, format by format, of the formats."""
        known: dict[str, dict[Ring, Bound]] = {}
        for (name, ring), bound in self.catalogue.known_bounds().items():
            known.setdefault(name, {})[ring] = bound
        for name, records in groupby(self._records(), key=lambda one: names_of(one.format)[1]):
            listed = []
            for record in records:
                self._write_scheme(record, name)
                listed.append(replace(record))  # without the factors it has cached
                if self.progress is not None:
                    self.progress(self.done, len(self.present))
            own = self.own.get(name)
            data = format_page(
                name,
                self.rows[name],
                known.get(name, {}),
                listed,
                site=self.title,
                stored=self.counts[name],
                pictures=() if own is None else (own,),
            )
            self.folder.write(f"formats/{folder_name(name)}.html", data)
            self.written[name] = len(listed)

    def _records(self) -> Iterator[Record]:
        """Yield the schemes that get a page, those of a format together, best first."""
        order = list(Ring)
        for name in self.counts:
            if self.everything:
                found = self.catalogue.query(format=name, sort="rank,additions")
            else:
                hashes = {cell.hash for cell in self.rows[name] if cell.hash is not None}
                found = list(self.catalogue.by_hash(hashes).values())
            found = [record for record in found if record.hash in self.present]
            yield from sorted(
                found, key=lambda one: (one.rank, order.index(one.ring), one.additions, one.id)
            )

    def _write_scheme(self, record: Record, tabulated: str) -> None:
        files = files_of(record, self.kinds)
        place = f"schemes/{scheme_name(record.hash)}"
        for file in files:
            self.folder.write(f"{place}/{file.name}", file.data)
        data = scheme_page(
            record,
            self.catalogue.provenance(record),
            files,
            site=self.title,
            tabulated=tabulated,
            present=self.present,
        )
        self.folder.write(f"{place}/index.html", data)
        self.files += len(files)
        self.done += 1

    def write_index(self, note: str | None) -> None:
        """Write the first page."""
        data = index_page(
            self.cells,
            self.catalogue.runs(MOST_RUNS),
            self.general,
            site=self.title,
            stored=len(self.catalogue),
            written=self.written,
            note=note,
            now=dt.datetime.now(dt.UTC),
        )
        self.folder.write("index.html", data)
