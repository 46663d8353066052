from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest
from outline import Outline, outline
from scheme_samples import samples

from flipsearch.catalogue import Catalogue
from flipsearch.errors import CatalogueError, UsageError
from flipsearch.files import SUFFIXES, read_schemes
from flipsearch.formats.named import short_name
from flipsearch.report import Report, write_report
from flipsearch.report.folder import MANIFEST
from flipsearch.report.pages import (
    folder_name,
    foreign,
    gap_class,
    reference,
    rendered,
    without_folders,
)
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme
from flipsearch.verify import is_valid

Site = tuple[Path, Report]


@pytest.fixture(scope="session")
def pages(site: Site) -> dict[Path, Outline]:
    return {page: outline(page) for page in sorted(site[0].rglob("*.html"))}


def test_every_link_leads_to_a_file(site: Site, pages: dict[Path, Outline]) -> None:
    reached = set()
    for page, content in pages.items():
        addresses = [element.get("href") for element in content.all("a")]
        addresses += [element.get("src") for element in content.all("img")]
        ids = {element.get("id") for element in content.elements}
        for address in addresses:
            parts = urlsplit(address)
            if parts.scheme:
                assert parts.scheme in ("http", "https")
                continue
            if parts.fragment:
                assert parts.fragment in ids
                continue
            target = (page.parent / unquote(parts.path)).resolve()
            assert target.is_file(), (page, address)
            assert target.is_relative_to(site[0])
            reached.add(target)
    everything = {path for path in site[0].rglob("*") if path.is_file()}
    assert {path.name for path in everything - reached} == {MANIFEST}


def test_pages_are_well_formed_and_accessible(pages: dict[Path, Outline]) -> None:
    for content in pages.values():
        ids = [element.get("id") for element in content.elements if element.get("id")]
        assert len(ids) == len(set(ids))
        assert content.all("html")[0].get("lang") == "en"
        assert [len(content.all(name)) for name in ("title", "h1", "main")] == [1, 1, 1]
        for name in ("img", "table", "th"):
            for element in content.all(name):
                if name == "img":
                    assert element.get("alt")
                if name == "th":
                    assert element.get("scope") == ("col" if "thead" in element.above else "row")
        assert len(content.all("caption")) == len(content.all("table"))
        labels = content.all("label")
        fields = content.all("input")
        assert all("label" in element.above for element in fields)
        assert len(labels) == len(fields)
        for element in content.elements:
            assert not [key for key in element.attributes if key.startswith("on")]


def test_nothing_is_loaded_from_elsewhere(pages: dict[Path, Outline]) -> None:
    for page, content in pages.items():
        assert len(content.all("script")) == ("schemes" not in page.parts)
        assert not any(script.attributes for script in content.all("script"))
        for element in content.elements:
            assert not urlsplit(element.get("src")).scheme
            assert element.name not in ("iframe", "object", "embed", "base", "form")
        assert all(link.get("href") == "data:," for link in content.all("link"))
        assert "url(" not in content.all("style")[0].text
        assert "@import" not in content.all("style")[0].text


def test_tables_have_as_many_cells_as_headings(pages: dict[Path, Outline]) -> None:
    for page in pages:
        for body in re.findall(r"<table.*?</table>", page.read_text("utf-8"), re.DOTALL):
            rows = body.split("<tr")[1:]
            assert len(rows) > 1
            counts = {len(re.findall(r"<t[hd][ >]", row)) for row in rows}
            assert len(counts) == 1, page


def test_hostile_names_are_shown_not_obeyed(pages: dict[Path, Outline]) -> None:
    seen = 0
    for content in pages.values():
        assert not [image for image in content.all("img") if image.get("src") == "x"]
        assert not ["owned" for script in content.all("script") if "owned" in script.text]
        seen += sum("onerror=alert(1)" in element.text for element in content.all("bdi"))
        assert not [a for a in content.all("a") if a.get("href").startswith("javascript")]
    assert seen > 3


def test_paths_of_the_importing_machine_stay_out(site: Site) -> None:
    for page in site[0].rglob("*"):
        data = b"" if page.is_dir() else page.read_bytes()
        assert b"somebody" not in data
        assert b"/private/" not in data
    assert any("strassen.json" in p.read_text("utf-8") for p in site[0].rglob("index.html"))


def test_index_says_what_the_catalogue_says(site: Site, catalogue: Catalogue) -> None:
    text = (site[0] / "index.html").read_text("utf-8")
    table = text[text.index('<table id="best"') : text.index("</table>")]
    rows = {}
    for row in re.findall(r"<tr.*?</tr>", table)[1:]:
        name = re.sub("<[^>]*>", "", row[row.index("<th") : row.index("</th>")])
        rows[name] = re.findall(r'data-gap="(-?\d*)" data-rank="(\d*)"', row)
    cells = catalogue.schemes.best_table()
    assert len(rows) == len({cell.format for cell in cells})
    for cell in cells:
        shown = rows[short_name(cell.format)][list(Ring).index(cell.ring)]
        expected = ("" if x is None else str(x) for x in (cell.gap, cell.rank))
        assert shown == tuple(expected)
    assert site[1].schemes == len(catalogue.schemes)


def test_downloads_read_back_as_the_scheme(site: Site, catalogue: Catalogue) -> None:
    for record in catalogue.schemes.records():
        folder = site[0] / "schemes" / record.hash[:16]
        files = [path for path in folder.iterdir() if path.name != "index.html"]
        general = record.format.name[0].isdigit()
        kinds = set(SUFFIXES) - {"reduced"} if general else {"json", "npy", "scheme"}
        if record.format.name.startswith("tensor:"):
            kinds = {"json", "scheme", "txt"}
        assert len(files) == len(kinds)
        assert all(any(f.name.endswith(SUFFIXES[kind]) for f in files) for kind in kinds)
        if record.format.name.startswith("tensor:"):  # its definition is in the JSON only
            files = [path for path in files if path.suffix == ".json"]
        for path in files:
            (read,) = read_schemes(path, ring=record.ring)
            assert read.scheme == record.scheme, (path, read.reason)


def test_only_the_best_have_pages_unless_all_are_asked_for(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "site"
    report = write_report(catalogue, folder, plots=False, downloads="scheme")
    best = {cell.hash for cell in catalogue.schemes.best_table() if cell.hash}
    assert {path.name for path in (folder / "schemes").iterdir()} == {h[:16] for h in best}
    assert report.schemes == report.downloads == len(best) < len(catalogue.schemes)
    for page in folder.rglob("*.html"):
        for link in outline(page).all("a"):
            path = urlsplit(link.get("href")).path
            assert not path or urlsplit(link.get("href")).scheme or (page.parent / path).exists()


def test_without_matplotlib_the_site_is_written_without_pictures(
    catalogue: Catalogue, tmp_path: Path, no_matplotlib: None
) -> None:
    report = write_report(catalogue, tmp_path / "site", downloads="none")
    assert report.pictures == report.downloads == 0
    assert "pip install 'flipsearch[plot]'" in (report.note or "")
    assert "pip install" in (tmp_path / "site" / "index.html").read_text("utf-8")
    assert not (tmp_path / "site" / "plots").exists()


def test_a_report_replaces_a_report_and_nothing_else(catalogue: Catalogue, tmp_path: Path) -> None:
    folder = tmp_path / "site"

    def write() -> None:
        write_report(catalogue, folder, plots=False, downloads="none")

    folder.mkdir()
    write()
    stale = folder / "formats" / "2x2x2.html"
    stale.write_text("changed")
    write()
    assert "changed" not in stale.read_text("utf-8")
    note = folder / "schemes" / "my notes.txt"
    note.write_text("mine")
    with pytest.raises(UsageError, match="my notes"):
        write()
    assert note.read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("kind", ["folder", "file", "current"])
def test_other_folders_are_refused(
    catalogue: Catalogue, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "mine"
    if kind == "file":
        place.write_text("mine")
    else:
        place.mkdir()
        if kind == "current":
            monkeypatch.chdir(place)
        else:
            (place / "index.html").write_text("mine")
    with pytest.raises(UsageError, match="mine"):
        write_report(catalogue, place, plots=False)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_failure_leaves_the_earlier_site(
    catalogue: Catalogue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "site"
    write_report(catalogue, folder, plots=False, downloads="none")
    before = (folder / "index.html").read_bytes()

    def damaged(*_: object) -> Scheme:
        raise CatalogueError("damaged")

    monkeypatch.setattr(catalogue.schemes._loader, "_load", damaged)
    with pytest.raises(CatalogueError, match="damaged"):
        write_report(catalogue, folder, plots=False, downloads="none")
    assert (folder / "index.html").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_an_empty_catalogue_has_a_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    with Catalogue.open(tmp_path / "empty.sqlite") as empty:
        report = write_report(empty, tmp_path / "site")
    assert (report.schemes, report.formats, report.pictures) == (0, 0, 0)
    assert outline(tmp_path / "site" / "index.html").all("table")


def test_unknown_download_formats_are_refused(catalogue: Catalogue, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="docx"):
        write_report(catalogue, tmp_path / "site", downloads="json,docx")
    assert not list(tmp_path.iterdir())


def _read(line: str, names: dict[str, int]) -> list[Fraction]:
    row = [Fraction(0)] * len(names)
    for sign, size, name in re.findall(r"(-?) ?([\d/]*) ?([abcm]\d[\d_]*)", line):
        row[names[name]] += Fraction(size or 1) * (-1 if sign else 1)
    return row


@pytest.mark.parametrize("scheme", samples()[::3], ids=str)
def test_written_out_formulas_are_the_scheme(scheme: Scheme) -> None:
    names = [
        {scheme.format.variable(slot, k): k for k in range(dimension)}
        for slot, dimension in enumerate(scheme.format.dimensions)
    ]
    left, right = [], []
    for _, line in scheme.products():
        first, second = re.findall(r"\([^)]*\)|-?(?:\d+ )?[ab][\d_]+", line)
        left.append(_read(first, names[0]))
        right.append(_read(second, names[1]))
    terms = {f"m{r + 1}": r for r in range(scheme.rank)}
    columns = {name: _read(line, terms) for name, line in scheme.outputs()}
    assert columns.keys() == names[2].keys()
    assert np.array_equal(np.array(left), scheme.u)
    assert np.array_equal(np.array(right), scheme.v)
    w = np.array([columns[name] for name in names[2]]).T * scheme.denominators[:, None]
    assert np.array_equal(w, scheme.w)
    assert is_valid(scheme)


def test_format_pages_never_share_a_name() -> None:
    names = ["4x4x4", "ug:4x4x4", "gu:4x4x4a", "gg:4x4x4c", "tensor:a.b:0123456789ab",
             "tensor:a-b:0123456789ab", "tensor:a:b", "../../etc/pass", "A", "a", ""]  # fmt: skip
    files = [folder_name(name) for name in names]
    assert len({file.lower() for file in files}) == len(files)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]*", file) for file in files)


@pytest.mark.parametrize(
    ("gap", "bound", "expected"),
    [(-1, 49, "better"), (0, 49, "even"), (1, 49, "far"), (1, 50, "near"), (5, 50, "far"),
     (6, 50, "farther"), (None, None, None)],
)  # fmt: skip
def test_gap_colours(gap: int | None, bound: int | None, expected: str | None) -> None:
    assert gap_class(gap, bound) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/home/me/a b/c.json, run 3", "c.json, run 3"),
        ("C:\\Users\\me\\c.json", "c.json"),
        ("~/x/c.json", "c.json"),
        ("see file:///home/me/c.json", "see c.json"),
        ("['/home/me/c.json', '/home/me/d.json']", "['c.json', 'd.json']"),
        ("https://example.org/a/b?c=/d/e", "https://example.org/a/b?c=/d/e"),
        ("rank 3/4 and a / b", "rank 3/4 and a / b"),
    ],
)
def test_folders_are_cut_off(text: str, expected: str) -> None:
    assert without_folders(text) == expected


def test_text_of_others_is_escaped_once() -> None:
    hostile = '"<&>\x00\x1b\ud800'
    assert foreign(hostile) == "<bdi>&#34;&lt;&amp;&gt;\ufffd\ufffd\ufffd</bdi>"
    assert reference(hostile) == foreign(hostile)
    assert reference("https://a.org/?b=1&c=<") == (
        '<a href="https://a.org/?b=1&amp;c=&lt;" rel="noopener noreferrer">'
        "<bdi>https://a.org/?b=1&amp;c=&lt;</bdi></a>"
    )
    assert foreign("x" * 9999) == f"<bdi>{'x' * 2000} ...</bdi>"
    shown = {"site": hostile, "home": hostile, "trail": [], "sortable": False, "heading": hostile}
    text = rendered("page.html", **shown).decode()
    assert "<h1>&#34;&lt;&amp;&gt;\ufffd\ufffd\ufffd</h1>" in text
    assert "<title>&#34;&lt;&amp;&gt;\ufffd\ufffd\ufffd</title>" in text
