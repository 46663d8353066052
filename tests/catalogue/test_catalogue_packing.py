from __future__ import annotations

import numpy as np
import pytest
from catalogue_schemes import strassen, variant
from hypothesis import given, settings
from hypothesis import strategies as st

from flipsearch.catalogue.codec import (
    pack_scheme,
    pack_state,
    unpack_scheme,
    unpack_state,
)
from flipsearch.errors import FlipsearchError, FormatError
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme


@st.composite
def _schemes(draw: st.DrawFn) -> Scheme:
    """Any well-formed scheme, valid or not, of any size of coefficient."""
    format_ = parse_format(draw(st.sampled_from(["1x1x1", "2x1x3", "2x2x2", "kk:2x2x2"])))
    ring = draw(st.sampled_from(list(Ring)))
    rank = draw(st.integers(0, 6))
    low, high = {Ring.F2: (0, 1), Ring.F3: (-1, 1), Ring.ZT: (-1, 1)}.get(
        ring, draw(st.sampled_from([(-9, 9), (-200, 200), (-(2**33), 2**33), (-(2**61), 2**61)]))
    )
    entries = st.integers(low, high)
    u, v, w = (
        np.array(
            draw(st.lists(entries, min_size=rank * d, max_size=rank * d)), dtype=np.int64
        ).reshape(rank, d)
        for d in format_.dimensions
    )
    denominators = [1] * rank
    if ring is Ring.Q:
        denominators = draw(st.lists(st.integers(1, 2**40), min_size=rank, max_size=rank))
    return Scheme(format_, ring, u, v, w, np.array(denominators, dtype=np.int64))


@given(_schemes())
def test_packing_loses_nothing(scheme: Scheme) -> None:
    back = unpack_scheme(pack_scheme(scheme), scheme.format, scheme.ring, scheme.rank)
    for ours, theirs in zip(scheme.factors, back.factors, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(scheme.denominators, back.denominators)


def test_packed_schemes_are_small() -> None:
    format_ = parse_format("8x8x8")
    assert len(pack_scheme(naive_scheme(format_, Ring.F2))) < 512 * 192 / 8 / 4
    assert len(pack_scheme(strassen(Ring.F2))) <= 1 + 11


@settings(max_examples=300)
@given(st.data())
def test_damage_is_noticed_or_harmless(data: st.DataObject) -> None:
    scheme = data.draw(st.sampled_from([strassen(), strassen(Ring.F2), variant(5)]))
    packed = bytearray(pack_scheme(scheme))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        back = unpack_scheme(bytes(packed), scheme.format, scheme.ring, scheme.rank)
        name = back.content_hash
    except FlipsearchError:
        return
    same = pack_scheme(back.canonical) == pack_scheme(scheme.canonical)
    assert (name == scheme.content_hash) is same


@given(st.binary(max_size=60))
def test_foreign_bytes_are_refused(data: bytes) -> None:
    for scheme in (strassen(), strassen(Ring.F2)):
        try:
            back = unpack_scheme(data, scheme.format, scheme.ring, scheme.rank)
        except FormatError:
            continue
        again = unpack_scheme(pack_scheme(back), scheme.format, scheme.ring, scheme.rank)
        assert all((a == b).all() for a, b in zip(again.factors, back.factors, strict=True))


def test_a_bomb_does_not_inflate() -> None:
    import zlib

    bomb = bytes([0x80]) + zlib.compress(bytes(1 << 26))
    with pytest.raises(FormatError, match="length"):
        unpack_scheme(bomb, strassen().format, Ring.F2, 7)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), _json, max_size=4))
def test_states_of_json_values(state: dict[str, object]) -> None:
    assert unpack_state(pack_state(state)) == state


@given(
    st.sampled_from(["u1", "i8", "<u8", ">i4", "f8", "?", "<u2"]),
    st.lists(st.integers(0, 4), max_size=3),
    st.integers(0, 2**32),
)
def test_states_with_arrays(dtype: str, shape: list[int], seed: int) -> None:
    array = np.random.default_rng(seed).integers(0, 2, shape).astype(dtype)
    state = {"array": [1, "x"], "deep": [{"map": array[..., ::-1] if shape else array}], "n": 1}
    back = unpack_state(pack_state(state))
    assert back["array"] == [1, "x"]
    found = back["deep"][0]["map"]
    np.testing.assert_array_equal(found, array[..., ::-1] if shape else array)
    assert found.dtype == array.dtype.newbyteorder("<")


@pytest.mark.parametrize(
    "state", [{"x": {1, 2}}, {1: 2}, {"x": object()}, {"x": np.array(["a"])}, {"x": b"raw"}]
)
def test_states_hold_plain_values_only(state: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        pack_state(state)


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_state_is_refused_or_unchanged(data: st.DataObject) -> None:
    state = {"a": np.arange(9), "b": [1, {"c": None}]}
    packed = bytearray(pack_state(state))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack_state(bytes(packed))
    except FormatError:
        return
    np.testing.assert_array_equal(found.pop("a"), state.pop("a"))
    assert found == state


@given(st.binary(min_size=1, max_size=8))
def test_a_state_with_a_tail_is_refused(tail: bytes) -> None:
    with pytest.raises(FormatError, match="damaged"):
        unpack_state(pack_state({"a": 1}) + tail)


def test_a_state_is_no_pickle() -> None:
    import pickle

    with pytest.raises(FormatError):
        unpack_state(pickle.dumps({"a": 1}))
