"""A strategy is known by its name alone: on the command line, in a checkpoint, after a restore."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from flipsearch.catalogue import Catalogue
from flipsearch.cli import main
from flipsearch.errors import UsageError
from flipsearch.rings import Ring
from flipsearch.search import registry
from flipsearch.search.ladder import naive_start
from flipsearch.search.pools import Pools
from flipsearch.search.registry import register_strategy, strategy_named, strategy_names
from flipsearch.search.strategy import Strategy
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words


class Restarts(Strategy):
    """Walk from the naive scheme, again and again."""

    name = "restarts"

    def __init__(self, *values: Any) -> None:
        super().__init__(*values)
        self.archive = Pools[Words](self.ring).admit_all([naive_start(self.format, self.ring)])

    def choose(self, number: int, seed: int) -> tuple[WalkTask, None]:
        """Return a walk from the naive scheme."""
        start = naive_start(self.format, self.ring)
        policy = Policy(500, 3, self.target)
        return WalkTask(self.format, self.ring, start, seed, 20_000, policy, number), None

    def learn(self, sent: None, outcome: WalkOutcome | None) -> None:
        """Keep the best states."""
        if outcome is not None:
            self.archive.admit_all(outcome.best)

    def memory(self) -> dict[str, Any]:
        """Return the archive."""
        return {"archive": self.archive.state()}

    def remember(self, state: Mapping[str, Any]) -> None:
        """Take the archive back."""
        self.archive.restore(state["archive"])


@pytest.fixture(autouse=True)
def nothing_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.catalogue.shipped.shipped_folder", lambda: None)
    monkeypatch.setattr(registry.STRATEGIES, "added", {})


def test_names() -> None:
    assert strategy_names() == ["pool", "meta", "cyclic", "rotation", "diagonal", "numerical"]
    for name in strategy_names():
        assert strategy_named(name).name == name
    assert strategy_named("symmetric", Ring.F2).name == "cyclic"
    assert strategy_named("symmetric", Ring.ZT).name == "rotation"
    with pytest.raises(UsageError, match="no strategy 'restarts': there are pool, meta"):
        strategy_named("restarts")
    register_strategy("restarts", Restarts)
    register_strategy("restarts", Restarts)
    assert strategy_named("restarts") is Restarts
    for taken in ("pool", "symmetric"):
        with pytest.raises(UsageError, match="already"):
            register_strategy(taken, Restarts)


def test_an_entry_point_names_a_strategy(monkeypatch: pytest.MonkeyPatch) -> None:
    class Point:
        def load(self) -> type[Strategy]:
            return Restarts

    def points(group: str, name: str = "restarts") -> list[Point]:
        return [Point()] if (group, name) == ("flipsearch.strategies", "restarts") else []

    monkeypatch.setattr("importlib.metadata.entry_points", points)
    assert strategy_named("restarts") is Restarts


def test_a_registered_strategy_is_searched_stopped_and_resumed(tmp_path: Path) -> None:
    register_strategy("restarts", Restarts)
    database = str(tmp_path / "c.sqlite")
    fixed = ["--db", database, "--workers", "1", "--gpu", "off"]
    command = ["search", "2x2x2", "--strategy", "restarts", "--run", "it", "--budget", "200ms"]
    assert main([*command, *fixed]) == 0
    assert main(["search", "2x2x2", "--strategy", "restarts", "--mirrored", *fixed]) == 2
    assert main(["resume", "it", "--budget", "200ms", *fixed]) == 0
    with Catalogue.open(database) as catalogue:
        run = catalogue.runs.get("it")
        state = catalogue.runs.last_checkpoint(run)
    assert (run.strategy, run.status) == ("restarts", "done")
    assert state is not None
    assert state["strategy"] == "restarts"
    assert state["asked"] > 0
