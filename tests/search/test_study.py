"""A study from Python: by names or by objects, in rounds, with or without a catalogue."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from fault_support import pool

import flipsearch as fs
from flipsearch.catalogue import Catalogue
from flipsearch.errors import FormatError, NotFoundError, UsageError
from flipsearch.executors.threads import ThreadExecutor
from flipsearch.search import driver
from flipsearch.search.journal import Moment
from flipsearch.search.live import live_bar
from flipsearch.search.progress import Progress
from flipsearch.search.result import Result
from flipsearch.search.strategies.pool import PoolStrategy
from flipsearch.verify import is_valid


class Steady(PoolStrategy):
    """A pool of short tasks, which nobody has registered."""

    name = "steady"

    def __init__(self, *values: object, **options: object) -> None:
        super().__init__(*values, **options, steps=2_000)  # type: ignore[arg-type]


def cpu(format: object = "2x2x2", **options: object) -> fs.Study:
    """Return a study on one thread, quick to end."""
    options.setdefault("workers", 1)
    return fs.Study(format, gpu="off", seed=1, **options)  # type: ignore[arg-type]


def test_a_search_without_a_catalogue_touches_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FLIPSEARCH_DB", str(tmp_path / "never.sqlite"))
    found = fs.search("2x2x2", ring="F3", budget=10, target=7, seed=1, gpu="off")
    assert list(tmp_path.iterdir()) == []
    assert found.scheme is not None
    assert found.lifted is not None
    assert (found.scheme.rank, found.lifted.rank, found.lifted.ring) == (7, 7, fs.Ring.ZT)
    assert is_valid(found.lifted)
    assert found.history[0] == Moment(0.0, 0, 8)
    assert found.history[-1].rank == 7


def test_names_and_objects_mean_the_same() -> None:
    names = cpu("1x2x2", ring="f3", strategy="pool")
    objects = cpu(fs.parse_format("1x2x2"), ring=fs.Ring.F3, strategy=PoolStrategy)
    assert names.strategy.identity() == objects.strategy.identity()
    tensor = fs.tensors.sparse_tensor("dot", [(0, 0, 0, 1), (1, 1, 0, 1)])
    assert cpu(tensor).strategy.format is tensor
    assert repr(names) == "<Study of 1x2x2 over F3 by pool: best rank 4>"


def test_a_tensor_file_is_a_format(tmp_path: Path) -> None:
    path = tmp_path / "dot.tns"
    path.write_text("1 1 1 1\n2 2 1 1\n")
    assert cpu(path).strategy.format == cpu(str(path)).strategy.format
    assert cpu(path).strategy.format.naive_rank == 2


def test_a_study_pauses_and_goes_on() -> None:
    seen: list[int] = []

    def once(study: fs.Study) -> None:
        seen.append(study.progress.tasks)
        study.pause()

    study = cpu("3x3x3", strategy=Steady, callbacks=[once])
    first = study.run(60, lift=False)
    assert first.interrupted
    assert seen
    told = study.strategy.told
    assert told > 0
    study.callbacks.clear()
    second = study.resume(0.3, lift=False)
    assert not second.interrupted
    assert study.strategy.told > told
    assert second.run.id == first.run.id
    flips = [moment.flips for moment in study.history]
    ranks = [moment.rank for moment in study.history]
    assert flips == sorted(flips)
    assert ranks == sorted(ranks, reverse=True)
    assert flips[-1] == first.progress.flips + second.progress.flips


def test_another_thread_pauses_a_study() -> None:
    ready = threading.Event()
    study = cpu("3x3x3", strategy=Steady, callbacks=[lambda study: ready.set()])
    results: list[Result] = []
    thread = threading.Thread(target=lambda: results.append(study.run(600, lift=False)))
    thread.start()
    assert ready.wait(120)
    study.pause()
    thread.join(60)
    assert results[0].interrupted


def test_a_paused_study_that_replays_ends_as_one_that_was_not(tmp_path: Path) -> None:
    def study(**options: object) -> fs.Study:
        return cpu("2x3x3", strategy=Steady, target=15, deterministic=True, **options)

    whole = study()
    whole.run(60, lift=False)
    paused = study(callbacks=[lambda study: study.pause()])
    paused.run(60, lift=False)
    paused.callbacks.clear()
    paused.run(60, lift=False)
    assert paused.strategy.told == whole.strategy.told
    assert paused.result is not None
    assert whole.result is not None
    assert paused.result.scheme == whole.result.scheme


def test_a_run_with_a_name_is_gone_on_with(tmp_path: Path) -> None:
    with Catalogue.open(tmp_path / "c.sqlite", shipped=False) as catalogue:
        cpu("2x2x2", run="night", target=7, catalogue=catalogue).run(10, lift=False)
        again = fs.Study(run="night", catalogue=catalogue, gpu="off")
        assert again.strategy.best_rank == 7
        assert again.run(1, lift=False).run.id == 1
        with pytest.raises(UsageError, match="run night has ring F2, not F3"):
            fs.Study("2x2x2", ring="F3", run="night", catalogue=catalogue)
        with pytest.raises(NotFoundError, match="there is no run 'day'"):
            fs.Study(run="day", catalogue=catalogue)


def test_schemes_to_start_from_are_stored() -> None:
    start = fs.naive_scheme("2x2x2", "ZT")
    study = cpu("2x2x3", ring="ZT", start=[start])
    assert start in study.catalogue.schemes
    assert study.strategy.best_rank == 12


def test_a_strategy_and_an_executor_that_are_made() -> None:
    strategy = pool(1, target=25)
    with ThreadExecutor(1) as executor:
        study = fs.Study(strategy=strategy, executor=executor)
        study.run(60, lift=False)
        assert study.strategy is strategy
        assert strategy.best_rank <= 25
        study.run(1, lift=False)  # the executor is open still
    with pytest.raises(UsageError, match="brings format, ring, target and seed along"):
        fs.Study("3x3x3", strategy=strategy)
    with pytest.raises(UsageError, match="brings workers, gpu and address along"):
        fs.Study("3x3x3", executor=executor, workers=1)


def test_a_search_that_brings_nothing_ends() -> None:
    found = cpu("2x2x2", target=4).run(600, stale="300ms", lift=False)
    assert found.progress.seconds < 60
    assert found.progress.best_rank == 7


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "which format"),
        ({"format": "2x2"}, "unknown format"),
        ({"format": "33x2x2"}, "sides are 1 to 32"),
        ({"format": "17x16x16"}, "more than 256 entries cannot be walked"),
        ({"format": "ss:2x3x2"}, "square"),
        ({"format": "2x2x2", "ring": "R"}, "unknown ring"),
        ({"format": "2x2x2", "ring": "Q"}, "run over F2, F3 and ZT"),
        ({"format": "2x2x2", "strategy": "best"}, "no strategy 'best'"),
        ({"format": "2x2x2", "mirrored": True}, "no effect"),
        ({"format": "2x2x2", "target": 9}, "no rank of 2x2x2"),
        ({"format": "nowhere/x.tns"}, "cannot read nowhere/x.tns"),
        ({"format": "gg:2x2x2", "strategy": "diagonal", "ring": "F3"}, "us:"),
    ],
)
def test_bad_input_is_one_line(options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        fs.Study(**options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [("1 1 1 0\n", "no nonzero entry"), ("# dimensions: 2 2 2\n1 3 1 1\n", "outside dimensions")],
)
def test_a_tensor_file_that_is_none_is_one_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "bad.tns"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        fs.search(path)


def test_bad_times_and_executors_are_one_line() -> None:
    study = cpu()
    with pytest.raises(UsageError, match="run first"):
        study.resume()
    for budget in ("soon", 0, -1.0, float("nan")):
        with pytest.raises(UsageError, match="is no time"):
            study.run(budget)
    with pytest.raises(UsageError, match="no executor 'cloud'"):
        cpu(executor="cloud").run(1)
    assert study.catalogue.runs.all() == []


def test_a_result_shows_itself() -> None:
    found = cpu(target=7).run(10)
    assert repr(found).startswith("<Result <Scheme 2x2x2:7 over F2")
    table = found._repr_html_()
    assert table.count("<tr><td>") == 2
    assert "<svg" in table
    axes = found.plot()
    assert axes.get_ylabel() == "best rank"
    [line] = axes.get_lines()
    assert list(line.get_ydata()) == [moment.rank for moment in found.history]


def test_a_bar_is_shown_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress(23, {23: 1}, flips=4_000_000, seconds=2.0)
    for wanted in (False, None, True):
        with live_bar(10.0, wanted) as show:
            show(pool(), progress)
        written = capsys.readouterr().err
        assert ("3x3x3 F2  rank 23  2 M flips/s" in written) == (wanted is True)


def test_the_driver_notes_every_new_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "REPORT_SECONDS", 0.0)
    ranks: list[int] = []
    study = cpu(
        "2x2x3",
        strategy=Steady,
        target=11,
        callbacks=[lambda study: ranks.append(study.progress.best_rank)],
    )
    found = study.run(60, lift=False)
    assert ranks[-1] == found.history[-1].rank == 11
    assert {*ranks} <= {moment.rank for moment in found.history}


def test_counting_classes_is_announced_and_is_no_walking() -> None:
    seen: list[tuple[str, float]] = []
    study = cpu(
        "2x2x2",
        target=7,
        callbacks=[lambda study: seen.append((study.progress.message, study.progress.seconds))],
    )
    found = study.run(60)
    (counting,) = {seconds for message, seconds in seen if message == "counting classes"}
    assert found.progress.seconds == counting
