from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scheme_samples import corrupted, product, samples, strassen

from flipsearch import paranoid
from flipsearch.files import to_bytes
from flipsearch.formats import parse_format
from flipsearch.formats.sparse import tensor_text
from flipsearch.formats.tensors import cyclic, polynomial
from flipsearch.rings import Ring
from flipsearch.scheme import Scheme, naive_scheme
from flipsearch.verify import is_valid

SOURCE = Path(paranoid.__file__)


def proved(scheme: Scheme) -> bool:
    try:
        paranoid.check_text(to_bytes(scheme, "json").decode())
    except paranoid.NotAScheme:
        return False
    return True


def test_imports_the_standard_library_only() -> None:
    tree = ast.parse(SOURCE.read_text())
    for node in ast.walk(tree):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] in sys.stdlib_module_names


@pytest.mark.parametrize("scheme", samples(), ids=repr)
def test_proves_every_valid_sample(scheme: Scheme) -> None:
    assert proved(scheme)


@pytest.mark.slow
def test_both_checkers_agree_on_thousands_of_schemes() -> None:
    """Corrupted in one coefficient (always invalid) or in several (invalid or not)."""
    generator = np.random.default_rng(7)
    small = [s for s in samples() if s.rank <= 12]
    for number in range(2000):
        scheme = small[number % len(small)]
        wrong = corrupted(scheme, generator)
        assert not proved(wrong)
        assert not is_valid(wrong)
    verdicts = set()
    for number in range(1000):
        scheme = small[number % len(small)]
        order = generator.permutation(scheme.rank)
        u, v, w = (m[order].copy() for m in scheme.factors)
        below = scheme.denominators[order]
        if scheme.ring is not Ring.F2:
            rows = generator.integers(scheme.rank, size=2)
            for matrix in (u, v) if number % 2 else (u, w, v):
                matrix[rows[0]] *= -1
        both = Scheme(scheme.format, scheme.ring, u, v, w, below)
        verdict = is_valid(both)
        assert proved(both) == verdict
        verdicts.add(verdict)
    assert verdicts == {True, False}


@pytest.mark.parametrize(
    "name",
    ["4x5x6", "1x1x1", "gg:1x1x1c", "gg:2x2x2b", "ug:3x3x5", "gt:3x4x3", "kk:4x4x4",
     "wg:3x3x2", "ss:4x4x4a", "ut:3x3x3", "uu:4x4x4", "ul:3x3x3c", "st:3x3x3b", "kt:4x4x4",
     "sw:3x3x3"],
)  # fmt: skip
def test_derives_the_same_target_as_the_format(name: str) -> None:
    form = parse_format(name)
    dimensions, tensor = paranoid.target(name)
    assert dimensions == form.dimensions
    nonzero = {place: value for place, value in tensor.items() if value}
    assert nonzero == {(a, b, c): value for a, b, c, value in form.target.tolist()}


TENSOR = polynomial(2, 3)


def test_proves_schemes_of_tensors() -> None:
    assert proved(naive_scheme(TENSOR, Ring.Z))
    generator = np.random.default_rng(3)
    for ring in (Ring.F2, Ring.F3, Ring.ZT):
        assert not proved(corrupted(naive_scheme(TENSOR, ring), generator))


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        (None, "does not define"),
        ("1 1 1 1\n", "no dimensions"),
        ("# dimensions: 2 3 4\n3 1 1 1\n", "outside"),
        (tensor_text(cyclic(3)), "another tensor"),
        ("# dimensions: 2 x 4\n1 1 1 1\n", "cannot be read"),
        ("# dimensions: 2 3 4\n1 1 1\n", "cannot be read"),
    ],
)
def test_refuses_tensors_that_are_not_what_they_are_called(definition, message) -> None:
    document = json.loads(to_bytes(naive_scheme(TENSOR, Ring.Z), "json"))
    document["tensor"] = definition
    with pytest.raises(paranoid.NotAScheme, match=message):
        paranoid.check_text(json.dumps(document))


def test_coefficients_beyond_64_bits_are_exact() -> None:
    document = json.loads(to_bytes(strassen(Ring.Z), "json"))
    huge = 10**30
    zero = [0, 0, 0, 0]
    document["u"] += [[huge, 0, 0, 0], [huge, 0, 0, 0]]
    document["v"] += [[1, 0, 0, 0], [-1, 0, 0, 0]]
    document["w"] += [[1, 0, 0, 0], [1, 0, 0, 0]]
    document["m"] = 9
    paranoid.check(document)
    document["u"][-1] = [huge + 1, *zero[1:]]
    with pytest.raises(paranoid.NotAScheme, match="Brent equation of coordinates 1, 1, 1"):
        paranoid.check(document)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"m": 8}, "rank 8"),
        ({"ring": "R"}, "unknown ring"),
        ({"format": "2x2"}, "unknown format"),
        ({"format": "3x2x2"}, "does not have 6 entries"),
        ({"format": "33x2x2"}, "sides"),
        ({"u": None}, "missing"),
        ({"u": [[1, 0, 0]] * 7}, "does not have 4 entries"),
        ({"u": [[1, 0, 0, 1.5]] * 7}, "no integer"),
        ({"u": [[1, 0, 0, True]] * 7}, "no integer"),
        ({"u": [[1, 0, 0, "1/0"]] * 7}, "no integer"),
        ({"u": [[2, 0, 0, 0]] * 7}, "not in ZT"),
        ({"ring": "F2"}, "not in F2"),
        ({"v": [[0, 0, 0, 0]]}, "different numbers"),
    ],
)
def test_refuses(change: dict[str, object], message: str) -> None:
    document = json.loads(to_bytes(strassen(), "json")) | change
    with pytest.raises(paranoid.NotAScheme, match=message):
        paranoid.check(document)


@pytest.mark.parametrize(
    "change",
    [{"format": "9" * 5000 + "x2x2"}, {"u": [["9" * 5000, "0", "0", "0"]] * 7, "ring": "Q"}],
)
def test_absurdly_long_numbers_are_refused(change: dict[str, object]) -> None:
    document = json.loads(to_bytes(strassen(), "json")) | change
    with pytest.raises(paranoid.NotAScheme):
        paranoid.check_text(json.dumps(document))


def test_sums_too_long_to_print_are_refused() -> None:
    document = json.loads(to_bytes(strassen(Ring.Z), "json"))
    for key in "uvw":
        document[key].append([10**4000, 0, 0, 0])
    document["m"] = 8
    with pytest.raises(paranoid.NotAScheme):
        paranoid.check_text(json.dumps(document))


def test_runs_alone(tmp_path: Path) -> None:
    good, bad, broken = (tmp_path / f"{name}.json" for name in ("good", "bad", "broken"))
    good.write_bytes(to_bytes(product(strassen(), strassen()), "json"))
    wrong = corrupted(naive_scheme(parse_format("gt:3x3x3"), Ring.Z), np.random.default_rng(0))
    bad.write_bytes(to_bytes(wrong, "json"))
    broken.write_text("{")
    copy = tmp_path / "alone.py"
    copy.write_text(SOURCE.read_text())

    def run(*paths: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-I", "-S", str(copy), *map(str, paths)]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    assert run(good).returncode == 0
    result = run(good, bad, broken, tmp_path / "missing.json")
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert [": proved" in line for line in lines] == [True, False, False, False]
    assert run().returncode == 2
