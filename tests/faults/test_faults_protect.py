"""protect: searches, presets, bounds, the command."""

from __future__ import annotations

import contextlib
import gc
import itertools
import json
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flipsearch.algebra import exact
from flipsearch.algebra.deadline import OutOfTimeError, deadline
from flipsearch.catalogue import Catalogue
from flipsearch.cli import faults as command
from flipsearch.cli import kernels as kernel_command
from flipsearch.cli.parser import Parser
from flipsearch.errors import FormatError, NotFoundError, UsageError
from flipsearch.faults import FaultTolerantScheme, find_union, from_scheme, union_of
from flipsearch.faults.base import composed
from flipsearch.faults.checksums import directions, with_checksums
from flipsearch.faults.covering import FewestWorkers, fewest_workers
from flipsearch.faults.descent import Descent, ternary_vectors
from flipsearch.faults.parity import with_parities
from flipsearch.faults.presets import preset_folder, presets, read_union, union_text
from flipsearch.faults.protect import protect
from flipsearch.files.native import read_native
from flipsearch.formats import parse_format
from flipsearch.kernels.builtin import strassen, winograd
from flipsearch.verify import verify

TWO = parse_format("2x2x2")
BASES = [("Strassen", strassen()), ("Winograd", winograd())]


def largest(union: FaultTolerantScheme) -> int:
    return int(max(np.abs(union.u).max(), np.abs(union.v).max()))


def test_every_preset_is_what_it_says() -> None:
    folder = preset_folder()
    assert folder is not None
    for path in folder.glob("*.txt"):
        scheme, said = read_native(path)
        verify(scheme)
        assert "survives" in said
        union = read_union(path)
        certificate = union.certificate()
        assert certificate.survives == int(said["survives"])
        assert union.workers == int(said["workers"]) == scheme.rank
        counts = said["fatal-sets"].removesuffix(" ...").split()
        assert list(certificate.counts) == [int(c) for c in counts]


@pytest.mark.parametrize(
    ("survive", "workers", "entries"),
    [
        (1, 9, 1),
        (2, 12, 1),
        (2, 11, 2),
        (3, 14, 2),
        (3, 14, 1),
        (3, 13, 2),
        (3, 15, 1),
        (4, 15, 2),
    ],
)
def test_presets_reach_the_figures(survive: int, workers: int, entries: int) -> None:
    assert any(
        union.workers <= workers and largest(union) <= entries for union in presets(TWO, survive)
    )


def test_sixteen_ternary_workers_beat_three_copies() -> None:
    chances = [
        union.certificate().failure_probability(0.1)
        for union in presets(TWO, 3)
        if union.workers == 16 and largest(union) == 1
    ]
    assert min(chances) <= 0.0041


def test_a_union_survives_being_written_and_read(tmp_path: Path) -> None:
    union = union_of(TWO, [strassen(), winograd()], ["Strassen", "Winograd"], "both")
    path = tmp_path / "both.txt"
    path.write_text(union_text(union), encoding="utf-8")
    again = read_union(path)
    assert again.content_hash == union.content_hash
    assert again.certificate() == union.certificate()
    assert (again.name, again.origin) == (union.name, union.origin)
    path.write_text(path.read_text().replace("survives: 1", "survives: 2"), encoding="utf-8")
    with pytest.raises(FormatError, match="does not"):
        read_union(path)
    assert from_scheme(union.as_scheme()).content_hash == union.content_hash


@pytest.mark.parametrize("name", ["2x2x3", "3x2x2", "2x3x2", "1x3x2"])
def test_checksums_protect_any_format_from_one_loss(name: str) -> None:
    format_ = parse_format(name)
    base = composed(format_)
    verify(base)
    n, m, p = format_.sides
    found = any(
        with_checksums(base, [(x, y)]).certificate(1).survives >= 1
        for x, y in itertools.islice(
            itertools.product(directions(n, 2)[::-1], directions(p, 2)[::-1]), 300
        )
    )
    assert found
    assert with_checksums(base, [((1,) * n, (1,) * p)]).workers == base.rank + m


def test_composed_schemes_have_the_ranks_of_strassens_pieces() -> None:
    ranks = {"2x2x2": 7, "2x2x3": 11, "4x4x4": 49, "3x3x3": 26, "2x4x2": 14, "1x5x3": 15}
    assert {name: composed(parse_format(name)).rank for name in ranks} == ranks


def test_free_codes_by_descent_improve_and_replay() -> None:
    ternary = ternary_vectors(4)
    start = [np.vstack([side, ternary[:3]]) for side in (strassen().u, strassen().v)]

    def scores(seed: int) -> list[float]:
        search = Descent(TWO, ternary, ternary, p=0.05, depth=2, seed=seed)
        return [code.score for code in itertools.islice(search.run(*start), 60)]

    first = scores(3)
    assert first == scores(3)
    assert min(first) < first[0]


def test_the_descent_objective_is_the_certificates() -> None:
    ternary = ternary_vectors(4)
    start = [np.vstack([side, ternary[3:6]]) for side in (winograd().u, winograd().v)]
    p, depth = 0.03, 3
    search = Descent(TWO, ternary, ternary, p=p, depth=depth, seed=0)
    for drop in (7, 8, 2):
        code = search.step(*start, drop)
        counts = FaultTolerantScheme(TWO, code.u, code.v).certificate().counts
        n = len(code.u)
        expected = sum(counts[k] * p**k * (1 - p) ** (n - k) for k in range(depth + 1))
        assert code.score == pytest.approx(expected)


def test_the_covering_bound_agrees_with_brute_force() -> None:
    format_ = parse_format("1x2x1")
    u = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [1, 0]])
    v = np.array([[1, 0], [0, 1], [1, 1], [1, -1], [1, 0]])
    for survive in (0, 1):
        found = fewest_workers(format_, u, v, survive, budget=20)
        smallest = next(
            size
            for size in range(1, 7)
            if any(survives(format_, u, v, rows, survive) for rows in subsets(5, size))
            or size == 6
        )
        assert found.bound == smallest


def subsets(n: int, size: int) -> list[list[int]]:
    return [list(rows) for rows in itertools.combinations(range(n), size)]


def survives(format_, u, v, rows, survive) -> bool:  # type: ignore[no-untyped-def]
    try:
        union = FaultTolerantScheme(format_, u[rows], v[rows])
    except Exception:
        return False
    return union.certificate(survive).survives >= survive


def test_nine_workers_are_needed_within_a_pool() -> None:
    union = presets(TWO, 1)[0]
    u = np.concatenate([union.u, strassen().u])
    v = np.concatenate([union.v, strassen().v])
    found = fewest_workers(TWO, u, v, 1, budget=60)
    assert found.bound == 9
    assert found.chosen is not None
    assert survives(TWO, u, v, list(found.chosen), 1)


def test_protect_finds_nine_workers_without_presets() -> None:
    found = protect(TWO, 1, BASES, budget=3, use_presets=False)
    assert found.union.workers <= 9
    assert found.union.certificate().survives >= 1


def test_protect_uses_the_workers_it_is_given() -> None:
    found = protect(TWO, 2, BASES, workers=14, budget=5, use_presets=False)
    assert found.union.workers <= 14
    assert found.union.certificate().survives >= 2
    assert found.union.certificate().failure_probability(0.05) <= 2.91e-3  # Strassen + orbit


def test_protect_says_what_it_could_not_find() -> None:
    with pytest.raises(NotFoundError, match="more workers"):
        protect(TWO, 3, BASES, workers=8, budget=1, use_presets=False)
    with pytest.raises(UsageError):
        protect(TWO, 0, BASES)


def test_find_union_takes_a_preset_or_searches(database: str) -> None:
    assert find_union(TWO, 3).workers == 13
    union = find_union(parse_format("1x2x2"), 1, database, budget=3)
    assert union.certificate().survives >= 1
    with pytest.raises(UsageError):
        find_union(TWO, 0)


def run(*arguments: str) -> int:
    parser = Parser()
    command.register(parser.add_subparsers())
    parsed = parser.parse_args(["protect", *arguments])
    parsed.verbose = False
    code: int = parsed.handler(parsed)
    return code


def test_the_command_prints_a_certificate_and_stores(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    db, out = database, tmp_path / "union.txt"
    code = run("2x2x2", "--survive", "3", "--budget", "2s", "--db", db, "-o", str(out))
    text = capsys.readouterr().out
    assert code == 0
    assert "survives any 3 lost" in text
    assert "4 copies" in text
    assert "entangled polynomial code" in text
    union = read_union(out)
    with Catalogue.open(db) as catalogue:
        record = catalogue.schemes.get(union.as_scheme().content_hash)
        assert from_scheme(record.scheme).certificate().survives >= 3
        details = [
            p.details for p in catalogue.schemes.provenance(record) if p.method == "protect"
        ]
        assert details[0] is not None
        assert details[0]["survives"] == "3"
        parent = next(
            p.parent for p in catalogue.schemes.provenance(record) if p.method == "protect"
        )
        assert parent == strassen().content_hash
        assert catalogue.schemes.get(parent).rank == 7


def test_the_command_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("2x2x2", "--survive", "2", "--budget", "1s", "--no-store", "--json") == 0
    record = json.loads(capsys.readouterr().out)
    assert record["workers"] <= 12
    assert record["survives"] >= 2
    assert record["fatal_sets"][:3] == [0, 0, 0]


def test_the_command_refuses_nonsense() -> None:
    for arguments in (["ug:2x2x2"], ["2x2"], ["2x2x2", "--budget", "soon"]):
        with pytest.raises(UsageError):
            run(*arguments, "--no-store")


def test_a_shipped_union_is_taken_at_once() -> None:
    found = protect(TWO, 2, BASES, budget=60)
    assert (found.union.workers, found.tried) == (11, {})
    assert protect(TWO, 2, BASES, workers=14, budget=60).union.workers == 14
    assert protect(TWO, 1, BASES, budget=1, use_presets=False).tried


FOUR = parse_format("4x4x4")


_ENDS = re.compile("do not suffice|any 9 losses; the best")


def large_union(checksums: int) -> FaultTolerantScheme:
    """A union of which larger certificates take hours."""
    generator = np.random.default_rng(1)
    pairs = generator.integers(-9, 10, size=(checksums, 2, 4)).tolist()
    return with_checksums(composed(FOUR), pairs)


def test_the_budget_holds_where_certificates_take_hours() -> None:
    large_union(9).certificate(2)  # compiled now
    begin = time.monotonic()
    for budget in (0.01, 2):
        with pytest.raises(NotFoundError, match=_ENDS) as caught:
            protect(FOUR, 9, [("composed", composed(FOUR))], budget=budget)
        assert "\n" not in str(caught.value)
    assert time.monotonic() - begin < 10


def test_the_budget_holds_for_bounds_and_parities() -> None:
    union = large_union(9)
    fewest_workers(TWO, *[side[:7] for side in (strassen().u, strassen().v)], 0, budget=5)
    begin = time.monotonic()
    found = fewest_workers(FOUR, union.u, union.v, 9, budget=1)
    assert found == FewestWorkers(1, None)
    with pytest.raises(OutOfTimeError), deadline(1):
        with_parities(union_of(TWO, [strassen()] * 3), 2, ternary_vectors(4), ternary_vectors(4))
    with pytest.raises(OutOfTimeError), deadline(1):
        union.fatal_patterns(9)
    assert time.monotonic() - begin < 15


@pytest.mark.parametrize("work", ["counts", "patterns", "descent", "elimination"])
def test_interrupts_are_heard_in_compiled_loops(work: str) -> None:
    union = large_union(6)
    ternary = ternary_vectors(4)
    five = parse_format("6x6x6")

    def run() -> None:
        if work == "counts":
            union.certificate(9)
        elif work == "patterns":
            union.fatal_patterns(9)
        elif work == "descent":
            sides = [np.repeat(side, 5, axis=0) for side in (strassen().u, strassen().v)]
            Descent(TWO, ternary, ternary, depth=12).step(*sides, 0)
        else:
            while True:
                exact.relations(union_of(five, [composed(five)]).products)

    with contextlib.suppress(OutOfTimeError), deadline(0.5):
        run()  # compiled now
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    gc.collect()  # an exception in a finalizer would be lost
    gc.disable()
    timer = threading.Timer(0.5, interrupt)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt), deadline(30):
            run()
    finally:
        gc.enable()
    assert time.monotonic() - sent[0] < 3


def test_an_interrupted_search_keeps_its_union(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database: str
) -> None:
    def interrupted(*_: object) -> Iterator[FaultTolerantScheme]:
        yield with_checksums(strassen(), [((1, 2), (1, 2))])
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["flipsearch.faults.protect"], "_partners", interrupted)
    monkeypatch.setattr(
        sys.modules["flipsearch.faults.protect"], "_checksums", lambda *_: iter(())
    )
    assert run("2x2x2", "--survive", "1", "--no-preset", "--db", database) == 130
    out, err = capsys.readouterr()
    assert "survives any 1 lost" in out
    assert "interrupted" in err
    with Catalogue.open(database) as catalogue:
        assert any(record.survives == 1 for record in catalogue.schemes.records(format="2x2x2"))


@pytest.mark.parametrize("target", ["gt:4x4x4", "ug:2x2x2", "3x4x5", "2x2x2"])
def test_kernel_recommends_only_what_protect_takes(
    target: str, tmp_path: Path, database: str
) -> None:
    """`kernel FORMAT --faults F` names a `protect` command that parses and starts."""
    parser = Parser()
    kernel_command.register(parser.add_subparsers())
    db, out = database, str(tmp_path / "mm.py")
    said = []
    for faults in ("0", "17"):
        arguments = ["kernel", target, "--faults", faults, "-o", out, "--db", db]
        parsed = parser.parse_args(arguments)
        with contextlib.suppress(NotFoundError, UsageError):
            parsed.handler(parsed)
            continue
        with pytest.raises((NotFoundError, UsageError)) as caught:
            parsed.handler(parsed)
        said.append(str(caught.value))
    assert said
    for message in said:
        advice = re.search("`protect (.*)`", message)
        assert advice or "only general formats" in message
        if advice:
            with contextlib.suppress(NotFoundError):
                run(*advice[1].split(), "--budget", "1s", "--no-store")
