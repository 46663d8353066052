"""Addition-reduced programs are kept with their scheme, and never believed."""

from __future__ import annotations

import dataclasses
import json
import zlib

import numpy as np
import pytest
from catalogue_schemes import strassen, variant, winograd
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.catalogue import Catalogue, Provenance, codec
from flipsearch.catalogue.tables import PROGRAMS
from flipsearch.errors import CatalogueError, FormatError, InvalidSchemeError
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.programs import Program, Reduction, chained, reduction_from, reduction_of
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme


def plain(scheme: Scheme) -> Reduction:
    """The scheme as it is written, without shared sums."""
    left, right, output = (
        chained(m.shape[1], [], [[(int(p), x) for x, p in enumerate(row) if p] for row in m])
        for m in (scheme.u, scheme.v, scheme.w.T)
    )
    return Reduction(scheme, left, right, output)


def test_the_fewest_additions_are_kept(catalogue: Catalogue) -> None:
    best = winograd()
    first = catalogue.programs.add(plain(best.scheme), Provenance(method="as written"))
    assert (first.additions, first.kept, first.scheme.new) == (24, True, True)
    second = catalogue.programs.add(best, Provenance(method="by hand", source="Winograd 1971"))
    assert (second.additions, second.kept, second.scheme.new) == (15, True, False)
    assert not catalogue.programs.add(plain(best.scheme)).kept
    record = catalogue.schemes.get(best.scheme.content_hash)
    assert (record.additions, record.fewest_additions) == (24, 15)
    assert record.reduction == best
    assert record.to_dict()["fewest_additions"] == 15
    assert catalogue.schemes.count(additions=(None, 15)) == 1
    catalogue.schemes.add(strassen())
    found = catalogue.best("2x2x2")
    assert found is not None
    assert found.hash == record.hash  # 15 additions against 18
    assert catalogue.schemes.get(strassen().content_hash).reduction is None
    assert catalogue.audit().damaged == []


def test_products_may_stand_in_another_order(catalogue: Catalogue) -> None:
    base = variant(3)
    order = np.random.default_rng(1).permutation(base.rank)
    u, v, w = (matrix[order] for matrix in base.factors)
    turned = Scheme(base.format, Ring.Z, -u, v, -w)
    stored = catalogue.programs.add(plain(turned))
    record = catalogue.schemes.get(stored.scheme.hash)
    assert record.hash == base.content_hash
    assert record.reduction is not None
    assert np.array_equal(record.reduction.scheme.u, -u)


def test_denominators_are_kept(catalogue: Catalogue) -> None:
    naive = naive_scheme(parse_format("1x2x1"), Ring.Q)
    u = np.concatenate([naive.u, [[1, 1]], [[2, 2]]])
    v = np.concatenate([naive.v, [[1, 1]], [[1, 1]]])
    w = np.concatenate([naive.w, [[1]], [[-1]]])
    scheme = Scheme(naive.format, Ring.Q, u, v, w, np.array([1, 1, 3, 6]))
    stored = catalogue.programs.add(plain(scheme))
    found = catalogue.schemes.get(stored.scheme.hash).reduction
    assert found is not None
    assert found.scheme == scheme
    assert found.scheme.denominators.tolist() == [1, 1, 3, 6]


def test_programs_that_compute_something_else_are_refused(catalogue: Catalogue) -> None:
    good = winograd()
    wrong = dataclasses.replace(good, left=dataclasses.replace(good.left, outputs=((1, 0),) * 7))
    with pytest.raises(InvalidSchemeError, match="left program"):
        catalogue.programs.add(wrong)
    other = reduction_of(MatrixProduct(2, 2, 2), wrong.left, good.right, good.output)
    with pytest.raises(InvalidSchemeError):
        catalogue.programs.add(other)  # its programs fit its factors, which are no scheme
    assert len(catalogue.schemes) == 0


def test_a_changed_row_is_damaged_not_used(catalogue: Catalogue) -> None:
    stored = catalogue.programs.add(winograd())
    value = winograd().to_dict()
    value["right"]["steps"][2][0] = -1
    for data, reason in (
        (zlib.compress(json.dumps(value).encode()), "compute another scheme"),
        (b"nonsense", "cannot be used"),
        (codec.pack_programs(plain(winograd().scheme)), "number of additions"),
    ):
        with catalogue.database.writing() as connection:
            connection.execute(PROGRAMS.update().values(data=data))
        with pytest.raises(CatalogueError, match=reason):
            _ = catalogue.schemes.get(stored.scheme.hash).reduction
        assert catalogue.schemes.get(stored.scheme.hash).scheme == winograd().scheme
        ((name, why),) = catalogue.audit().damaged
        assert name == stored.scheme.hash
        assert reason in why


@pytest.mark.parametrize(
    ("path", "item"),
    [
        (("left", "inputs"), 10**15),
        (("left", "inputs"), -4),
        (("left", "inputs"), 5),
        (("left", "inputs"), True),
        (("left",), None),
        (("left", "steps"), "abc"),
        (("left", "steps", 0), [1, 9, 1, 0]),
        (("left", "steps", 0), [1, -1, 1, 0]),
        (("left", "steps", 0), [1, 0, 1]),
        (("left", "steps", 0), [2**62, 0, 1, 0]),
        (
            ("left", "steps"),
            [[2**61, 0, 2**61, 0], [2**61, 4, 2**61, 4], [1, 0, 1, 0], [1, 0, 1, 0]],
        ),
        (("right", "outputs", 3), [1.5, 0]),
        (("right", "outputs", 3), [1, 99]),
        (("output", "outputs"), []),
        (("denominators",), [1, 2, 3]),
        (("denominators",), [0] * 7),
        (("denominators",), "no list"),
    ],
)
def test_hostile_programs(path: tuple[str | int, ...], item: object) -> None:
    value = winograd().to_dict()
    inner = value
    for key in path[:-1]:
        inner = inner[key]  # type: ignore[index]
    inner[path[-1]] = item  # type: ignore[index]
    data = zlib.compress(json.dumps(value).encode())
    with pytest.raises(FormatError):
        codec.unpack_programs(data, MatrixProduct(2, 2, 2), winograd().scheme.content_hash, 15)


def test_nothing_inflates_without_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "LARGEST_PROGRAM_BYTES", 1000)
    data = zlib.compress(b" " * 100_000)
    with pytest.raises(FormatError, match="too large"):
        codec.unpack_programs(data, MatrixProduct(2, 2, 2), "", 0)


@given(st.data())
@settings(max_examples=50)
def test_a_program_computes_its_matrix_whatever_the_way(data: st.DataObject) -> None:
    """Machine words in blocks of columns, and Python's integers, agree."""
    inputs = data.draw(st.integers(1, 5))
    numbers = st.integers(-3, 3) | st.integers(-(2**40), 2**40)
    steps = []
    for count in range(inputs, inputs + data.draw(st.integers(0, 6))):
        variable = st.integers(0, count - 1)
        steps.append((data.draw(numbers), data.draw(variable), 1, data.draw(variable)))
    last = st.integers(0, inputs + len(steps) - 1)
    outputs = tuple((data.draw(st.integers(-1, 1)), data.draw(last)) for _ in range(3))
    program = Program(inputs, tuple(steps), outputs)
    try:
        expected = program._matrix_in_long_integers()
    except OverflowError:
        return
    assert np.array_equal(program.matrix(), expected)
    record = {"inputs": inputs, "steps": [list(s) for s in steps], "outputs": [[1, 0]]}
    with pytest.raises((FormatError, InvalidSchemeError)):
        reduction_from({"left": record, "right": record, "output": {}}, MatrixProduct(2, 2, 2))
