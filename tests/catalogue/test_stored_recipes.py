"""Recipes in a catalogue: rows like any other, made and proved when they are fetched."""

import json
import re
from pathlib import Path

import pytest
from scheme_samples import strassen

from flipsearch.catalogue import Catalogue
from flipsearch.catalogue.shipped import RECIPES
from flipsearch.cli import main
from flipsearch.constructors.closure import all_sides
from flipsearch.constructors.making import recipe_of
from flipsearch.constructors.recipes import (
    NAIVE,
    NAMED,
    read_recipes,
    replayed,
    source,
    written_recipes,
)
from flipsearch.errors import CatalogueError
from flipsearch.files.native import to_text
from flipsearch.formats import OPERANDS, parse_format
from flipsearch.report.pages import scheme_name
from flipsearch.rings import Ring
from flipsearch.transform import merge, product
from flipsearch.verify import verify

BASE = strassen()
ONE = source(BASE.content_hash, (2, 2, 2))
SUM = merge(BASE, BASE, "p").canonical
SQUARE = product(BASE, SUM).canonical


def recipes():
    return [
        recipe_of(SUM, f"merge p {ONE} {ONE}"),
        recipe_of(SQUARE, f"product {ONE} {source(SUM.content_hash, (2, 2, 4))}"),
    ]


@pytest.fixture
def ship(tmp_path, monkeypatch):
    """Return a function that ships Strassen's scheme and recipes, and opens a new catalogue."""

    def shipped(listed):
        folder = tmp_path / "schemes"
        folder.mkdir(exist_ok=True)
        (folder / "strassen.txt").write_text(to_text(BASE))
        (folder / "recipes.csv").write_text(written_recipes(listed))
        monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: folder)
        return Catalogue.open(tmp_path / "catalogue.sqlite")

    return shipped


def test_a_recipe_is_a_row_like_any_other(ship, tmp_path, capsys):
    with ship(recipes()) as catalogue:
        record = catalogue.best("4x4x8")
        assert (record.rank, record.additions) == (98, SQUARE.additions)
        assert record.scheme == SQUARE
        verify(record.scheme)
        columns = record.to_dict()
        tree = catalogue.schemes.lineage(record)
        assert [str(held.format) for held, _ in tree] == ["2x2x2", "2x2x4"]
        assert catalogue.schemes.recipe(record).startswith("product")
        assert catalogue.audit(workers=1).damaged == []
        assert [cell.rank for cell in catalogue.schemes.best_table([Ring.F2]) if cell.rank] == [
            7, 14, 98,
        ]  # fmt: skip
        stored = catalogue.schemes.add(SQUARE)  # proved, but there already
        assert not stored.new
        assert catalogue.best("4x4x8").to_dict() == columns
    database = ["--db", str(tmp_path / "catalogue.sqlite")]
    assert main(["show", "4x4x8", "--lineage", *database]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in shown[-5:]] == [
        "4x4x8:98", "2x2x2:7", "2x2x4:14", "2x2x2:7", "2x2x2:7",
    ]  # fmt: skip
    assert main(["export", record.hash, "-o", str(tmp_path / "out.json"), *database]) == 0
    assert main(["verify", str(tmp_path / "out.json")]) == 0
    assert record.short in capsys.readouterr().out


def test_a_report_shows_the_recipe_instead_of_the_products(ship, tmp_path):
    ship(recipes()).close()
    place = f"schemes/{scheme_name(SQUARE.content_hash)}/index.html"
    out = tmp_path / "site"
    assert (
        main(["report", "-o", str(out), "--no-plots", "--db", str(tmp_path / "catalogue.sqlite")])
        == 0
    )
    page = (out / place).read_text()
    assert "flipsearch export" in page
    assert f"product {ONE}" in page
    assert "m98" not in page


def test_newer_recipes_come_with_the_next_opening(ship):
    with ship(recipes()[:1]) as catalogue:
        assert catalogue.best("4x4x8") is None
    with ship(recipes()) as catalogue:
        assert catalogue.best("4x4x8").rank == 98


def test_a_recipe_without_its_sources_is_left_out(ship):
    with ship(recipes()[1:]) as catalogue:
        assert len(catalogue.schemes) == 1


def test_a_recipe_that_makes_another_scheme_is_damage(ship):
    wrong = recipe_of(SUM, f"merge p {ONE} naive:2x2x2")
    with ship([wrong]) as catalogue, pytest.raises(CatalogueError, match="damaged"):
        _ = catalogue.best("2x2x4").scheme


def test_plan_makes_recipes_that_a_catalogue_takes_in(ship, tmp_path, capsys):
    with ship([]):
        pass
    database = ["--db", str(tmp_path / "catalogue.sqlite")]
    assert main(["plan", "3x3x3", "--rings", "ZT", *database]) == 0
    assert capsys.readouterr().out.startswith("3x3x3:24 over ZT: merge n 2x3x3:15 1x3x3:9")
    assert main(["plan", "--rings", "ZT,F2", "--json", *database]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(row["ring"], row["formats"]) for row in rows] == [("ZT", 680), ("F2", 680)]
    assert main(["construct", "8x8x8", *database]) == 0
    assert "8x8x8 of rank 416 over Q, proved, stored" in capsys.readouterr().out
    assert main(["construct", "7x7x7", *database]) == 2
    assert "no constructor makes 7x7x7" in capsys.readouterr().err


def test_blocks_of_stored_schemes_are_assembled_and_shown(ship, tmp_path, capsys):
    with ship([]):
        pass
    database = ["--db", str(tmp_path / "catalogue.sqlite")]
    assert main(["plan", "ug:4x4x4", "--rings", "ZT", *database]) == 0
    assert "ug:4x4x4:" in capsys.readouterr().out
    assert main(["construct", "ug:4x4x4", "--blocks", "--ring", "Z", *database]) == 0
    made = capsys.readouterr().out
    assert "over ZT, proved, stored as" in made
    assert main(["plan", "gt:4x4x4", "--rings", "ZT", "--json", *database]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["how"].startswith("stored")  # the dual of what was made
    assert f"of rank {found['rank']} " in made
    assert main(["construct", "ug:4x4x4", "--blocks", "--by", "trilinear", *database]) == 2


def test_replaying_is_canonical():
    how = f"merge p {ONE} {ONE}"
    assert replayed(how, parse_format("2x2x4"), Ring.ZT, lambda name: BASE) == SUM


def test_the_shipped_recipes_are_of_shipped_schemes_and_reach_all_general_formats():
    root = Path(__file__).resolve().parents[2] / "schemes"
    at_hand = {NAIVE}
    formats = set()
    for path in root.glob("*/*.txt"):  # unions of schemes are outer factors too
        at_hand.add(re.search("^hash: ([0-9a-f]{16})", path.read_text(), re.MULTILINE)[1])
        formats.add(path.parent.name)
    for table in RECIPES:
        for recipe in read_recipes((root / table).read_text(), table):
            assert at_hand.issuperset(name for name, _ in recipe.sources), recipe.how
            at_hand.add(recipe.hash[:NAMED])
            formats.add(str(recipe.format.sorted))
    assert formats >= {"x".join(map(str, sides)) for sides in all_sides()}
    cubes = {(operands, n) for operands in OPERANDS[1:] for n in range(2, 9)}
    names = {name.replace("_", ":") for name in formats}
    assert names >= {f"{operands}:{n}x{n}x{n}" for operands, n in cubes}
