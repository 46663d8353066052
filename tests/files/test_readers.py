"""Each community format, from files written here by hand or by code independent of the writers."""

from __future__ import annotations

import io
import json
import math
import zipfile
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from scheme_samples import changed_basis, product, strassen

import flipsearch as fs
from flipsearch.errors import FormatError, NotFoundError
from flipsearch.files import Read, read_schemes
from flipsearch.files.claims import PLAIN, TRANSPOSED
from flipsearch.files.numbers import Table, scattered
from flipsearch.formats import parse_format
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme

FOUR = product(strassen(), strassen())
WIDE = naive_scheme(parse_format("2x3x4"), Ring.Z)
ONLY_F2 = changed_basis(product(strassen(Ring.F2), strassen(Ring.F2)), 2)
RATIONAL = changed_basis(strassen(Ring.Q), 5)


def read_one(path: Path, **options: Ring) -> Read:
    found = list(read_schemes(path, **options))
    assert len(found) == 1
    return found[0]


def accepted(path: Path, scheme: Scheme, order: str = TRANSPOSED) -> Read:
    read = read_one(path)
    assert read.reason == ""
    assert read.scheme == scheme
    assert read.w_order == order
    return read


def plain_w(scheme: Scheme) -> list[list[int]]:
    """W rows as C, not transposed."""
    n, _, p = map(int, str(scheme.format).split("x"))
    return scheme.w.reshape(-1, p, n).transpose(0, 2, 1).reshape(scheme.rank, -1).tolist()


def document(scheme: Scheme) -> dict[str, object]:
    sides = [int(side) for side in str(scheme.format).split("x")]
    factors = dict(zip("uvw", (m.tolist() for m in scheme.factors), strict=True))
    return {"n": sides, "m": scheme.rank, "z2": False, **factors}


@pytest.mark.parametrize("order", [TRANSPOSED, PLAIN])
@pytest.mark.parametrize("scheme", [FOUR, WIDE], ids=repr)
def test_json_in_both_orientations(tmp_path: Path, scheme: Scheme, order: str) -> None:
    value = document(scheme)
    if order == PLAIN:
        value["w"] = plain_w(scheme)
    path = tmp_path / "misleading_name_9x9x9.npy"
    path.write_text(json.dumps(value))
    read = accepted(path, scheme, order)
    assert read.kind == "json"
    assert read.scheme is not None
    assert read.scheme.ring is scheme.natural_ring


def test_json_fractions_and_meta(tmp_path: Path) -> None:
    value = document(RATIONAL)
    value["w"] = [
        [str(Fraction(x, int(d))) if x % d else x // int(d) for x in row]
        for row, d in zip(RATIONAL.w.tolist(), RATIONAL.denominators.tolist(), strict=True)
    ]
    value["source"] = "somebody 2026"
    path = tmp_path / "q.json"
    path.write_text(json.dumps(value))
    read = accepted(path, RATIONAL)
    assert read.scheme is not None
    assert read.scheme.ring is Ring.Q
    assert read.meta == {"source": "somebody 2026"}


def test_json_over_f2_and_f3_by_coefficients(tmp_path: Path) -> None:
    for scheme, ring in ((ONLY_F2, Ring.F2), (changed_basis(FOUR.over(Ring.F3), 4), Ring.F3)):
        path = tmp_path / f"{ring}.json"
        path.write_text(json.dumps(document(scheme)))
        read = accepted(path, scheme)
        assert read.scheme is not None
        assert read.scheme.ring is ring


def test_json_that_names_its_ring_keeps_it(tmp_path: Path) -> None:
    path = tmp_path / "z2.json"
    path.write_text(json.dumps(document(WIDE) | {"z2": True}))
    read = read_one(path)
    assert read.scheme == WIDE.over(Ring.F2)
    path.write_text(json.dumps(document(WIDE)))
    assert read_one(path, ring=Ring.F3).scheme == WIDE.over(Ring.F3)


def test_addition_reduced_json(tmp_path: Path) -> None:
    def entry(*pairs: tuple[int, int]) -> list[dict[str, int]]:
        return [{"index": i, "value": x} for i, x in pairs]

    w = strassen().w.T
    value = {
        "n": [2, 2, 2],
        "m": 7,
        "complexity": {"naive": 18, "reduced": 17},
        "u_fresh": [entry((0, 1), (3, 1))],
        "u": [entry((4, 1)), *(entry(*_pairs(row)) for row in strassen().u.tolist()[1:])],
        "v_fresh": [],
        "v": [entry(*_pairs(row)) for row in strassen().v.tolist()],
        "w_fresh": [entry((0, 1), (3, 1)), entry((7, 1), (4, -1))],
        "w": [entry((8, 1), (6, 1)), *(entry(*_pairs(row)) for row in w.tolist()[1:])],
    }
    path = tmp_path / "reduced.json"
    path.write_text(json.dumps(value))
    accepted(path, strassen())
    value["u_fresh"] = [entry((5, 1))]
    path.write_text(json.dumps(value))
    assert "index 5 is out of range" in read_one(path).reason


def _pairs(row: list[int]) -> list[tuple[int, int]]:
    return [(k, x) for k, x in enumerate(row) if x]


def test_sparse_json_and_commutative_ones(tmp_path: Path) -> None:
    value: dict[str, object] = {"n": [2, 2, 2], "m": 7, "fields": ["Z"]}
    for name, matrix in zip("uvw", strassen().factors, strict=True):
        rows = {
            str(r): {"i": [k for k, _ in _pairs(row)], "c": [x for _, x in _pairs(row)]}
            for r, row in enumerate(matrix.tolist())
        }
        value[f"{name}_sparse"] = rows
    path = tmp_path / "sparse.json"
    path.write_text(json.dumps(value))
    accepted(path, strassen())
    path.write_text(json.dumps(value | {"commutative": True}))
    assert "commutative" in read_one(path).reason


def test_collections_in_three_spellings(tmp_path: Path) -> None:
    values = [document(strassen()), document(WIDE), document(FOUR) | {"m": 48}]
    path = tmp_path / "many.json"
    for text in (
        json.dumps(values),
        "\n".join(map(json.dumps, values)),
        json.dumps({"name": "x {[", "count": 3, "schemes": values}, indent=1),
    ):
        path.write_text(text)
        reads = list(read_schemes(path))
        assert [read.scheme for read in reads] == [strassen(), WIDE, None]
        assert [read.source.rpartition("#")[2] for read in reads] == ["1", "2", "3"]
        assert "48 rows of 16" in reads[2].reason


def numeric(scheme: Scheme) -> str:
    lines = [" ".join(map(str, m.ravel().tolist())) for m in scheme.factors]
    return "\n".join([f"{str(scheme.format).replace('x', ' ')} {scheme.rank}", *lines]) + "\n"


def test_numeric_text(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text(numeric(FOUR))
    assert accepted(path, FOUR).kind == "table"
    path.write_text(" ".join(numeric(FOUR).split()))
    accepted(path, FOUR)
    path.write_text("\n3\n\n" + numeric(FOUR) + numeric(WIDE) + numeric(ONLY_F2))
    assert [read.scheme for read in read_schemes(path)] == [FOUR, WIDE, ONLY_F2]
    path.write_text("2\n" + numeric(FOUR))
    reads = list(read_schemes(path))
    assert reads[0].scheme == FOUR
    assert "ends before the last of 2" in reads[1].reason


def test_numeric_text_of_pairs(tmp_path: Path) -> None:
    lines = ["2 2 2 7"]
    for matrix in (RATIONAL.u, RATIONAL.v):
        lines.append(" ".join(f"{x} 1" for x in matrix.ravel().tolist()))
    below = np.repeat(RATIONAL.denominators, 4).tolist()
    pairs = zip(RATIONAL.w.ravel().tolist(), below, strict=True)
    lines.append(" ".join(f"{x} {d}" for x, d in pairs))
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(lines))
    read = accepted(path, RATIONAL)
    assert read.kind == "table"
    assert read.scheme is not None
    assert read.scheme.ring is RATIONAL.ring


@pytest.mark.parametrize("order", [TRANSPOSED, PLAIN])
def test_nested_braces(tmp_path: Path, order: str) -> None:
    def braces(matrix: list[list[int]]) -> str:
        return "{" + ",".join("{" + ", ".join(map(str, row)) + "}" for row in matrix) + "}"

    products = []
    w = WIDE.w.reshape(-1, 4, 2)
    third = w if order == TRANSPOSED else w.transpose(0, 2, 1)
    parts = (WIDE.u.reshape(-1, 2, 3), WIDE.v.reshape(-1, 3, 4), third)
    for term in zip(*parts, strict=True):
        products.append("{" + ", ".join(braces(m.tolist()) for m in term) + "}")
    path = tmp_path / "s.m"
    path.write_text("{" + ",\n ".join(products) + "}")
    assert accepted(path, WIDE, order).kind == "braces"


def test_nested_braces_with_fractions(tmp_path: Path) -> None:
    path = tmp_path / "s.m"
    path.write_text("{{{{2}}, {{-1/3}}, {{-3/2}}}}")
    assert fs.read(path).rank == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{{{{1}},{{1}},{{1}}", "do not close"),
        ("{{{{1}},{{1}},{{1}}}}}", "no opening"),
        ("{{{{1}},{{1}}}}", "no triple"),
        ("{{{{1 1}},{{1}},{{1}}}}", "hold no numbers: unexpected '1'"),
        ("{{{{1,}},{{1}},{{}}}}", "hold no numbers"),
        ("{{{{{1}}},{{1}},{{1}}}}", "too deeply"),
        ("{{{{x}},{{1}},{{1}}}}", "at 'x' the lists hold no numbers"),
        ("{{{{1}},{{1/0}},{{1}}}}", "divides by 0"),
        ("{{{{1.5}},{{1}},{{1}}}}", "not a scheme for 1x1x1"),
        ("{{{{1e5}},{{1}},{{1}}}}", "not a scheme for 1x1x1"),
        ("{{{{1,0}},{{1}},{{1}}}}", "do not multiply"),
        ("{{{{1}},{{1}},{{2}}}}", "not a scheme for 1x1x1"),
    ],
)
def test_broken_braces(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "s.m"
    path.write_text(text)
    with pytest.raises(FormatError, match=message):
        fs.read(path)


def test_products_in_both_orientations(tmp_path: Path) -> None:
    path = tmp_path / "p.exp"
    transposed, plain = [], []
    for i, j, k in np.ndindex(2, 3, 4):
        start = f"(a{i + 1}{j + 1})*b{j + 1}{k + 1}"
        transposed.append(f"{start}*(c{k + 1}{i + 1})")
        plain.append(f"{start}*(0*c11 + 2*c{i + 1}{k + 1} - c{i + 1}{k + 1})")
    path.write_text("\n".join(transposed))
    assert accepted(path, WIDE).kind == "products"
    path.write_text("\r\n".join(plain))
    accepted(path, WIDE, PLAIN)


def test_products_with_coefficients_and_long_names(tmp_path: Path) -> None:
    path = tmp_path / "p.exp"
    path.write_text("".join(f"(-2*a_1_{k})*(1/2b{k}_1)*-c1_1\n" for k in range(1, 13)))
    assert fs.read(path) == naive_scheme(parse_format("1x12x1"), Ring.Z)


def test_listing_of_parameters(tmp_path: Path) -> None:
    path = tmp_path / "s.txt"
    path.write_text(
        "m1 = (a2 - a3)(b2 - b3)\nm2 = (1/2a1 + 1/2a2)(b1 + b2)\nm3 = (a1 - a3)(b2)\n"
        "m4 = (1/2a1 - 1/2a2)(b1 - b2)\nm5 = (a2)(b1 - b3)\n\n"
        "c1 = m2 + m4\nc2 = m2 - m4 - m5\nc3 = m2 - m3 - m4\nc4 = m1 + m2 - m3 - m4 - m5\n"
    )
    read = read_one(path)
    assert read.scheme is not None
    assert str(read.scheme.format) == "ss:2x2x2"
    assert read.w_order == PLAIN


def flat_pairs(scheme: Scheme, w: np.ndarray) -> np.ndarray:
    values = np.concatenate([scheme.u.ravel(), scheme.v.ravel(), w.ravel()])
    return np.stack([values, np.ones_like(values)], axis=1).reshape(1, -1)


@pytest.mark.parametrize("name", ["3x3x3", "2x3x4", "ug:3x3x3", "gt:3x3x3"])
def test_flat_arrays_find_their_format(tmp_path: Path, name: str) -> None:
    form = parse_format(name)
    scheme = naive_scheme(form, Ring.Z)
    w = scheme.w
    if not form.is_packed_output:
        w = w.reshape(-1, form.p, form.n).transpose(0, 2, 1)
    path = tmp_path / "no-hint.bin"
    with path.open("wb") as file:
        np.save(file, flat_pairs(scheme, w))
    read = accepted(path, scheme, PLAIN)
    assert read.kind == "array"


def test_npz_of_plain_arrays(tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    factors = {"2,2,2": np.stack([m.T for m in strassen().factors]).astype(np.float64)}
    np.savez_compressed(path, **factors)
    read = accepted(path, strassen())
    assert read.kind == "array"
    assert read.source.endswith("f.npz!2,2,2")


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_npz_of_object_arrays(tmp_path: Path, protocol: int) -> None:
    """As numpy itself pickles them, whatever the protocol that needs no code."""
    array = np.empty(3, dtype=object)
    for k, matrix in enumerate(WIDE.factors):
        array[k] = np.ascontiguousarray(matrix.T).astype([np.int32, np.int64, np.float32][k])
    path = tmp_path / "o.npz"
    body = io.BytesIO()
    np.lib.format.write_array(body, array, allow_pickle=True, pickle_kwargs={"fix_imports": False})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("2,3,4.npy", body.getvalue())
    read = accepted(path, WIDE)
    assert read.kind == "array"
    assert read.scheme is not None
    assert str(read.scheme.format) == "2x3x4"


def test_maple(tmp_path: Path) -> None:
    def matrix(rows: np.ndarray) -> str:
        body = ",".join("[" + ",".join(map(str, row)) + "]" for row in rows.tolist())
        return f"Matrix({rows.shape[0]}, {rows.shape[1]}, [{body}])"

    parts = (WIDE.u.reshape(-1, 2, 3), WIDE.v.reshape(-1, 3, 4), WIDE.w.reshape(-1, 4, 2))
    triads = ["Triad([" + ", ".join(map(matrix, t)) + "])" for t in zip(*parts, strict=True)]
    text = "Tensor:=TriadSet([" + ", ".join(triads) + "]):\n"
    path = tmp_path / "t.mpl"
    path.write_text("A:=Matrix(2, 3, [[A_1_1]]):\n" + text)
    assert accepted(path, WIDE).kind == "maple"
    for broken, message in (
        (text.replace("[1,0,0]", "[alpha,0,0]", 1), "symbols"),
        (text.replace("Matrix(2, 3", "Matrix(3, 2", 1), "not 3x2 as it says"),
        (text.replace("TriadSet", "Triads"), "no TriadSet"),
        ("Tensor:=Tensor:\n", "placeholder"),
        (text[:-40], "do not close"),
    ):
        path.write_text(broken)
        assert message in read_one(path).reason


def test_a_wrong_scheme_says_which_equation_fails(tmp_path: Path) -> None:
    value = document(strassen())
    value["w"] = [[1, 0, 0, 0]] * 7
    path = tmp_path / "w.json"
    path.write_text(json.dumps(value))
    reason = read_one(path).reason
    assert reason.startswith("not a scheme for 2x2x2 over Z or F2 or F3, W transposed or not")
    assert "at a11 b11 c11 its terms sum to 0 instead of 1" in reason


def test_paths_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        list(read_schemes(tmp_path / "nothing"))
    with pytest.raises(FormatError, match="0 schemes"):
        fs.read(tmp_path)


def test_few_entries_do_not_take_much_memory() -> None:
    assert scattered((1 << 14, 1 << 10), [0], [0], [127], "U").above.itemsize == 1
    with pytest.raises(FormatError, match="U would take 128 MiB"):
        scattered((1 << 14, 1 << 10), [0], [0], [128], "U")


@pytest.mark.parametrize("largest", [1, 4, 40, 41, 2**12])
def test_fractions_come_over_the_least_denominator_of_their_row(
    largest: int,
) -> None:
    generator = np.random.default_rng(largest)
    above = generator.integers(-9, 10, (30, 3))
    below = generator.integers(1, largest, (30, 3), endpoint=True) * np.where(above % 2, -1, 1)
    above[0, 0], below[0, 0] = 1, largest
    rows, common = Table(above, below).integers()
    for top, bottom, row, factor in zip(above, below, rows, common, strict=True):
        exact = [Fraction(int(x), int(y)) for x, y in zip(top, bottom, strict=True)]
        assert [Fraction(int(x), factor) for x in row] == exact
        assert factor == math.lcm(*(x.denominator for x in exact))
    for top, bottom in ((1, 0), (1, -(2**63)), (-(2**62), 3)):
        with pytest.raises(FormatError):
            Table(np.array([[top]]), np.array([[bottom]])).integers()
