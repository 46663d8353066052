from __future__ import annotations

import io
import json
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scheme_samples import changed_basis, product, samples, strassen, winograd

import flipsearch as fs
from flipsearch.errors import FormatError, InvalidSchemeError, UsageError
from flipsearch.files import (
    SUFFIXES,
    file_name,
    read_piece,
    read_schemes,
    to_bytes,
)
from flipsearch.files.pieces import pieces_in
from flipsearch.formats import MatrixProduct, parse_format
from flipsearch.programs import Reduction, plain_programs
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import is_valid

KEEPS_RING = ("json", "scheme", "reduced")


def plain(scheme: Scheme) -> Reduction:
    """The scheme as it is written, without shared sums."""
    return Reduction(scheme, *plain_programs(scheme))


@pytest.mark.parametrize("to", SUFFIXES)
def test_export_then_import_is_the_identity(tmp_path: Path, to: str) -> None:
    checked = refused = 0
    for number, scheme in enumerate(samples()):
        try:
            data = to_bytes(scheme, to, {"found-by": "a test"}, plain(scheme))
        except FormatError:
            refused += 1
            continue
        path = tmp_path / f"{number}.bin"
        path.write_bytes(data)
        (read,) = read_schemes(path)
        assert read.reason == ""
        if to == "reduced" and not scheme.ring.characteristic:
            assert read.reduction is not None
            assert read.reduction.scheme == scheme
            assert read.reduction.additions == scheme.additions
        if to in KEEPS_RING:
            assert read.scheme == scheme
            assert read.scheme.ring is scheme.ring
            assert read.meta == {"found-by": "a test"}
        else:
            (told,) = read_schemes(path, ring=scheme.ring)
            assert told.scheme == scheme
            assert read.scheme is not None
            if read.scheme.ring.characteristic == scheme.ring.characteristic:
                assert read.scheme == scheme
                assert read.scheme.ring is scheme.natural_ring
            else:
                assert read.scheme.over(scheme.ring) == scheme
        checked += 1
    assert checked >= 20
    assert refused == 0 or to not in ("json", "scheme", "npy")


@settings(max_examples=12)
@given(st.tuples(*[st.integers(1, 4)] * 3), st.integers(0, 99), st.sampled_from(["F2", "F3", "Q"]))
def test_from_file_to_scheme_to_file(sides: tuple[int, int, int], seed: int, ring: str) -> None:
    """A scheme is read back from every file format, and then written as the same bytes."""
    form = MatrixProduct(*sides)
    scheme = changed_basis(naive_scheme(form, Ring(ring)), seed)
    written = 0
    for to in SUFFIXES:
        try:
            data = to_bytes(scheme, to, reduction=plain(scheme))
        except FormatError:
            assert to in ("npz", "npy", "reduced")
            continue
        (piece,) = pieces_in("file", io.BytesIO(data))
        read = read_piece(piece, scheme.ring, form)
        assert (read.reason, read.scheme) == ("", scheme)
        assert read.scheme is not None
        again = to_bytes(read.scheme, to, reduction=plain(read.scheme))
        (piece,) = pieces_in("file", io.BytesIO(again))
        back = read_piece(piece, scheme.ring, form).scheme
        assert back is not None
        assert to_bytes(back, to, reduction=plain(back)) == again
        written += 1
    assert written >= 8


@pytest.mark.parametrize("sides", [(16, 1, 3), (9, 2, 1), (2, 10, 16)])
def test_a_side_above_sixteen_goes_through_every_file(sides: tuple[int, int, int]) -> None:
    large = product(naive_scheme(MatrixProduct(*sides), "ZT"), strassen())
    for to in SUFFIXES:
        if to == "npy":  # it does not say its sizes
            continue
        data = to_bytes(large, to, reduction=plain(large))
        (piece,) = pieces_in("file", io.BytesIO(data))
        read = read_piece(piece)
        assert (read.reason, read.scheme) == ("", large)


def test_a_file_too_large_to_be_read_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flipsearch.files.write.LARGEST_PIECE", 1000)
    with pytest.raises(FormatError, match="more than is read: use sms"):
        to_bytes(naive_scheme("4x4x4", "Z"), "json")


def test_numpy_reads_what_is_written(tmp_path: Path) -> None:
    square = fs.write(strassen(), tmp_path / "s.npz", "npz")
    with np.load(square) as archive:
        assert (archive["2,2,2"][2] == strassen().w.T).all()
    flat = fs.write(strassen(), tmp_path / "s.npy", "npy")
    assert np.load(flat).shape == (1, 2 * 7 * 12)


def test_the_object_array_is_what_numpy_unpickles(tmp_path: Path) -> None:
    """The hand-written opcodes, read by numpy's own unpickler: only here, on our own bytes."""
    scheme = naive_scheme(parse_format("2x3x4"), Ring.Z)
    path = fs.write(scheme, tmp_path / "o.npz", "npz")
    with np.load(path, allow_pickle=True) as archive:
        u, v, w = archive["2,3,4"]
    for written, matrix in zip((u, v, w), scheme.factors, strict=True):
        assert (written == matrix.T).all()


def test_json_is_the_community_form() -> None:
    value = json.loads(to_bytes(changed_basis(strassen(Ring.Q), 5), "json"))
    assert value["n"] == [2, 2, 2]
    assert value["m"] == 7
    assert value["z2"] is False
    entries = {type(x) for row in value["w"] for x in row}
    assert entries == {int, str}


def test_names_and_refusals(tmp_path: Path) -> None:
    name = file_name(strassen(), "json")
    assert name.startswith("2x2x2_m7_ZT_")
    assert ":" not in file_name(naive_scheme(parse_format("ug:2x2x2"), Ring.Z), "scheme")
    with pytest.raises(UsageError, match="unknown file format"):
        to_bytes(strassen(), "docx")
    with pytest.raises(FormatError, match="binary fractions"):
        to_bytes(Scheme(strassen().format, Ring.Q, strassen().u, strassen().v, strassen().w,
                        np.full(7, 3)), "npz")  # fmt: skip
    with pytest.raises(FormatError, match="general products only"):
        to_bytes(naive_scheme(parse_format("ug:2x2x2"), Ring.Z), "exp")


def test_files_are_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.json"
    fs.write(strassen(), path, found_by="me")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="force"):
        fs.write(product(strassen(), strassen()), path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        fs.write(product(strassen(), strassen()), path, force=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    monkeypatch.undo()
    fs.write(product(strassen(), strassen()), path, force=True)
    assert path.read_bytes() != before


def test_what_is_no_regular_file_is_written_to_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="that nobody reads"):
        fs.write(strassen(), pipe, "json", force=True)
    end = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    fs.write(strassen(), pipe, "json", force=True)
    assert os.read(end, 1 << 16) == to_bytes(strassen(), "json")
    os.close(end)
    assert pipe.is_fifo()
    assert list(tmp_path.iterdir()) == [pipe]


def test_shared_sums_survive_the_way_out_and_back(tmp_path: Path) -> None:
    """Winograd's 15 additions, S2 used three times; the orientation of W may be the other one."""
    reduction = winograd()
    left, right, output = reduction.programs
    path = fs.write(
        reduction.scheme, tmp_path / "w.json", "reduced", reduction=reduction, source="1971"
    )
    value = json.loads(path.read_text("utf-8"))
    assert value["complexity"] == {"naive": 24, "reduced": 15}
    assert [len(value[f"{name}_fresh"]) for name in "uvw"] == [2, 2, 2]
    (read,) = read_schemes(path)
    assert read.meta == {"source": "1971"}
    assert read.reduction is not None
    assert (read.reduction.additions, read.reduction.scheme) == (15, reduction.scheme)
    value["w"] = [value["w"][k] for k in (0, 2, 1, 3)]
    path.write_text(json.dumps(value), "utf-8")
    (turned,) = read_schemes(path)
    assert turned.w_order == "C"
    assert turned.reduction is not None
    assert (turned.reduction.additions, turned.reduction.scheme) == (15, reduction.scheme)
    other = Reduction(naive_scheme(parse_format("2x2x2"), Ring.ZT), left, right, output)
    with pytest.raises(InvalidSchemeError, match="left program"):
        to_bytes(other.scheme, "reduced", None, other)
    with pytest.raises(FormatError, match="`reduce --keep"):
        to_bytes(strassen(), "reduced")


def test_an_array_that_would_be_read_as_something_else_is_refused() -> None:
    """A union of rank 9 for 2x2x2 has the length of a uu:3x3x3 scheme; none has that format."""
    doubled = strassen()
    factors = [np.concatenate([m, m[:1], m[:1]]) for m in doubled.factors]
    factors[2][-1] *= -1
    padded = Scheme(doubled.format, Ring.ZT, *factors)
    assert is_valid(padded)
    with pytest.raises(FormatError, match="does not name its format"):
        to_bytes(padded, "npy")
    with pytest.raises(FormatError, match="would be read as no scheme"):
        to_bytes(naive_scheme(parse_format("kk:2x2x2"), Ring.Z), "npy")
