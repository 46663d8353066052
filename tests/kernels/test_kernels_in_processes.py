"""Kernels in second processes, under other names, and where folders cannot be written.

Every case runs in real processes, since numba's cache and pickle both act on what an earlier
process left behind.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flipsearch.faults import write_fault_tolerant_kernel
from flipsearch.faults.presets import presets
from flipsearch.formats import parse_format
from flipsearch.kernels import load_kernel, write_kernel
from flipsearch.kernels.builtin import strassen

ROOT = Path(__file__).parents[2]

SMALL = """
import numpy as np
from pathlib import Path
square = np.array([[1.0, 2.0], [3.0, 4.0]])
def use(module):
    # the smallest compiled function of a kernel: the others take seconds to compile
    flat = square.ravel().copy()
    module.mirror(flat, 0, 2, 1, 2)
    assert flat.tolist() == [1, 2, 2, 4]
def entries():
    return sorted(str(path) for path in Path(".").rglob("*.nbc"))
"""


def run(code, folder, **environment):
    """Run code in a process of its own, in a folder; return its lines and complaints."""
    done = subprocess.run(
        [sys.executable, "-c", SMALL + code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines(), done.stderr


WHOLE = """
import flipsearch
a = np.arange(36.0).reshape(6, 6)
mm = flipsearch.load_kernel("2x2x2")
assert (mm.matmul(a, a, levels=1) == a @ a).all()
print(len(entries()))
"""


def test_load_kernel_works_again_and_where_its_cache_has_moved(tmp_path):
    first = run(WHOLE, tmp_path, FLIPSEARCH_CACHE=str(tmp_path / "one"))[0]
    assert run(WHOLE, tmp_path, FLIPSEARCH_CACHE=str(tmp_path / "one"))[0] == first
    (tmp_path / "one").rename(tmp_path / "two")
    assert run(WHOLE, tmp_path, FLIPSEARCH_CACHE=str(tmp_path / "two"))[0] == first


def test_one_file_under_several_names(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    write_kernel(strassen(), folder / "mm.py")
    top = "import sys; sys.path.insert(0, 'package'); import mm; use(mm)"
    for _ in range(2):
        run(top, tmp_path)
        run("import package.mm; use(package.mm)", tmp_path)
        run(
            "from flipsearch.kernels import load_kernel; use(load_kernel('package/mm.py'))",
            tmp_path,
        )
    # a second name compiles for itself, a second process does not
    found = len(list(folder.rglob("*.nbc")))
    run(top, tmp_path)
    assert len(list(folder.rglob("*.nbc"))) == found == 2


SPAWN = """
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
def main():
    import flipsearch
    mm = flipsearch.load_kernel(sys.argv[1])
    a = np.ones((3, 3))
    with ProcessPoolExecutor(1, get_context(sys.argv[2])) as pool:
        assert (pool.submit(mm.matmul, a, a).result() == a @ a).all()
if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("source", "start"),
    [("2x2x2", "spawn"), ("mm.py", "forkserver"), ("sturdy.py", "spawn")],
)
def test_functions_travel_to_fresh_processes(tmp_path, source, start):
    write_kernel(strassen(), tmp_path / "mm.py")
    write_fault_tolerant_kernel(presets(parse_format("2x2x2"), 1)[0], tmp_path / "sturdy.py")
    (tmp_path / "script.py").write_text(SMALL + SPAWN)
    command = [sys.executable, "script.py", source, start]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for _ in range(2):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def test_functions_travel_by_rays_pickle(tmp_path, kernel_cache):
    cloudpickle = pytest.importorskip("ray.cloudpickle")
    (tmp_path / "sent").write_bytes(cloudpickle.dumps(load_kernel(strassen()).matmul))
    received = """
import pickle
a = np.ones((3, 3))
print((pickle.loads(Path("sent").read_bytes())(a, a) == a @ a).all())
"""
    assert run(received, tmp_path, FLIPSEARCH_CACHE=str(kernel_cache))[0] == ["True"]


LOADED = """
from flipsearch.kernels import load_kernel
mm = load_kernel("2x2x2")
use(mm)
print(mm.__file__)
"""


def test_a_cache_that_cannot_be_written_is_replaced_and_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "temporary").mkdir()
    blocked = {
        "FLIPSEARCH_CACHE": str(tmp_path / "file" / "below"),
        "TMPDIR": str(tmp_path / "temporary"),
    }
    for _ in range(2):
        (place,), complaint = run(LOADED, tmp_path, **blocked)
        assert place.startswith(str(tmp_path / "temporary"))
        assert "cannot be written" in complaint
        assert complaint.count("\n") == 1


def test_a_temporary_folder_that_others_can_write_is_not_used(tmp_path):
    (tmp_path / "file").write_text("")
    planted = tmp_path / "temporary" / f"flipsearch-kernels-{os.getuid()}"
    planted.mkdir(parents=True)
    planted.chmod(0o777)
    blocked = {
        "FLIPSEARCH_CACHE": str(tmp_path / "file" / "below"),
        "TMPDIR": str(tmp_path / "temporary"),
    }
    (place,), _ = run(LOADED, tmp_path, **blocked)
    assert not place.startswith(str(planted) + "/")
    assert not list(planted.iterdir())


def test_kernels_compile_where_numba_has_no_cache(tmp_path):
    write_kernel(strassen(), tmp_path / "mm.py")
    (tmp_path / "__pycache__").write_text("")  # neither beside the file nor in the home folder
    nowhere = str(tmp_path / "__pycache__" / "home")
    code = "import mm; use(mm); print(mm.__file__)"
    (file,), _ = run(code, tmp_path, HOME=nowhere, XDG_CACHE_HOME=nowhere)
    assert Path(file) == tmp_path / "mm.py"


def test_two_versions_share_a_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FLIPSEARCH_CACHE", str(tmp_path))
    ours = load_kernel(strassen())
    monkeypatch.setattr("flipsearch.kernels.emit.__version__", "0.0.0")
    theirs = load_kernel(strassen())
    assert "flipsearch 0.0.0" in (theirs.__doc__ or "")
    assert ours.__file__ != theirs.__file__
    assert load_kernel(strassen()) is theirs
    shutil.rmtree(tmp_path)
    assert load_kernel(strassen()) is theirs  # the file is there again, for other processes
    assert Path(theirs.__file__).is_file()


UNCOMPILED = """
from flipsearch.kernels import gram, load_kernel, matmul, matmul_mod
a = np.arange(90000).reshape(300, 300) % 7
mm = load_kernel("2x2x2")
for product in (matmul, mm.matmul):
    assert (product(a, a) == a @ a).all()
    assert (product(a * 1.0, a * 1.0) == a @ a).all()
    try:
        product(a, a, levels=1)
    except RuntimeError as error:
        assert "NUMBA_DISABLE_JIT" in str(error)
    else:
        raise AssertionError
assert (gram(a) == a @ a.T).all()
assert (matmul_mod(a[:40, :40], a[:40, :40], 5) == a[:40, :40] @ a[:40, :40] % 5).all()
"""


COMMANDS = {
    "kernel 2x2x2 -o mm.py": 0,
    "bench-kernel mm.py --sizes 100 --threads 1 --pairs 1": 0,
    "bench-kernel mm.py --tune --sizes 100 --threads 1 --pairs 1": 2,
    "reduce 2x2x2 --budget 1s": 2,
    "search 3x3x3 --budget 1s": 2,
}


def test_without_the_compiler_numpy_does_the_work(tmp_path, database):
    run(UNCOMPILED, tmp_path, NUMBA_DISABLE_JIT="1", FLIPSEARCH_CACHE=str(tmp_path))
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "NUMBA_DISABLE_JIT": "1",
        "FLIPSEARCH_DB": database,
    }
    for command, code in COMMANDS.items():
        done = subprocess.run(
            [sys.executable, "-m", "flipsearch", *command.split()],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300,
            check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        if code:
            assert done.stderr.splitlines()[-1].endswith("unset NUMBA_DISABLE_JIT")
            assert "Traceback" not in done.stderr
            assert "Warning" not in done.stderr
