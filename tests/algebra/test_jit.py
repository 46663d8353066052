"""Compiled functions: typed where mypy sees them, and recompiled when what they call changes."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.caching import IndexDataCacheFile

import flipsearch
from flipsearch.algebra.cache import save_compiled
from flipsearch.algebra.jit import njit

FLIPSEARCH = Path(flipsearch.__file__).parent
ALLOWED = "# mypy: allow-untyped-defs"


@njit
def doubled(x):
    """Return twice x."""
    return x + x


@njit(inline="always")
def tripled(x):
    return x + x + x


@njit(cache=False)
def both(x):
    return doubled(x) + tripled(x)


def test_functions_compile_and_keep_their_name():
    assert both(2) == 10
    assert (doubled.__name__, doubled.__doc__) == ("doubled", "Return twice x.")


def run(folder, code, **environment):
    command = [sys.executable, "-c", code]
    paths = os.pathsep.join([str(folder), str(FLIPSEARCH.parent)])
    variables = {**os.environ, "PYTHONPATH": paths, **environment}
    return subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, check=True
    ).stdout


SOURCE = """
from flipsearch.algebra.jit import njit
from {inner} import value

@njit
def outer():
    return value()
"""
CALL = "from {outer} import outer; print(outer(), bool(outer.stats.cache_hits))"


def inner(number):
    return (
        "from flipsearch.algebra.jit import njit\n"
        f"@njit(inline='always')\ndef value():\n    return {number}\n"
    )


def write(path, text):
    """Write a source that keeps its time stamp: only its text tells that it has changed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (10**9, 10**9))
    for code in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        code.unlink()


class Files(IndexDataCacheFile):
    save = save_compiled


class Meanwhile(Files):
    """A cache in which another process does something just before this one's code is written."""

    act = staticmethod(lambda: None)

    def _save_data(self, name, data):
        self.act()
        super()._save_data(name, data)


def test_two_processes_that_save_at_once_keep_their_own_code(tmp_path):
    one, other = (kind(str(tmp_path), "f-1.py311", "stamp") for kind in (Meanwhile, Files))
    empty = other._load_index()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(other, "_load_index", lambda: dict(empty))  # it looked before `one` saved
        one.act = lambda: other.save("float64", "code of floats")
        one.save("int64", "code of integers")
    assert other.load("int64") in (None, "code of integers")
    assert other.load("float64") in (None, "code of floats")
    other.save("float64", "code of floats")
    assert (other.load("int64"), other.load("float64")) == ("code of integers", "code of floats")


def test_nobody_reads_code_of_older_sources(tmp_path):
    Files(str(tmp_path), "f-1.py311", "old").save("int64", "old code")
    one = Meanwhile(str(tmp_path), "f-1.py311", "new")
    seen = []
    one.act = lambda: seen.append(Files(str(tmp_path), "f-1.py311", "new").load("int64"))
    one.save("int64", "new code")
    assert seen == [None]
    assert one.load("int64") == "new code"
    assert len(list(tmp_path.glob("*.nbc"))) == 1


def test_an_edited_module_recompiles_what_calls_it(tmp_path):
    """numba looks at the file of `outer` alone and would go on returning 1."""
    call = CALL.format(outer="plug.outer")
    write(tmp_path / "plug" / "__init__.py", "")
    write(tmp_path / "plug" / "outer.py", SOURCE.format(inner="plug.inner"))
    write(tmp_path / "plug" / "inner.py", inner(1))
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    assert run(tmp_path, call, **cache) == "1 False\n"
    assert run(tmp_path, call, **cache) == "1 True\n"
    write(tmp_path / "plug" / "inner.py", inner(2))
    assert run(tmp_path, call, **cache) == "2 False\n"


def test_code_that_two_processes_compiled_runs_together(tmp_path):
    """Both number their functions alike; with equal symbols one would run the other's code."""
    write(
        tmp_path / "factory.py",
        "from flipsearch.algebra.jit import njit\n"
        "def make(c):\n"
        "    @njit\n"
        "    def inner(x):\n"
        "        y = 0\n"
        + 40
        * "        for k in range(x):\n            y = (c * y + k) % (x + 2)\n"  # not inlined
        + "        return y\n"
        "    @njit\n"
        "    def outer(x):\n"
        "        return inner(x) + inner(x + 1)\n"
        "    return outer\n",
    )
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    apart = [
        run(tmp_path, f"from factory import make; print(make({c})(9))", **cache) for c in (1, 2)
    ]
    both = run(tmp_path, "from factory import make; print(make(1)(9)); print(make(2)(9))", **cache)
    assert both == "".join(apart)
    assert apart[0] != apart[1]


@pytest.mark.parametrize("home", ["algebra", "walk", "walk/inner"])
def test_sources_of_the_ground_floor_and_of_the_own_part_count(home, tmp_path):
    package = tmp_path / "flipsearch"
    (package / "algebra").mkdir(parents=True)
    for folder in ("", "algebra", home):
        write(package / folder / "__init__.py", "")
    for name in ("jit.py", "cache.py", "compiling.py", "constants.py"):
        write(package / "algebra" / name, (FLIPSEARCH / "algebra" / name).read_text())
    place = f"flipsearch.{home}.value".replace("/", ".")
    write(package / "walk" / "outer.py", SOURCE.format(inner=place))
    write(package / home / "value.py", inner(1))
    call = CALL.format(outer="flipsearch.walk.outer")
    assert run(tmp_path, call) == "1 False\n"
    write(package / "kernels" / "other.py", "")
    assert run(tmp_path, call) == "1 True\n"
    write(package / home / "value.py", inner(2))
    assert run(tmp_path, call) == "2 False\n"


def test_no_folder_to_write_is_no_error(tmp_path):
    write(tmp_path / "module.py", inner(3).replace("inline='always'", ""))
    nowhere = tmp_path / "file"
    nowhere.write_text("")
    code = "from module import value; print(value())"
    assert run(tmp_path, code, NUMBA_CACHE_DIR=str(nowhere / "below")) == "3\n"


def test_python_functions_without_the_compiler(tmp_path):
    code = "from flipsearch.algebra.jit import njit\nprint(njit(lambda x: x + 1)(1))"
    assert run(tmp_path, code, NUMBA_DISABLE_JIT="1") == "2\n"


def is_compiled(function):
    names = {ast.unparse(decorator).partition("(")[0] for decorator in function.decorator_list}
    return bool(names & {"njit", "numba.njit", "compiled", "inlined"})


def functions(path):
    tree = ast.walk(ast.parse(path.read_text()))
    return [node for node in tree if isinstance(node, ast.FunctionDef)]


def untyped(function):
    arguments = function.args
    named = arguments.posonlyargs + arguments.args + arguments.kwonlyargs
    bare = [a for a in named if a.annotation is None and a.arg not in ("self", "cls")]
    return bool(bare) or function.returns is None


def modules():
    return [path for path in FLIPSEARCH.rglob("*.py") if path.read_text().startswith(ALLOWED)]


def test_only_compiled_functions_are_untyped():
    for path in modules():
        for function in functions(path):
            assert is_compiled(function) or not untyped(function), (path, function.name)


def test_compiled_functions_call_their_own_part_and_the_ground_floor():
    """Whatever else they called could change without their cached code being dropped."""
    rooms = {}
    for path in FLIPSEARCH.rglob("*.py"):
        room = path.relative_to(FLIPSEARCH).parts[0]
        for function in functions(path):
            if is_compiled(function):
                rooms.setdefault(function.name, set()).add(room)
    assert "doubled" not in rooms
    for path in FLIPSEARCH.rglob("*.py"):
        room = path.relative_to(FLIPSEARCH).parts[0]
        if not any(is_compiled(function) for function in functions(path)):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("flipsearch."):
                other = node.module.split(".")[1]
                names = {alias.name for alias in node.names}
                shared = {name for name in names if other in rooms.get(name, ())}
                assert other in (room, "algebra") or not shared, (path, other, shared)
