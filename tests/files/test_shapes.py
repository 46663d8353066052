"""The shapes of other people's collections: arrays, matrices, programs, masks, notebooks."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scheme_samples import changed_basis, product, strassen, winograd

from flipsearch.catalogue import Catalogue
from flipsearch.errors import InvalidSchemeError
from flipsearch.files import Read, read_piece, read_schemes, to_bytes
from flipsearch.files.pieces import pieces_in
from flipsearch.files.write import parts_of
from flipsearch.formats import Format, parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import verify

WIDE = naive_scheme(parse_format("2x3x4"), Ring.Z)
FOUR = product(strassen(), strassen())
RATIONAL = changed_basis(strassen(Ring.Q), 5)


def read(data: bytes | str, name: str = "file", format_: Format | None = None) -> Read:
    content = data.encode() if isinstance(data, str) else data
    (piece,) = pieces_in(name, io.BytesIO(content))
    return read_piece(piece, None, format_)


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def npy(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


NAMES = [
    ("U", "V", "W"), ("u", "v", "w"), ("A", "B", "C"), ("factor_0", "factor_1", "factor_2"),
    ("arr_0", "arr_1", "arr_2"), ("alpha", "beta", "gamma"), ("U_matrix", "V_matrix", "W_matrix"),
]  # fmt: skip


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("scheme", [WIDE, FOUR])
def test_three_arrays_under_any_usual_name(names: tuple[str, ...], scheme: Scheme) -> None:
    for kind in (np.int8, np.int64, np.float32, np.float64):
        rows = [factor.astype(kind) for factor in scheme.factors]
        for factors in (rows, [factor.T for factor in rows], [*rows[:2], rows[2].T]):
            found = read(npz(**dict(zip(names, factors, strict=True)), loss=np.float64(1e-9)))
            assert (found.reason, found.scheme) == ("", scheme)


def test_three_stacked_matrices() -> None:
    stack = np.stack(FOUR.factors)
    for axis in range(3):
        for array in (np.moveaxis(stack, 0, axis), np.moveaxis(stack, 0, axis).swapaxes(0, 2)):
            assert read(npy(array)).scheme == FOUR
    squares = [factor.reshape(-1, 4, 4) for factor in FOUR.factors]
    assert read(npy(np.stack(squares))).scheme == FOUR
    assert read(npz(u=squares[0], v=squares[1], w=squares[2])).scheme == FOUR
    assert "no stack of three" in read(npy(stack[:2])).reason


def test_floats_stand_for_the_small_fractions_they_are_nearest_to() -> None:
    u, v, w = RATIONAL.factors
    for kind in (np.float32, np.float64):
        exact = (w / RATIONAL.denominators[:, None]).astype(kind)
        assert read(npz(U=u.T, V=v.T, W=exact.T)).scheme == RATIONAL
    exact = exact.astype(np.float64)
    exact[3, 2] = 0.333
    assert read(npz(U=u, V=v, W=exact)).reason.startswith("not a scheme")
    exact[3, 2] = 0.33333333333
    assert read(npz(U=u, V=v, W=exact)).reason.startswith("W[3, 2]: coefficient 0.33333333333 is")
    assert "save the real parts" in read(npz(U=u + 0j, V=v, W=w)).reason


@given(st.fractions(-30, 30, max_denominator=1000))
def test_a_float_and_its_fraction(value: Fraction) -> None:
    if value:
        factors = {"U": [[float(value)]], "V": [[1.0]], "W": [[float(1 / value)]]}
        found = read(json.dumps(factors))
        small = (1 / value).denominator <= 1000
        assert (found.scheme is not None) == small or not small


def compressed(scheme: Scheme, **more: Any) -> dict[str, Any]:
    arrays: dict[str, Any] = dict(more)
    for name, factor in zip("uvw", scheme.factors, strict=True):
        rows, columns = factor.nonzero()
        arrays[f"{name}_indptr"] = np.searchsorted(rows, np.arange(len(factor) + 1))
        arrays[f"{name}_indices"] = columns.astype(np.int32)
        arrays[f"{name}_numerators"] = factor[rows, columns]
        below = scheme.denominators[rows] if name == "w" else np.ones_like(rows)
        arrays[f"{name}_denominators"] = below
    return arrays


@pytest.mark.parametrize("scheme", [strassen(), WIDE, RATIONAL])
def test_compressed_rows(scheme: Scheme) -> None:
    arrays = compressed(scheme, metadata_json=np.array(b'{"found": "once"}'))
    assert read(npz(**arrays)).scheme == scheme
    sizes = {letter: np.int64(scheme.format.sides[k]) for k, letter in enumerate("nmp")}  # type: ignore[attr-defined]
    assert read(npz(**arrays, **sizes)).scheme == scheme
    arrays["u_indptr"] = arrays["u_indptr"][:-1]
    assert "does not count" in read(npz(**arrays)).reason
    arrays["u_indices"] = arrays["u_indices"].reshape(1, -1)
    assert "not flat" in read(npz(**arrays)).reason


@pytest.mark.slow
@pytest.mark.parametrize("first", ["5x5x5", "8x2x8"])
def test_compressed_rows_of_large_sides(first: str, tmp_path: Path) -> None:
    """20x20x20 of rank 6,125 and 32x8x32 of rank 6,272, into a catalogue and out of it."""
    scheme = product(product(naive_scheme(first, "ZT"), strassen()), strassen())
    found = read(npz(**compressed(scheme)))
    assert (found.reason, found.scheme) == ("", scheme)
    with Catalogue.open(tmp_path / "c.sqlite") as catalogue:
        stored = catalogue.schemes.add(scheme)
        kept = catalogue.schemes.get(stored.hash)
        assert (kept.format, kept.rank, kept.scheme) == (scheme.format, scheme.rank, scheme)
    assert read(to_bytes(scheme, "sms")).scheme == scheme
    with pytest.raises(InvalidSchemeError):
        verify(Scheme(scheme.format, scheme.ring, -scheme.u, scheme.v, scheme.w))


def test_an_archive_does_not_unpack_without_end() -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in "uvwx":
            archive.writestr(f"{name}.npy", npy(np.zeros((1 << 19, 6))))
    assert "unpacks to more than 64 MiB" in read(file.getvalue()).reason


def test_an_archive_of_other_arrays_gets_one_sentence() -> None:
    reason = read(npz(**{f"w{k}": np.zeros(5) for k in range(13)})).reason
    assert reason.startswith("its arrays w0, w1, ")
    assert reason.endswith("are no U, V and W under any usual name")
    assert len(reason) < 200


@pytest.mark.parametrize("to", ["sms", "slp"])
@pytest.mark.parametrize("scheme", [strassen(), WIDE, RATIONAL, FOUR])
def test_three_files_of_one_scheme(tmp_path: Path, to: str, scheme: Scheme) -> None:
    parts = parts_of(scheme, to)
    for part, data in parts.items():
        (tmp_path / f"a_{part}.{to}").write_bytes(b"# " + part.encode() + b" of a scheme\n" + data)
    (found,) = read_schemes(tmp_path)
    assert (found.scheme, found.kind, found.w_order) == (scheme, to, "C")
    assert found.source.endswith(f"a_*.{to}")
    (alone,) = read_schemes(tmp_path / f"a_R.{to}")
    assert alone.scheme == scheme
    with tarfile.open(tmp_path / "all.tar", "w") as archive:
        for part in "PLR":
            archive.add(tmp_path / f"a_{part}.{to}", f"deep/b_{part}.{to}")
    assert [found.scheme for found in read_schemes(tmp_path / "all.tar")] == [scheme]
    (tmp_path / f"a_R.{to}").unlink()
    (tmp_path / "all.tar").unlink()
    lonely = list(read_schemes(tmp_path))
    assert len(lonely) == 2
    assert all("one of the three files ..._L, ..._R and ..._P" in one.reason for one in lonely)


def test_programs_keep_their_shared_sums() -> None:
    reduction = winograd()
    text = to_bytes(reduction.scheme, "slp", None, reduction).decode()
    found = read(text)
    assert (found.kind, found.scheme) == ("slp", reduction.scheme)
    assert found.reduction is not None
    assert found.reduction.additions == 15
    assert found.reduction.scheme == reduction.scheme
    assert read(text.replace("t4:=i2+i3;", "t4:=(i2*4-2*i3*-2)/4; anything")).scheme is not None
    for new, message in (
        ("t4:=i2*i3;", "line 2: expected a sum"),
        ("t4:=i2+t9;", "line 2: 't9' has no value yet"),
        ("o9:=i2+i3;t4:=o9;", "outputs of the program L are not o0, o1"),
    ):
        assert message in read(text.replace("t4:=i2+i3;", new, 1)).reason
    halved = read(text.replace("t4:=i2+i3;", "t4:=(i2+i3)/2;z0:=t4*2;t4:=z0;", 1))
    assert (halved.scheme, halved.reduction) == (reduction.scheme, None)


def test_coefficient_rows() -> None:
    for separator in ("\n", "#\n", "\n# W\n\n"):
        for tables in (WIDE.factors, [factor.T for factor in WIDE.factors]):
            blocks = ["\n".join(" ".join(map(str, row)) for row in t.tolist()) for t in tables]
            text = "# a comment\n" + f"\n{separator}".join(blocks)
            assert (read(text).kind, read(text).scheme) == ("table", WIDE)
            assert read(text.replace(" ", ", ")).scheme == WIDE
    below = RATIONAL.denominators.tolist()
    third = [
        [Fraction(x, d) for x in row] for row, d in zip(RATIONAL.w.tolist(), below, strict=True)
    ]
    tables = [*(matrix.tolist() for matrix in RATIONAL.factors[:2]), third]
    text = "\n\n".join("\n".join(" ".join(map(str, row)) for row in t) for t in tables)
    assert read(text).scheme == RATIONAL
    assert "symbols such as 'x'" in read(text.replace("1/2", "1*x", 1)).reason


def test_bit_masks_of_schemes_over_f2() -> None:
    for scheme in (strassen(Ring.F2), FOUR.over(Ring.F2), WIDE.over(Ring.F2)):
        masks = [
            [sum(int(x) << k for k, x in enumerate(row)) for row in rows]
            for rows in zip(*scheme.factors, strict=True)
        ]
        value: dict[str, Any] = {"scheme_bitmasks": masks}
        sides = [int(side) for side in str(scheme.format).split("x")]
        text = "".join(" ".join(map(str, row)) + "\n" for row in masks)
        for data in (
            json.dumps(value),
            json.dumps(value | {"format": sides, "rank": scheme.rank, "field": "F2"}),
            text,
            " ".join(map(str, [*sides, scheme.rank])) + "\n" + text,
        ):
            found = read(data)
            assert (found.reason, found.scheme) == ("", scheme)
            assert found.scheme is not None
            assert found.scheme.ring is Ring.F2
    assert "no triple" in read(json.dumps({"masks": [[1, 2]], "rank": 1})).reason


def test_matrices_in_json() -> None:
    rows = [factor.tolist() for factor in WIDE.factors]
    columns = [factor.T.tolist() for factor in WIDE.factors]
    shapes = ((2, 3), (3, 4), (4, 2))
    nested = [f.reshape(-1, *s).tolist() for f, s in zip(WIDE.factors, shapes, strict=True)]
    for factors in (rows, columns, nested):
        for names in ("UVW", "uvw", "abc"):
            value = dict(zip(names, factors, strict=True))
            assert read(json.dumps(value)).scheme == WIDE
            for sizes in ({"n": [2, 3, 4]}, {"n": 2, "m": 3, "p": 4}, {"shape": [2, 3, 4]}):
                assert read(json.dumps(value | sizes)).scheme == WIDE
            assert "no factors of 4x3x2" in read(json.dumps(value | {"n": [4, 3, 2]})).reason
        assert read(json.dumps(factors)).scheme == WIDE


def test_a_description_is_no_scheme() -> None:
    stub = {"n": [2, 2, 2], "m": 7, "lineage": "Strassen"}
    assert read(json.dumps(stub)).reason.startswith("it describes a scheme of 2x2x2 and holds no")
    assert "no matrix product" in read(json.dumps({"u": [[1] * 5], "v": [[1]], "w": [[1]]})).reason


def test_cells_of_a_notebook() -> None:
    product_lines = "(a11)*(b11)*(c11)\n(a12)*(b21)*(c11)"
    cells = [
        {"cell_type": "markdown", "source": ["# A title\n", "x = 5"]},
        {"cell_type": "code", "source": product_lines.splitlines(keepends=True)},
        {"cell_type": "code", "source": "import numpy as np\nx = 1"},
    ]
    data = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}).encode()
    (piece,) = pieces_in("book.ipynb", io.BytesIO(data))
    assert piece.source == "book.ipynb#cell2"
    assert read_piece(piece).scheme == naive_scheme(parse_format("1x2x1"), Ring.Z)
    data = json.dumps({"cells": cells[:1], "nbformat": 4}).encode()
    (piece,) = pieces_in("book.ipynb", io.BytesIO(data))
    assert "none of its cells" in piece.error


def test_numbers_are_no_scheme_by_accident() -> None:
    one = parse_format("1x1x1")
    unrelated = np.array([[2, 1, 4, 1, 2, 1]])  # 2 * 4 * 2 is 1 modulo 3
    assert "not a scheme for 1x1x1 over Z, W" in read(npy(unrelated)).reason
    for array in (np.ones((1, 6), int), np.ones((3, 1, 1), int)):
        reason = read(npy(array)).reason
        assert "so few numbers may be a scheme for 1x1x1 by accident" in reason
        assert "add format 1x1x1" in reason
        assert read(npy(array), format_=one).scheme is not None
        assert read(npy(array), "a_1x1x1.npy").scheme is not None
    assert "by accident" in read("1 1 1 1 1 1 1").reason
    assert read("1 1 1 1\n1\n1\n1\n").scheme == naive_scheme(one, Ring.ZT)


def test_several_valid_readings_are_listed() -> None:
    scheme = naive_scheme(parse_format("us:2x2x2"), Ring.Z)
    w = scheme.w.reshape(-1, 2, 2).transpose(0, 2, 1).reshape(-1, 4)
    values = np.concatenate([scheme.u.ravel(), scheme.v.ravel(), w.ravel()])
    data = npy(np.stack([values, np.ones_like(values)], axis=1).reshape(1, -1))
    found = read(data)
    assert "us:2x2x2 and uw:2x2x2 fit: name one, format us:2x2x2" in found.reason
    assert read(data, format_=scheme.format).scheme == scheme
    reason = read(data, format_=parse_format("3x3x3")).reason
    assert reason == "its numbers are not as many as a scheme for 3x3x3 has"


@pytest.mark.parametrize("to", ["json", "scheme", "exp"])
def test_only_the_format_asked_for(to: str) -> None:
    data = to_bytes(strassen(), to)
    assert read(data, format_=parse_format("2x2x2")).scheme == strassen()
    assert "it is for 2x2x2, not for 3x3x3" in read(data, format_=parse_format("3x3x3")).reason


def test_a_zip_of_arrays_in_a_zip(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, scheme in (("a", FOUR), ("b", WIDE)):
            u, v, w = scheme.factors
            archive.writestr(f"{name}.npz", npz(U=u, V=v, W=w))
    assert [found.scheme for found in read_schemes(tmp_path)] == [FOUR, WIDE]
