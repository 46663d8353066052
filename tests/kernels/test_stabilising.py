"""Exact schemes with smaller growth factors, and the commands that make and use them."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.catalogue import Catalogue, Provenance
from flipsearch.cli import main
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.kernels import most_accurate
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.kernels.orbits import Orbit
from flipsearch.kernels.stabilising import LARGEST, MOST, Grid, Rounding, cost, stabler_schemes
from flipsearch.kernels.stability import growth
from flipsearch.numerical.sparsening import is_inside
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.transform.sandwich import sandwich
from flipsearch.verify import verify

LEAST = 12.0660


@pytest.mark.parametrize(
    ("toward", "denominators", "most"),
    [
        ("ZT", 8, 14.8285),
        ("Z", 8, 14.8285),
        ("halves", 2, 12.34),
        ("Q", 3, 12.26),
        ("Q", 15, 12.0661),
    ],
)
def test_winograds_scheme_becomes_more_accurate(
    toward: str, denominators: int, most: float
) -> None:
    costs = [cost(winograd(), "2", toward)]
    for found in islice(stabler_schemes(winograd(), "2", toward, denominators), 3):
        verify(found)
        costs.append(cost(found, "2", toward))
    assert costs == sorted(costs, reverse=True)
    assert LEAST < growth(found).gamma2 <= most
    assert toward == "Q" or is_inside(found, toward)


def test_winograds_scheme_becomes_strassens_where_emax_counts() -> None:
    found = next(stabler_schemes(winograd(), "max", "ZT"))
    assert growth(found).emax == growth(strassen()).emax == 12


def test_coefficients_stay_small_enough_for_kernels() -> None:
    for found in islice(stabler_schemes(strassen(), "2", "Q", MOST), 7):
        for part in (*found.canonical.factors, found.canonical.denominators):
            assert np.abs(part).max() < LARGEST


@pytest.mark.parametrize("denominators", [0, MOST + 1])
def test_denominators_have_a_limit(denominators: int) -> None:
    with pytest.raises(UsageError, match=f"1 to {MOST}"):
        next(stabler_schemes(strassen(), denominators=denominators))


def test_the_same_seed_gives_the_same_schemes() -> None:
    one, other = (list(islice(stabler_schemes(winograd(), seed=5), 4)) for _ in range(2))
    assert one == other


@given(
    seed=st.integers(0, 2**32 - 1),
    toward=st.sampled_from(["Z", "halves", "Q"]),
    kind=st.sampled_from(["2", "max"]),
)
@settings(max_examples=15, deadline=None)
def test_a_rounding_is_an_exact_change_of_basis_inside_its_aim(
    seed: int, toward: str, kind: str
) -> None:
    generator = np.random.default_rng(seed)
    maps = [generator.standard_normal((2, 2)) for _ in range(3)]
    rounding = Rounding(Orbit.of(strassen()), kind, Grid(toward, 4), maps, generator)
    found = sandwich(strassen(), *rounding.maps())
    verify(found)
    assert toward == "Q" or is_inside(found, toward)
    for matrix in rounding.maps():
        ((a, b), (c, d)) = matrix
        assert a * d != b * c


@given(st.floats(-9, 9), st.integers(1, 20), st.sampled_from(["Z", "halves", "Q"]))
def test_a_grid_rounds_to_its_nearest_rational(number: float, largest: int, toward: str) -> None:
    grid = Grid(toward, largest)
    near = grid.near(number, 0)
    assert near.denominator in grid.denominators
    for k in grid.denominators:
        for other in (Fraction(int(number * k) + shift, k) for shift in (-1, 0, 1)):
            assert abs(near - Fraction(number)) <= abs(other - Fraction(number))
    assert grid.near(abs(number) + 0.1, 1) > 0
    assert Fraction(0) in grid.steps(near, number, 0)
    assert all(step > 0 for step in grid.steps(Fraction(1), abs(number) + 0.1, 1))


@pytest.mark.parametrize("scheme", [strassen().over(Ring.F2), naive_scheme("ug:2x2x2", "Z")])
def test_other_formats_and_rings_are_refused(scheme) -> None:
    with pytest.raises(UsageError, match="cannot stabilise"):
        next(stabler_schemes(scheme))


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    path = tmp_path / "c.sqlite"
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add(winograd(), Provenance(source="Winograd"))
    return path


def test_stabilise_stores_a_scheme_with_its_lineage(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["stabilise", "2x2x2", "--budget", "0.1s", "--json", "--db", str(path)]
    assert main(words) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["least"] == pytest.approx(LEAST, abs=1e-3)
    assert said["least"] < said["stabler_growth"] < 12.34 < said["growth"]
    with Catalogue.open(path) as catalogue:
        record = catalogue.schemes.get(said["stabler"])
        (origin,) = catalogue.schemes.provenance(record)
        assert (origin.parent, origin.method) == (
            said["scheme"],
            "stabilised toward halves by gamma2",
        )
        best, why = most_accurate(catalogue, parse_format("2x2x2"))
        assert best == record.scheme
        assert "most accurate of 3 known schemes of rank 7" in why  # and Strassen's, built in


def test_stabilise_says_that_nothing_is_better(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--toward", "ZT", "--budget", "0.1s", "--db", str(path)]
    assert main(["stabilise", "2x2x2", *words]) == 0
    found = capsys.readouterr().out.split("became ")[1][:12]
    assert main(["stabilise", found, *words]) == 1
    out = capsys.readouterr().out
    assert "no better scheme was found" in out
    assert "is 12.066" in out


def test_kernel_prefers_accuracy(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written, common = path.with_name("mm.py"), ["--db", str(path)]
    prefer = ["kernel", "2x2x2", "--prefer", "accuracy", "-o", str(written), *common]
    assert main(prefer) == 0
    assert "growth factor 14.8284" in capsys.readouterr().out
    assert strassen().content_hash in written.read_text()
    for wrong in (["--ring", "F2"], ["--faults", "1"]):
        assert main([*prefer, *wrong]) == 2
    assert main(["kernel", winograd().content_hash, *prefer[2:]]) == 2
    assert all("--prefer" in line for line in capsys.readouterr().err.splitlines())
