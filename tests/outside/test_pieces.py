"""Each toy alone: a tensor by name, and a kind of walk that the engine and checkpoints know."""

import dataclasses

import numpy as np
import pytest

from flipsearch.constructors import CONSTRUCTORS, Constructor, construct, register_constructor
from flipsearch.errors import UsageError
from flipsearch.executors.base import executor_named
from flipsearch.formats.named import named_format, register_tensor
from flipsearch.formats.sparse import sparse_tensor
from flipsearch.rings import Ring
from flipsearch.scheme import naive_scheme
from flipsearch.verify import is_valid
from flipsearch.walk import engine, kinds
from flipsearch.walk.task import Policy, pack, unpack

POLICY = Policy(plus_after=0, merge=False)


def task(steps=20_000, policy=POLICY):
    from toy_walk import ToyTask

    format_ = named_format("toy:3")
    start = pack(naive_scheme(format_, Ring.F2))
    return ToyTask(format_, Ring.F2, start, 7, steps, policy, number=5, pause=1)


def test_a_tensor_reads_back_from_its_name():
    toy = named_format("toy:3")
    assert str(toy) == "tensor:toy-3:04c7208d11e1"
    assert named_format(str(toy)) == toy
    assert str(named_format("4x5x6")) == "4x5x6"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("toy:9", "2, 3 or 4 terms"),
        ("tensor:toy-3:000000000000", "is now tensor:toy-3:04c7208d11e1"),
        ("tensor:tay-3:04c7208d11e1", "nobody here makes tensors called 'tay'"),
        ("tay:3", "unknown format"),
    ],
)
def test_names_of_nothing(name, message):
    with pytest.raises(UsageError, match=message):
        named_format(name)


def test_a_family_is_registered_once_and_labels_its_tensors(monkeypatch):
    monkeypatch.setattr("flipsearch.formats.named.TENSORS.added", {})
    register_tensor("one", lambda text: sparse_tensor(f"one-{text}", [(0, 0, 0, 1)]))
    assert named_format("one:1").label == "one-1"
    with pytest.raises(UsageError, match="'one' already"):
        register_tensor("one", lambda text: sparse_tensor("one", [(0, 0, 0, 2)]))
    register_tensor("two", lambda text: sparse_tensor("one-1", [(0, 0, 0, 1)]))
    with pytest.raises(UsageError, match="calls itself one-1"):
        named_format("two:1")


def test_a_constructor_of_another_package_is_found_and_held_to_its_promise(monkeypatch):
    scheme = construct("toy:2")
    assert (scheme.rank, scheme.ring) == (3, Ring.ZT)
    assert construct("toy:2", Ring.F2).rank == 3
    with pytest.raises(UsageError, match="no constructor makes"):
        construct("toy:3")
    monkeypatch.setattr(CONSTRUCTORS, "added", {})
    liar = Constructor("naive", lambda format_, ring: 2, naive_scheme)
    register_constructor("liar", liar)
    with pytest.raises(UsageError, match="constructor liar promised"):
        construct("toy:2")


def test_the_engine_walks_it_and_checks_what_it_brings():
    outcome = engine.walk(task())
    assert (outcome.rank, outcome.reason) == (6, "budget")
    assert is_valid(unpack(task().format, Ring.F2, outcome.best[0]))
    wrong = outcome.best[0].copy()
    wrong[0, 0, 0] ^= np.uint64(1)
    assert engine.check(task(), dataclasses.replace(outcome, best=(wrong,)), 1).reason == "broken"


def test_policies_that_it_does_not_follow_are_refused():
    with pytest.raises(UsageError, match="toy walks do not take plus_after"):
        engine.walk(task(policy=Policy(merge=False)))


def test_a_checkpoint_keeps_its_kind():
    saved = kinds.encode(task())
    assert saved["kind"] == "toy"
    again = kinds.decode(saved, named_format("toy:3"), Ring.F2)
    assert type(again) is type(task())
    assert (again.pause, again.steps, again.policy) == (1, 20_000, POLICY)
    np.testing.assert_array_equal(again.start, task().start)


def test_a_checkpoint_keeps_a_tensor_that_no_name_makes():
    from toy_walk import ToyTask

    format_ = sparse_tensor("own", [(0, 0, 0, 1), (1, 1, 0, 1)])
    mine = ToyTask(format_, Ring.F2, pack(naive_scheme(format_, Ring.F2)), 1, 10)
    again = kinds.decode(kinds.encode(mine), format_, Ring.F2)
    assert again.format == format_


def test_the_executor_hands_outcomes_back_in_order():
    from toy_executor import ToyExecutor

    with ToyExecutor() as executor:
        for number in (3, 1):
            executor.submit(dataclasses.replace(task(100), number=number))
        assert executor.pending == 2
        assert executor.next_outcome(0).number == 3
        executor.hurry()
        assert (executor.pending, executor.next_outcome(0)) == (0, None)
    with pytest.raises(UsageError, match="walks alone"):
        executor_named("toy")(2)
