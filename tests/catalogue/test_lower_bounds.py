"""Lower bounds are cited, below every known upper bound, and larger over fewer rings."""

import json

import pytest

from flipsearch.catalogue.bounds import shipped_table
from flipsearch.catalogue.lower import lower_bound
from flipsearch.cli import main
from flipsearch.rings import Ring


def test_no_lower_bound_is_above_an_upper_one():
    for name, ring, value, _ in shipped_table()[2]:
        lower = lower_bound(name, ring)
        assert lower is None or (lower.rank <= value and lower.source)


@pytest.mark.parametrize(
    ("name", "ring", "rank", "border"),
    [
        ("2x2x2", Ring.Q, 7, 7),
        ("2x2x9", Ring.F2, 32, 18),
        ("2x2x9", Ring.Z, 32, 18),  # a scheme over Z reduces to F2
        ("3x3x3", Ring.Q, 19, 17),
        ("3x3x3", Ring.F2, 21, 17),
        ("5x3x3", Ring.Q, 29, 15),
        ("4x5x6", Ring.F3, 30, 30),
    ],
)
def test_landmarks(name, ring, rank, border):
    bound = lower_bound(name, ring)
    assert (bound.rank, bound.border) == (rank, border)


def test_structured_formats_have_none():
    assert lower_bound("gt:4x4x4", Ring.Q) is None


def test_bounds_list_shows_them(tmp_path, capsys):
    database = ["--db", str(tmp_path / "catalogue.sqlite")]
    assert main(["bounds", "update", *database]) == 0
    capsys.readouterr()
    assert main(["bounds", "list", "3x3x3", "--json", *database]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {row["ring"]: row["lower"]["rank"] for row in rows}["F2"] == 21
