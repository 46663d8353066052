"""The search command makes the strategy asked for; a meta search begins with the best held."""

import json
from pathlib import Path

import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.cli.found import family_table, print_family
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.search.registry import held_starts, make_strategy
from flipsearch.search.strategies.cyclic import CyclicStrategy
from flipsearch.search.strategies.diagonal import DiagonalStrategy
from flipsearch.search.strategies.meta import MetaStrategy
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.search.strategies.rotation import RotationStrategy
from flipsearch.verify import is_valid
from flipsearch.walk.task import unpack


@pytest.fixture
def catalogue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    with Catalogue.open(f"sqlite:///{tmp_path}/c.db") as catalogue:
        yield catalogue


def test_a_meta_search_starts_from_stored_schemes(catalogue: Catalogue) -> None:
    stored = catalogue.schemes.add(naive_scheme(parse_format("2x2x3"), Ring.ZT))
    assert held_starts(catalogue, "2..3", Ring.ZT) == [stored.hash]
    assert held_starts(catalogue, "2..3", Ring.F2) == [stored.hash]
    assert held_starts(catalogue, "2..2", Ring.ZT) == []
    assert held_starts(catalogue, "3..4", Ring.ZT) == [stored.hash]  # gluing uses it
    parameters = {"within": "2..3", "start": [stored.hash]}
    strategy = make_strategy(catalogue, "meta", None, Ring.ZT, 1, parameters)
    assert isinstance(strategy, MetaStrategy)
    assert not strategy.found()
    rows = family_table(strategy)
    assert [row["format"] for row in rows] == ["2x2x2", "2x2x3", "2x3x3", "3x3x3"]
    assert all(row["gap"] == row["rank"] - row["known_bound"] for row in rows)


def test_mirrored_reaches_the_strategy(catalogue: Catalogue) -> None:
    format_ = parse_format("2x2x2")
    for mirrored in (False, True):
        strategy = make_strategy(
            catalogue, "symmetric", format_, Ring.F2, 1, {"mirrored": mirrored}
        )
        assert isinstance(strategy, CyclicStrategy)
        assert strategy.mirrored is mirrored
        assert family_table(strategy) == []


def test_a_search_starts_from_a_scheme_of_smaller_sides(
    catalogue: Catalogue, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = catalogue.schemes.add(naive_scheme(parse_format("st:2x2x2"), Ring.ZT))
    format_ = parse_format("st:3x3x3")
    strategy = make_strategy(catalogue, "pool", format_, Ring.F3, 1, {"start": [small.hash]})
    assert isinstance(strategy, PoolStrategy)
    assert len(strategy.starts) == 1
    assert is_valid(unpack(format_, Ring.F3, strategy.starts[0]))
    general = catalogue.schemes.add(naive_scheme(parse_format("2x2x3"), Ring.ZT))
    catalogue.close()
    command = ["search", "2x4x2", "--from", general.hash, "--budget", "2s", "--target", "15"]
    assert main([*command, "--workers", "1", "--db", f"sqlite:///{tmp_path}/c.db", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["rank"] <= 15
    command[1], command[-1] = "2x2x2", "7"
    assert main([*command, "--db", f"sqlite:///{tmp_path}/c.db"]) == 2
    assert "a scheme of 2x2x3 cannot start a search for 2x2x2" in capsys.readouterr().err


def test_a_symmetric_search_over_f3_and_zt_rotates_the_indices(catalogue: Catalogue) -> None:
    for ring in (Ring.F3, Ring.ZT):
        for name in ("ss:2x2x2", "3x3x3"):
            strategy = make_strategy(catalogue, "symmetric", parse_format(name), ring, 1, {})
            assert isinstance(strategy, RotationStrategy)
            assert (strategy.ring, strategy.seed) == (ring, 1)
    with pytest.raises(UsageError, match="mirrored goes with ring F2"):
        make_strategy(
            catalogue, "symmetric", parse_format("3x3x3"), Ring.ZT, 1, {"mirrored": True}
        )
    with pytest.raises(UsageError, match="structured square formats walk over F3 and ZT"):
        make_strategy(catalogue, "symmetric", parse_format("ss:3x3x3"), Ring.F2, 1, {})


def test_a_diagonal_search_is_for_triangular_times_symmetric_over_f3(
    catalogue: Catalogue, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy = make_strategy(catalogue, "diagonal", parse_format("us:3x3x3"), Ring.F3, 1, {})
    assert isinstance(strategy, DiagonalStrategy)
    for name, ring in (("us:3x3x3", Ring.F2), ("ug:3x3x3", Ring.F3)):
        with pytest.raises(UsageError, match="walk"):
            make_strategy(catalogue, "diagonal", parse_format(name), ring, 1, {})
    command = ["search", "us:3x3x3", "--ring", "F3", "--strategy", "diagonal", "--from", "0"]
    assert main([*command, "--budget", "1s"]) == 2
    assert "starts from naive schemes of its own" in capsys.readouterr().err


def test_the_table_says_how_many_are_reached(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"format": "2x2x2", "rank": 7, "known_bound": 7, "gap": 0},
        {"format": "2x2x3", "rank": 12, "known_bound": 11, "gap": 1},
        {"format": "2x2x9", "rank": 32, "known_bound": None, "gap": None},
    ]
    print_family(rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["format", "rank", "known", "bound", "gap"]
    assert lines[-1] == "1 of 3 formats at their known bound or below"


def test_a_run_prints_the_table(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    arguments = ["search", "--strategy", "meta", "--within", "2..2", "--budget", "10ms"]
    arguments += ["--workers", "1", "--gpu", "off", "--db", f"sqlite:///{tmp_path}/c.db"]
    assert main(arguments) == 0
    assert "of 1 formats at their known bound or below\n" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["formats"]
    assert row["format"] == "2x2x2"
    assert row["known_bound"] == 7


def test_some_tasks_climb(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a smaller format has a scheme below naive, its extension is walked from."""

    def started() -> set[tuple[str, int]]:
        strategy = MetaStrategy([parse_format("3x3x3"), parse_format("3x3x4")], Ring.F2, 1)
        return {
            (str(task.format), len(task.start)) for task in (strategy.ask() for _ in range(60))
        }

    ranks = started()
    least = min(rank for name, rank in ranks if name == "3x3x3")
    assert least < 27
    assert ("3x3x4", least + 9) in ranks
    monkeypatch.setattr(MetaStrategy, "_extended", lambda self, member: None)
    assert ("3x3x4", least + 9) not in started()
