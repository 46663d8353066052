"""Tensors through the command line: searched, lifted, shown, exported, proved twice, resumed."""

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.constructors import construct
from flipsearch.errors import UsageError
from flipsearch.formats import parse_format
from flipsearch.formats.named import named_format
from flipsearch.formats.sparse import sparse_tensor, tensor_text
from flipsearch.formats.tensors import cyclic, polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.search.edges import fitted
from flipsearch.search.ladder import draw_ladder, grown, removable
from flipsearch.search.registry import best_held, strategy_named
from flipsearch.search.strategies.meta import MetaStrategy
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.search.study import Study
from flipsearch.verify import verify
from flipsearch.walk import engine
from flipsearch.walk.kinds import decode, encode
from flipsearch.walk.task import unpack


@pytest.fixture
def database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    return str(tmp_path / "c.sqlite")


def answers(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    lines = capsys.readouterr().out.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def test_a_file_goes_through_every_command(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.tns"
    path.write_text(tensor_text(polynomial(2, 2), "mine"))
    end = ["--json", "--db", database]
    walk = ["--budget", "5s", "--target", "3", "--seed", "1", "--gpu", "off"]
    assert main(["search", str(path), *walk, *end]) == 0
    found = answers(capsys)[-1]
    assert (found["rank"], found["lifted_rank"], found["lifted_ring"]) == (3, 3, "ZT")
    name = found["format"]
    for text in (str(path), name):
        assert main(["list", text, *end]) == 0
        assert {row["rank"] for row in answers(capsys)} == {3}
    assert main(["show", name, "--products", "--orbit", "--json", "--db", database]) == 0
    shown = answers(capsys)[0]
    assert len(shown["products"]) == 3
    for to in ("json", "scheme"):
        file = str(tmp_path / f"out.{to}")
        export = ["export", shown["scheme"], "--to", to, "-o", file]
        assert main([*export, "--db", database]) == 0
        assert main(["verify", "--paranoid", file, *end]) == 0
        assert answers(capsys)[0]["scheme"] == shown["scheme"]
    assert main(["export", shown["scheme"], "--to", "txt", "--db", database]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"# {name}: ")
    assert (lines[1], len(lines)) == ("2 2 3 3", 5)
    kernel = str(tmp_path / "mine.py")
    assert main(["kernel", name, "-o", kernel, "--db", database]) == 0
    assert "3 multiplications, 4 as the map is written" in capsys.readouterr().out
    assert main(["lift", found["scheme"], *end]) == 0
    assert main(["search", name, *walk, "--run", "again", *end]) == 0  # from its definition
    assert main(["resume", "again", "--budget", "1s", "--gpu", "off", *end]) == 0
    site = tmp_path / "site"
    assert main(["report", "--output", str(site), "--db", database]) == 0
    assert any("mine" in page.name for page in site.rglob("*.html"))


@pytest.mark.parametrize("name", ["poly:4x3", "quaternion", "group:s3", "complex:2x1x1"])
def test_ladders_lead_to_the_tensor(name: str) -> None:
    tensor, random = named_format(name), np.random.default_rng(1)
    ladder = max((draw_ladder(tensor, random) for _ in range(8)), key=len)
    assert len(ladder) > 2
    assert ladder[-1][0] == tensor
    assert not removable(ladder[0][0])
    scheme = naive_scheme(ladder[0][0], Ring.F3)
    for (small, _), (large, removed) in pairwise(ladder):
        assert small.naive_rank < large.naive_rank
        scheme = grown(scheme, large, removed)
        verify(scheme)
    assert scheme == naive_scheme(tensor, Ring.F3)


def test_a_search_is_restored_on_its_rungs() -> None:
    strategy = PoolStrategy(polynomial(3, 3), Ring.F2, seed=2, steps=2000)
    for _ in range(12):
        strategy.tell(engine.walk(strategy.ask()))
    assert strategy.climbing
    again = PoolStrategy(polynomial(3, 3), Ring.F2, seed=2, steps=2000).restore(strategy.state())
    for _ in range(3):
        task, other = strategy.ask(), again.ask()
        assert task.format == other.format
        assert np.array_equal(task.start, other.start)
        assert decode(encode(task), strategy.format, Ring.F2).format == task.format


def test_descents_over_f3_begin_over_the_integers() -> None:
    tensor = named_format("quaternion")
    strategy = PoolStrategy(tensor, Ring.F3, seed=1, steps=20_000)
    tasks = [strategy.ask() for _ in range(40)]  # of ten descents
    assert {task.ring for task in tasks} == {Ring.F3, Ring.ZT}
    for task in tasks:
        strategy.tell(engine.walk(task))
    again = PoolStrategy(tensor, Ring.F3, seed=1, steps=20_000).restore(strategy.state())
    assert [d.ring for d in again._descents] == [d.ring for d in strategy._descents]
    for state in (state for states in strategy.levels.values() for state in states):
        verify(unpack(tensor, Ring.F3, state))


def test_schemes_found_over_the_integers_are_lifted_first() -> None:
    tensor = named_format("complex:1x1x1")
    gauss = Scheme(
        tensor, Ring.F3, [[1, 0], [0, 1], [1, 1]], [[1, 0], [0, 1], [1, 1]],
        [[1, -1], [-1, -1], [0, 1]],
    )  # fmt: skip
    study = Study(tensor, ring="F3", start=[gauss], seed=1, gpu="off")
    found = study.run("100ms")
    assert (found.lifted.ring, found.lifted.rank) == (Ring.ZT, 3)


def test_known_bounds_of_tensors(database: str) -> None:
    with Catalogue.open(database) as catalogue:
        assert catalogue.bounds.known("poly:6x6", "F2").value == 17
        assert catalogue.bounds.known(str(named_format("quaternion")), "Q").value == 8
        assert catalogue.bounds.known("poly:3x11", "F2") is None


def test_values_walk_where_the_ring_has_them() -> None:
    tensor = sparse_tensor("map", [(0, 0, 0, 2), (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 0, -2)])
    assert PoolStrategy(tensor, Ring.F3).best_rank == 4
    assert PoolStrategy(tensor, Ring.F2).best_rank == 2
    with pytest.raises(UsageError, match="value 2, and ZT only -1, 0 and 1: search over F3"):
        PoolStrategy(tensor, Ring.ZT)


@pytest.mark.parametrize("name", ["cyclic", "rotation", "diagonal"])
def test_strategies_say_that_they_take_no_tensors(name: str) -> None:
    ring = Ring.F2 if name == "cyclic" else Ring.F3
    kind = strategy_named(name)
    arguments = (1,) if name == "cyclic" else (ring, 1)
    with pytest.raises(UsageError, match="tensor:cyclic-4"):
        kind(cyclic(4), *arguments)
    with pytest.raises(UsageError, match="general formats"):
        MetaStrategy([cyclic(4), parse_format("2x2x2")], Ring.F2, 1)


def test_a_search_starts_from_a_constructors_scheme_unless_a_better_one_is_stored() -> None:
    with Catalogue.open(":memory:", shipped=False) as catalogue:
        tensor = named_format("poly:9x9")
        [made] = best_held(catalogue, tensor, Ring.F2)
        assert catalogue.schemes.get(made).rank == 30
        assert best_held(catalogue, tensor, Ring.F2) == [made]
        best = catalogue.schemes.add(naive_scheme("poly:1x3", Ring.F2)).hash
        assert best_held(catalogue, named_format("poly:1x3"), Ring.F2) == [best]


def test_a_scheme_of_a_smaller_tensor_starts_a_search() -> None:
    nine = construct("poly:4x4", "F2")
    larger = fitted(nine, named_format("poly:5x5"))
    assert (str(larger.format), larger.rank) == (named_format("poly:5x5").name, 9 + 25 - 16)
    verify(larger)
    assert fitted(nine, nine.format) is nine
    for own, name in (("poly:5x5", "poly:4x4"), ("cyclic:4", "poly:4x4"), ("2x2x2", "poly:4x4")):
        with pytest.raises(UsageError, match="cannot start a search"):
            fitted(naive_scheme(named_format(own), Ring.F2), named_format(name))
