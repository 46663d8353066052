"""The public API: every name is there, typed, documented, and its examples run."""

import doctest
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import flipsearch as fs
from flipsearch.errors import FormatError, LiftError, UsageError
from flipsearch.executors import base
from flipsearch.formats import named
from flipsearch.search import registry
from flipsearch.walk import kinds

FUNCTIONS = sorted(set(fs.__all__) - {"__version__", "tensors", "FlipsearchError", "UsageError"})
GUIDE = Path(__file__).resolve().parent.parent / "docs" / "python.md"


@pytest.fixture
def registries(monkeypatch, tmp_path):
    """Forget afterwards what an example registers."""
    monkeypatch.setenv("FLIPSEARCH_CACHE", str(tmp_path))
    for things in (base.EXECUTORS, named.TENSORS, registry.STRATEGIES):
        monkeypatch.setattr(things, "added", dict(things.added))
    import flipsearch.numerical.task  # noqa: F401 - registers its kind, not to be forgotten

    for name in ("_NAMED", "_OF"):
        monkeypatch.setattr(kinds, name, dict(getattr(kinds, name)))


def behind(name):
    """Return the function or class of a public name."""
    value = getattr(fs, name)
    return getattr(value, name) if inspect.ismodule(value) else value


@pytest.mark.parametrize("name", FUNCTIONS)
def test_examples_of_docstrings(name, registries):
    value = behind(name)
    home = vars(sys.modules[value.__module__]).copy()
    found = doctest.DocTestFinder().find(value, name, globs=home)
    assert any(test.examples for test in found)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    for test in found:
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


@pytest.mark.parametrize("name", FUNCTIONS)
def test_everything_is_typed(name):
    value = behind(name)
    assert value.__doc__
    if not inspect.isclass(value):
        signature = inspect.signature(getattr(fs, name))
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(p.annotation is not p.empty for p in signature.parameters.values())


def test_completion_shows_every_name():
    assert dir(fs) == sorted(fs.__all__) == sorted([*fs._PLACES, "__version__"])
    with pytest.raises(AttributeError, match="no attribute 'serch'"):
        fs.serch  # noqa: B018


def test_rooms_stay_modules_when_they_are_called():
    import flipsearch.lift
    import flipsearch.search.study
    import flipsearch.verify

    assert fs.search is flipsearch.search
    assert fs.verify.is_valid(fs.naive_scheme("2x2x2", "ZT"))
    assert fs.lift.LiftResult is flipsearch.lift.LiftResult
    with pytest.raises(AttributeError):
        fs.search.serch  # noqa: B018


def test_importing_costs_nothing():
    program = "import sys, flipsearch; dir(flipsearch); sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_schemes_take_names():
    naive = fs.naive_scheme("1x2x1", "zt")
    again = fs.Scheme("1x2x1", "ZT", naive.u.tolist(), naive.v.tolist(), naive.w.tolist())
    assert again == naive
    assert again.over("F3").ring is fs.Ring.F3
    with pytest.raises(UsageError, match="unknown ring 'F5'"):
        fs.naive_scheme("1x2x1", "F5")
    with pytest.raises(TypeError, match="a format is a name, a path or a Format, not int"):
        fs.naive_scheme(121, "ZT")


def test_a_notebook_shows_products_and_outputs():
    small = fs.naive_scheme("1x2x1", "ZT")._repr_html_()
    assert "m2 = a12 b21" in small
    assert "c11 = m1 + m2" in small
    large = fs.naive_scheme("5x5x5", "ZT")._repr_html_()
    assert "m64 =" in large
    assert "m65 =" not in large
    assert "... and 61 more" in large


def test_lifts_lie_where_they_are_asked_to():
    one = fs.Scheme("1x1x1", "F2", [[1]], [[1]], [[1]])
    assert [fs.lift(one, ring).ring.value for ring in (None, "ZT", "z", fs.Ring.Q)] == [
        *("ZT", "ZT", "Z", "Q")
    ]
    with pytest.raises(UsageError, match="over ZT, Z or Q, not over F3"):
        fs.lift(one, "F3")


def test_a_lift_to_a_smaller_ring_is_refused(monkeypatch):
    from flipsearch.lift import lifting

    halves = fs.Scheme("1x1x1", "Q", [[1], [1]], [[1], [1]], [[1], [1]], [2, 2])
    result = lifting.LiftResult(halves, fs.Ring.F3, 1, 0, 0, 1, False)
    monkeypatch.setattr(lifting, "find_lift", lambda scheme, **options: result)
    with pytest.raises(LiftError, match="lifts to Q, but no lift over ZT"):
        fs.lift(fs.naive_scheme("1x1x1", "F3"), "ZT")


@pytest.mark.parametrize("ending", [".json", ".txt", ".npz", ".exp", ".m", ".mpl", ".scheme.txt"])
def test_a_file_is_of_the_format_that_its_name_tells(tmp_path, ending):
    scheme = fs.naive_scheme("2x2x3", "ZT")
    path = fs.write(scheme, tmp_path / f"naive{ending}")
    assert fs.read(path) == scheme
    assert fs.convert(path, tmp_path / "again.json", "ZT") == scheme


def test_a_file_that_names_no_format_is_read_as_the_one_asked_for(tmp_path):
    scheme = fs.naive_scheme("1x2x1", "ZT")
    path = tmp_path / "few.json"
    path.write_text(json.dumps({"U": scheme.u.tolist(), "V": scheme.v.tolist(), "W": [[1], [1]]}))
    assert fs.read(path, format="1x2x1") == scheme
    with pytest.raises(FormatError, match="are no factors of 2x2x2"):
        fs.read(path, "ZT", "2x2x2")
    assert fs.convert(path, tmp_path / "again.json", format="1x2x1") == scheme


def test_a_name_without_a_format_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"again.dat does not tell its format: end it in one of"):
        fs.write(fs.naive_scheme("2x2x2", "ZT"), tmp_path / "again.dat")


def test_matmul_is_numpys():
    a = np.arange(6).reshape(2, 3)
    assert (fs.matmul(a, a.T) == a @ a.T).all()


def test_the_guide_runs_as_it_is_written(registries, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    snippets = re.findall(r"^```python\n(.*?)^```", GUIDE.read_text(), re.DOTALL | re.MULTILINE)
    assert len(snippets) >= 9
    names: dict[str, object] = {}
    for number, snippet in enumerate(snippets):
        exec(compile(snippet, f"docs/python.md, snippet {number}", "exec"), names)
    assert "mirrored has no effect" in capsys.readouterr().out
    assert names["values"].tolist() == [-3, 6, -3]
    assert names["stored"].rank <= 23


def test_the_guide_names_all_that_there_is():
    text = GUIDE.read_text()
    assert [name for name in FUNCTIONS if f"fs.{name}" not in text] == [
        *("Result", "matmul", "parse_format")
    ]
