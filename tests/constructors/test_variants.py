"""Variants: walks keep the rank, and plans take what lowers their ranks."""

from random import Random

import pytest
from scheme_samples import strassen

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.constructors.plan import Plan
from flipsearch.constructors.variants import neighbour, variants
from flipsearch.rings import Ring
from flipsearch.transform import extend
from flipsearch.verify import is_valid

WIDE = extend(strassen(), "p")


@pytest.mark.parametrize("ring", [Ring.ZT, Ring.F2, Ring.F3])
def test_neighbours_have_the_rank(ring):
    start, random = WIDE.over(ring), Random(1)
    found = [scheme for _ in range(20) if (scheme := neighbour(start, random)) is not None]
    assert found
    for scheme in found:
        assert (scheme.format, scheme.ring, scheme.rank) == (start.format, ring, 11)
        assert is_valid(scheme)
    assert len({scheme.content_hash for scheme in found}) > 1


def test_a_gain_is_what_the_products_of_a_scheme_lower():
    plan = Plan(Ring.ZT, [])
    gain = plan.gain(strassen())
    assert gain > 0
    assert plan.take(strassen()) >= gain
    assert plan.gain(strassen()) == plan.take(strassen()) == 0


def test_variants_are_proved_and_taken():
    plan = Plan(Ring.ZT, [])
    before = plan.ranks.sum()
    found = list(variants([plan], [WIDE], 1.0, 1))
    assert found
    assert all(is_valid(scheme) and lower > 0 for scheme, lower in found)
    assert plan.ranks.sum() == before - sum(lower for _, lower in found)


def test_the_command_stores_them(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: tmp_path)
    path = str(tmp_path / "c.sqlite")
    with Catalogue.open(path) as catalogue:
        catalogue.schemes.add(WIDE)
    better = next(scheme for scheme in map(neighbour, [WIDE] * 99, [Random(1)] * 99) if scheme)
    monkeypatch.setattr(
        "flipsearch.constructors.variants.variants", lambda *arguments: iter([(better, 5)])
    )
    assert main(["plan", "--vary", "2s", "--rings", "ZT", "--db", path]) == 0
    text = f"2x2x3:11 over ZT, {better.content_hash[:12]}: products 5 lower in all\n"
    assert capsys.readouterr().out == text
    with Catalogue.open(path, read_only=True) as catalogue:
        record = catalogue.schemes.get(better.content_hash)
        assert [origin.method for origin in catalogue.schemes.provenance(record)] == ["vary"]
    assert main(["plan", "2x2x2", "--vary", "2s", "--db", path]) == 2
    assert "--vary concern all formats" in capsys.readouterr().err
    assert main(["plan", "--seed", "2", "--db", path]) == 2
    assert "--seed is that of --vary" in capsys.readouterr().err
