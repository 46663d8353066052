"""Kinds of walks: kept in checkpoints and told apart, policies followed or refused."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pytest

from flipsearch.errors import UsageError
from flipsearch.executors.answers import open_answer, seal_many
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.walk import engine, kinds
from flipsearch.walk.diagonal.task import DiagonalTask
from flipsearch.walk.kinds import Kind, decode, encode, kind_named, kind_of, register
from flipsearch.walk.quotient import task as quotient
from flipsearch.walk.rotation import task as rotation
from flipsearch.walk.task import Policy, WalkOutcome, WalkTask, Words, pack

SQUARE, SKEW, UPPER = (parse_format(name) for name in ("3x3x3", "sw:4x4x4", "us:3x3x3"))
assert isinstance(SKEW, MatrixProduct)
ORBITS, CUBES = quotient.naive_orbits(3, ((0, 2), (1,)), True)
TASKS: dict[str, WalkTask] = {
    "plain": WalkTask(
        SQUARE, Ring.ZT, pack(naive_scheme(SQUARE, Ring.ZT)), 2**64 - 1, 900, Policy(100, 3), 1
    ),
    "quotient": quotient.QuotientTask(
        *(SQUARE, Ring.F2, ORBITS, 2, 900, Policy(100, 6, merge=False), 2),
        *(CUBES, True, 40, 2),
    ),
    "rotation": rotation.RotationTask(
        *(SKEW, Ring.F3, rotation.naive_orbits(SKEW, 4), 3, 900),
        *(Policy(100, 8, merge=False, plus_since="lower"), 3, 4, True),
    ),
    "diagonal": DiagonalTask(
        *(UPPER, Ring.F3, pack(naive_scheme(UPPER, Ring.F3)), 4, 900),
        *(Policy(100, 3, plus_since="lower"), 4),
    ),
}
KINDS = pytest.mark.parametrize("name", TASKS)


def assert_equal(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    for field in dataclasses.fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@KINDS
def test_a_task_comes_back_from_a_checkpoint_as_it_was(name: str) -> None:
    task = TASKS[name]
    saved = encode(task)
    assert saved["kind"] == name == kind_of(task).name
    text = json.dumps(saved, default=lambda array: array.tolist())
    assert_equal(decode(json.loads(text), parse_format("9x9x9"), Ring.F2), task)


OLD: dict[str, dict[str, Any]] = {
    "plain": {},
    "quotient": {"cubes": CUBES, "mirrored": True, "plus_below": 40, "largest_rank": 2},
    "rotation": {"order": 4, "integral": True},
    "diagonal": {"diagonal": True},
}


@KINDS
def test_checkpoints_of_older_versions_are_read(name: str) -> None:
    task = TASKS[name]
    policy = dataclasses.asdict(task.policy) | {"merge": True}
    del policy["plus_since"]
    saved = {"number": task.number, "seed": str(task.seed), "steps": 900, "policy": policy}
    saved |= {"start": task.start} | OLD[name]
    assert_equal(decode(saved, task.format, task.ring), task)


def test_what_is_of_no_kind_is_an_error() -> None:
    @dataclasses.dataclass(frozen=True, eq=False)
    class Mine(WalkTask):
        pass

    plain = TASKS["plain"]
    mine = Mine(plain.format, plain.ring, plain.start, 1, 10)
    for handle in (kind_of, encode, engine.walk, engine.reference):
        with pytest.raises(TypeError, match="Mine is of no registered kind"):
            handle(mine)
    with pytest.raises(UsageError, match="no kind of walk is called 'mine', only plain, "):
        decode(encode(plain) | {"kind": "mine"}, plain.format, plain.ring)
    for kind in (Kind("plain", Mine, engine.walk, engine.walk), kind_named("plain")):
        if kind is kind_of(plain):
            assert register(kind) is kind
        else:
            with pytest.raises(ValueError, match="is a kind of walk already"):
                register(kind)


@dataclasses.dataclass(frozen=True, eq=False)
class Idle(WalkTask):
    """Stand still: the kind of another package, with a field of each type that is kept."""

    weights: Words = dataclasses.field(default_factory=lambda: np.zeros(0, np.uint64))
    share: float = 0.5
    title: str = ""
    calm: bool = False


def idle(task: Idle) -> WalkOutcome:
    return WalkOutcome(task.number, (task.start,), task.start, (), 0, 0, 0, 0, "budget")


def test_a_kind_of_another_package_is_one_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    for known in ("_NAMED", "_OF"):
        monkeypatch.setattr(kinds, known, dict(getattr(kinds, known)))
    kind = register(Kind("idle", Idle, idle, idle, policies={"merge": (True,)}))
    plain = TASKS["plain"]
    weights = np.array([3, 2**64 - 1], dtype=np.uint64)
    task = Idle(
        *(plain.format, plain.ring, plain.start, 1, 10, Policy(), 5),
        *(weights, 0.25, "title", True),
    )
    assert kind_of(task) is kind
    text = json.dumps(encode(task), default=lambda array: array.tolist())
    assert_equal(decode(json.loads(text), plain.format, plain.ring), task)
    outcome = engine.walk(task)
    assert engine.check(task, outcome, 9) is outcome
    record, words = seal_many([task], [outcome])
    assert_equal(open_answer(task, record[0], words, 9), outcome)
    with pytest.raises(UsageError, match="idle walks do not take merge=False, only True"):
        engine.walk(dataclasses.replace(task, policy=Policy(merge=False)))


@KINDS
@pytest.mark.parametrize("policy", [{"collect": 2}, {"merge": True}, {"plus_since": "lower"}])
def test_a_policy_is_followed_or_refused(name: str, policy: dict[str, Any]) -> None:
    task = TASKS[name]
    other = dataclasses.replace(task, policy=dataclasses.replace(task.policy, **policy))
    [(field, value)] = policy.items()
    if value in kind_of(task).policies.get(field, (value,)):
        assert engine.walk(other).reason != "broken"
        return
    for walk in (engine.walk, engine.reference):
        with pytest.raises(UsageError, match=f"{name} walks do not take {field}={value!r}, only"):
            walk(other)


@KINDS
def test_an_outcome_passes_and_every_corruption_of_it_does_not(name: str) -> None:
    task = TASKS[name]
    outcome = engine.walk(task)
    assert outcome.reason == "budget"
    assert engine.check(task, outcome, 2**64 - 7) is outcome
    states = [f.name for f in dataclasses.fields(outcome) if "best" in f.name or "final" in f.name]
    for field in states:
        state = getattr(outcome, field)
        one = (state[0] if field == "best" else state).copy()
        if not one.size:
            continue
        one.reshape(-1)[0] ^= np.uint64(2)
        wrong = dataclasses.replace(outcome, **{field: (one,) if field == "best" else one})
        assert engine.check(task, wrong, 5).reason == "broken", field
    shorter = outcome.best[0][1:]
    for change in (
        {"best": (shorter,)},
        {"best": ()},
        {"final": shorter},
        {"flips": outcome.steps + 1},
        {"steps": task.steps + 1},
        {"history": ((1, task.rank),)},
        {"reason": "because"},
        {"number": task.number + 1},
    ):
        wrong = dataclasses.replace(outcome, **change)
        assert engine.check(task, wrong, 5).reason == "broken", change
