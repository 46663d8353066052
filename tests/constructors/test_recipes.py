"""Recipes say schemes by moves; replaying one gives the same scheme, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheme_samples import strassen

from flipsearch.constructors.making import recipe_of
from flipsearch.constructors.recipes import (
    NAIVE,
    read_recipes,
    replayed,
    source,
    sources_of,
    summary,
    written_groups,
    written_recipes,
)
from flipsearch.errors import FormatError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.transform import merge, product, project, shared_factors
from flipsearch.verify import verify

BASE = strassen()
NAME = BASE.content_hash


def fetch(name):
    assert NAME.startswith(name)
    return BASE


def made(how, format_, ring=Ring.ZT):
    scheme = replayed(how, parse_format(format_), ring, fetch)
    verify(scheme)
    return scheme


def test_every_move():
    one = source(NAME, (2, 2, 2))
    assert made(f"merge n {one} {NAIVE}:1x2x2", "3x2x2").rank == 11
    assert made(f"merge p {one} {one} {one}", "2x2x6") == merge(merge(BASE, BASE, "p"), BASE, "p")
    assert made(f"product {one} {one}", "4x4x4") == product(BASE, BASE)
    assert made(f"project m 1 {one}", "2x1x2") == project(BASE, "m", 1)
    assert made("construct trilinear", "8x8x8", Ring.Q).rank == 416


def test_a_serendipitous_product_keeps_its_groups():
    outer = merge(BASE, BASE, "p").canonical
    group = next(g for g in shared_factors(outer) if g.slot == 0 and len(g.members) == 2)
    words = [
        f"serendipity 2x2x1 {written_groups([group])}",
        source(outer.content_hash, (2, 2, 4)),
        source(NAME, (2, 2, 2)),
        source(NAIVE, (2, 2, 1)),
    ]
    held = {outer.content_hash[:16]: outer, NAME[:16]: BASE}
    scheme = replayed(" ".join(words), parse_format("4x4x4"), Ring.Z, held.__getitem__)
    verify(scheme)
    assert scheme.rank <= 7 + 12 * 4


@pytest.mark.parametrize(
    "how",
    [
        "",
        "melt n",
        "merge n",
        "merge q be:1x1x1",
        "product 0123456789abcdef:2x2x2",
        "project n 9",
        "construct gold",
    ],
)
def test_what_is_no_recipe_is_one_line(how):
    with pytest.raises(FormatError):
        replayed(how, parse_format("2x2x2"), Ring.ZT, lambda name: BASE)


@given(st.sampled_from(["merge n", "product"]), st.sampled_from([(2, 2, 2), (2, 2, 4)]))
def test_sources_read_back(words, sides):
    how = f"{words} {source(NAME, sides)} {NAIVE}:1x2x4"
    found = [(name, format_.sides) for name, format_ in sources_of(how)]
    assert found == [(NAME[:16], sides), (NAIVE, (1, 2, 4))]


def test_a_table_reads_back():
    scheme = product(BASE, BASE)
    recipe = recipe_of(scheme, f"product {source(NAME, (2, 2, 2))} {source(NAME, (2, 2, 2))}")
    text = written_recipes([recipe, recipe])
    assert list(read_recipes(text, "table")) == [recipe, recipe]
    with pytest.raises(FormatError, match="first line"):
        list(read_recipes("a,b\n", "table"))
    with pytest.raises(FormatError, match="table, line 2"):
        list(read_recipes(text.replace("ZT", "R7", 1), "table"))


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("merge p 0b7d3b9c642e34cb:2x2x8 naive:2x2x1", "merge of 2x2x8 and 2x2x1"),
        ("project p 1 055b8d5653a1dbf2:5x5x5", "project of 5x5x5"),
        ("construct trilinear", "construct trilinear"),
        (
            "serendipity 5x5x4 0=15.16 " + " ".join(["06eb7c7aae41a50f:3x3x4"] * 5),
            "serendipity of 3x3x4, 3x3x4, 3x3x4 and 2 more",
        ),
    ],
)
def test_a_summary_says_what_a_scheme_was_made_of(how, words):
    assert summary(how) == words
