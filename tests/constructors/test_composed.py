"""Composed programs: they compute what the recipe makes, and share what the parts share."""

from pathlib import Path

import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.constructors.closure import partitions
from flipsearch.constructors.composed import composed
from flipsearch.constructors.copies import copies, recipes_of_copies
from flipsearch.constructors.counts import read_composed, written_composed
from flipsearch.constructors.making import recipe_of
from flipsearch.constructors.recipes import replayed, sizes_in, written_groups, written_recipes
from flipsearch.errors import FormatError
from flipsearch.formats import parse_format
from flipsearch.kernels.additions import reduce_additions
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.programs import plain_reduction
from flipsearch.rings import Ring
from flipsearch.transform import extend
from flipsearch.transform.dimensions import matrix_format
from flipsearch.transform.serendipity import grown
from flipsearch.transform.uneven import term_sides

KNOWN = {
    scheme.content_hash[:16]: scheme
    for scheme in (strassen(), winograd(), extend(strassen(), "p"), extend(winograd(), "n"))
}
STRASSEN, WINOGRAD, WIDE, TALL = KNOWN
TWICE = f"merge p {WINOGRAD}:2x2x2 {WINOGRAD}:2x2x2"


def made(how, name, ring=Ring.ZT, shorten=plain_reduction):
    """Return the scheme that a recipe makes and the composed programs."""
    form = parse_format(name)
    scheme = replayed(how, form, ring, lambda key: KNOWN[key].over(ring))
    return scheme, composed(how, form, ring, lambda key: shorten(KNOWN[key].over(ring)))


@pytest.mark.parametrize("ring", [Ring.ZT, Ring.F2, Ring.F3])
@pytest.mark.parametrize(
    ("how", "name"),
    [
        (f"merge p {STRASSEN}:2x2x2 {WINOGRAD}:2x2x2", "2x2x4"),
        (f"merge p {TALL}:2x2x3 {STRASSEN}:2x2x2", "2x2x5"),
        (f"merge m {WIDE}:3x2x2 {TALL}:3x2x2", "2x3x4"),
        (f"merge n {WIDE}:2x2x3 naive:1x2x3", "2x3x3"),
        (f"product {WINOGRAD}:2x2x2 {WIDE}:3x2x2", "4x4x6"),
        (f"product {TALL}:2x3x2 {WIDE}:2x2x3", "4x6x6"),
        (f"project p 1 {WIDE}:2x2x3", "2x2x2"),
    ],
)
def test_programs_compute_what_the_recipe_makes(how, name, ring):
    scheme, found = made(how, name, ring)
    assert found.scheme.content_hash == scheme.content_hash
    found.check()
    assert found.additions <= scheme.additions


@pytest.mark.parametrize("ring", [Ring.ZT, Ring.F2, Ring.F3])
@pytest.mark.parametrize("sizes", ["2.1x2.2x1.2", "1.2x2.1x2.1", "2.2x1.1x3.3"])
@pytest.mark.parametrize("key", [STRASSEN, WINOGRAD])
def test_products_with_blocks_of_several_sizes(key, sizes, ring):
    needed = {tuple(row) for row in term_sides(KNOWN[key], sizes_in(sizes)).tolist()}
    inner = [
        f"{WINOGRAD}:2x2x2" if sides == (2, 2, 2) else "naive:{}x{}x{}".format(*sides)
        for sides in needed
    ]
    how = " ".join([f"uneven {sizes} {key}:2x2x2", *inner])
    scheme, found = made(how, "x".join(str(sum(each)) for each in sizes_in(sizes)), ring)
    assert found.scheme.content_hash == scheme.content_hash
    found.check()
    assert found.additions <= scheme.additions


@pytest.mark.parametrize("ring", [Ring.Z, Ring.F2])
@pytest.mark.parametrize("key", [WINOGRAD, WIDE, TALL])
@pytest.mark.parametrize("inner", [(1, 1, 2), (2, 1, 1), (2, 2, 2)])
def test_serendipitous_products(key, inner, ring):
    outer = KNOWN[key].over(ring)
    sides = matrix_format(outer).sides
    for groups in partitions(outer):
        wanted = {inner, *(grown(inner, group.slot, len(group.members)) for group in groups)}
        words = ["x".join(map(str, each)) for each in (sides, inner, *wanted)]
        how = f"serendipity {words[1]} {written_groups(groups)} {key}:{words[0]} "
        name = "x".join(str(a * b) for a, b in zip(sides, inner, strict=True))
        scheme, found = made(how + " ".join(f"naive:{word}" for word in words[2:]), name, ring)
        assert found.scheme.content_hash == scheme.content_hash
        found.check()
        assert found.additions <= scheme.additions


def test_parts_share_what_both_need():
    def short(scheme):
        return reduce_additions(scheme, passes=40)

    assert made(TWICE, "2x2x4", shorten=short)[1].additions == 2 * 15 - 4
    squared = made(f"product {WINOGRAD}:2x2x2 {WINOGRAD}:2x2x2", "4x4x4", shorten=short)[1]
    assert squared.parts == (44, 44, 77)  # 4 * (4 + 7) for each operand, 7 * (4 + 7) for C


def test_copies_share_one_factor():
    """Winograd's programs need 4 + 4 + 7 additions; copies along p share those of A."""
    hash_ = winograd().content_hash
    for sides, number, how in copies(hash_, (2, 2, 2)):
        name = "x".join(map(str, sides))
        scheme, found = made(how, name, shorten=lambda s: reduce_additions(s, passes=40))
        assert found.scheme == scheme
        assert found.additions == {"p": 4, "n": 4, "m": 7 - 3}[how.split()[1]] + number * 11
        if number == 4:
            break


def test_copies_that_need_the_fewest_additions_get_a_recipe():
    keys = dict.fromkeys(("2x2x4", "2x2x6"), 30) | {"2x2x8": 37}
    least = {(Ring.ZT, parse_format(name).sides): 7 * k for k, name in enumerate(keys, 2)}
    fewest = {(Ring.ZT, parse_format(name).sides): count for name, count in keys.items()}
    sources = [(winograd().content_hash, (2, 2, 2), 7, Ring.ZT)]
    recipes = recipes_of_copies(
        sources,
        least,
        fewest,
        lambda name: winograd(),
        lambda name: reduce_additions(winograd(), passes=40),
    )
    assert [recipe.format.name for recipe in recipes] == ["2x2x4"]
    assert recipes[0].rank == 14


def test_other_moves_compose_nothing():
    assert composed("construct trilinear", parse_format("8x8x8"), Ring.ZT, KNOWN.get) is None


def test_tables_of_counts():
    counts = {"0" * 64: 12, "a" * 64: 7}
    assert dict(read_composed(written_composed(counts))) == counts
    for text in ("", "hash\n", "hash,additions\nabc,1\n", f"hash,additions\n{'0' * 64},-1\n"):
        with pytest.raises(FormatError, match="line"):
            list(read_composed(text))


def test_a_catalogue_lists_and_composes_them(monkeypatch, tmp_path, capsys):
    folder, path = tmp_path / "schemes", tmp_path / "c.sqlite"
    folder.mkdir()
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: folder)
    scheme, best = made(TWICE, "2x2x4")
    (folder / "recipes.csv").write_text(written_recipes([recipe_of(scheme, TWICE)]))
    with Catalogue.open(path) as catalogue:
        catalogue.programs.add(reduce_additions(winograd(), passes=40))
        with catalogue.database.writing() as connection:
            connection.exec_driver_sql("DELETE FROM shipments")
    with Catalogue.open(path) as catalogue:
        record = catalogue.schemes.get(scheme.content_hash)
        assert record.fewest_additions == scheme.additions
        assert record.reduction.additions == 26
    counts = folder / "composed.csv"
    assert main(["plan", "--composed", str(counts), "--db", str(path)]) == 0
    assert capsys.readouterr().out == f"1 numbers of additions written to {counts}\n"
    assert counts.read_text() == f"hash,additions\n{scheme.content_hash},26\n"
    with Catalogue.open(path) as catalogue:
        assert catalogue.schemes.get(scheme.content_hash).fewest_additions == 26
    assert best.additions > 26
    Path(counts).write_text("torn")
    with Catalogue.open(path) as catalogue:
        assert catalogue.schemes.get(scheme.content_hash).fewest_additions == 26
