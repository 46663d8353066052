"""The table of this machine's speeds: choice, file, threads given back."""

import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from flipsearch.kernels import matmul
from flipsearch.kernels.builtin import strassen_algorithm
from flipsearch.kernels.runtime import driver, execute, tuning
from flipsearch.kernels.runtime.algorithm import CLASSICAL
from flipsearch.kernels.runtime.tuning import Speeds, choose_levels

DOUBLE = np.dtype(float)


@pytest.fixture
def table(tmp_path, monkeypatch):
    """Speeds are kept in a fresh folder, and forgotten afterwards."""
    monkeypatch.setenv("FLIPSEARCH_CACHE", str(tmp_path))
    monkeypatch.delenv("FLIPSEARCH_TUNING")
    monkeypatch.setattr(tuning, "_known", {})
    monkeypatch.setattr(tuning, "SIZES", (32, 64))
    monkeypatch.setattr(tuning, "ENOUGH", 0.0)
    monkeypatch.setattr(tuning, "FEWEST", 2)
    before = dict(tuning.numpy_below)
    tuning._chosen.cache_clear()
    yield tmp_path
    tuning._chosen.cache_clear()
    tuning.numpy_below.update(before)


def speeds(ratio):
    """Return speeds at which our leaf takes 1 / ratio of numpy's time at each size."""
    sizes = (128, 192, 256, 384, 512, 1024, 2048)
    step = [tuning._modelled(DOUBLE, (size,) * 3, 1) * ratio / size**3 for size in sizes]
    return Speeds(sizes, (1.0,) * len(sizes), tuple(step))


def test_numpy_is_called_where_it_is_as_fast(table):
    tuning._keep({"float64 1": speeds(0.85)})
    for size in (100, 400, 1500):
        assert choose_levels(strassen_algorithm(), (size,) * 3, DOUBLE, 1) == -1
    # beyond, the scheme makes up for a slower leaf
    assert choose_levels(CLASSICAL, (20000,) * 3, DOUBLE, 1) == -1
    tuning._keep({"float64 1": speeds(1.0)})
    assert choose_levels(CLASSICAL, (8192,) * 3, DOUBLE, 1) == -1
    assert choose_levels(strassen_algorithm(), (8192,) * 3, DOUBLE, 1) >= 1


def test_our_leaf_is_taken_where_it_is_faster(table):
    tuning._keep({"float64 1": speeds(1.5)})
    assert choose_levels(strassen_algorithm(), (400,) * 3, DOUBLE, 1) == 0
    assert choose_levels(strassen_algorithm(), (4096,) * 3, DOUBLE, 1) == 1
    assert choose_levels(strassen_algorithm(), (3000, 3000, 9), DOUBLE, 1) == -1


def test_sizes_that_numpy_always_wins_skip_the_table(table, monkeypatch):
    tuning._keep({"float64 1": speeds(0.85)})
    assert tuning.numpy_below[DOUBLE] >= 1500**4
    monkeypatch.setattr(driver, "choose_levels", None)  # not to be called
    a = np.ones((300, 300))
    np.testing.assert_array_equal(matmul(a, a), a @ a)
    np.testing.assert_array_equal(matmul(a, a, np.empty_like(a)), a @ a)
    assert matmul(a, a.copy(), out=a)[0, 0] == 300


def test_speeds_are_timed_once_and_kept_in_a_file(table, monkeypatch):
    first = tuning.host_speeds(DOUBLE, 1)
    assert min(first.ours + first.numpys) > 0
    assert [path.suffix for path in table.iterdir()] == [".json"]
    tuning._known.clear()
    monkeypatch.setattr(tuning, "timed_speeds", None)  # not to be called
    assert tuning.host_speeds(DOUBLE, 1) == first


def test_what_several_threads_lose_counts_and_no_gain(table, monkeypatch):
    single = speeds(1.2)
    last = single.numpys[-1]
    for seconds, loss in ((1.0, 1.0), (1.25, 1.25), (0.8, 1.0)):
        timed = (seconds * single.ours[-1], last / 2)
        monkeypatch.setattr(tuning, "_timed", lambda *_, timed=timed: timed)
        shared = tuning.shared_speeds(single, DOUBLE, 2, False)
        assert shared.ours == pytest.approx([loss * value for value in single.ours])
        assert shared.numpys == pytest.approx([step / 2 for step in single.numpys])


def test_several_threads_are_timed_once(table, monkeypatch):
    monkeypatch.setattr(tuning, "REST", 0.0)
    first = tuning.host_speeds(DOUBLE, 2)
    assert set(tuning._known) == {"float64 1", "float64 2"}
    monkeypatch.setattr(tuning, "_timed", None)  # not to be called
    assert tuning.host_speeds(DOUBLE, 2) == first


def test_speeds_timed_under_load_are_timed_again_on_a_quiet_machine(table, monkeypatch):
    monkeypatch.setattr(tuning, "_load", lambda: 3.0)
    assert tuning.host_speeds(DOUBLE, 1).load == 3.0
    again = replace(speeds(2.0), load=0.1)
    monkeypatch.setattr(tuning, "timed_speeds", lambda *_: again)
    for load, expected in ((0.5, 3.0), (0.1, 0.1), (3.0, 0.1)):
        tuning._known.clear()
        monkeypatch.setattr(tuning, "_load", lambda load=load: load)
        assert tuning.host_speeds(DOUBLE, 1).load == expected


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"float64 1": 3}', '{"float64 1": {"sizes": [1], "ours": [], "numpys": [1]}}',
     '{"float64 1": {"sizes": [1], "ours": [NaN], "numpys": [1]}}'],
)  # fmt: skip
def test_a_damaged_file_counts_as_none(table, text):
    tuning.speeds_file().write_text(text)
    found = tuning.host_speeds(DOUBLE, 1)
    assert found.sizes == (32, 64)
    assert set(json.loads(tuning.speeds_file().read_text())) == {"float64 1"}


def test_a_folder_that_cannot_be_written_is_no_error(table, monkeypatch):
    (table / "file").write_text("")
    monkeypatch.setenv("FLIPSEARCH_CACHE", str(table / "file" / "below"))
    assert tuning.host_speeds(DOUBLE, 1).sizes == (32, 64)


def test_the_shipped_default_neither_times_nor_reads(table, monkeypatch):
    monkeypatch.setenv("FLIPSEARCH_TUNING", "default")
    algorithm = strassen_algorithm()
    assert choose_levels(algorithm, (1000,) * 3, DOUBLE, 1) == -1
    assert choose_levels(algorithm, (8192,) * 3, DOUBLE, 1) >= 1
    assert choose_levels(algorithm, (300,) * 3, np.dtype(np.int64), 1) == 0
    assert not list(table.iterdir())


def test_threads_of_blas_are_limited_and_given_back():
    library = execute.blas_library()
    if library is None:
        pytest.skip("numpy's BLAS was not found")
    with threadpool_limits(2, "blas"):
        assert execute.on_threads(1, library.get_num_threads) == 1
        assert library.get_num_threads() == 2
        with pytest.raises(ValueError, match="mismatch"):
            matmul(np.ones((5, 4)), np.ones((5, 4)), threads=1)
        assert library.get_num_threads() == 2
        assert execute.on_threads(None, library.get_num_threads) == 2


def test_limits_that_overlap_in_time_are_given_back(monkeypatch):
    class Library:
        threads = 4

        def get_num_threads(self):
            return self.threads

        def set_num_threads(self, threads):
            self.threads = threads

    library = Library()
    monkeypatch.setattr(execute, "blas_library", lambda: library)
    inside, leave = threading.Event(), threading.Event()

    def first():
        inside.set()
        assert leave.wait(10)

    one = threading.Thread(target=execute.on_threads, args=(1, first))
    one.start()
    assert inside.wait(10)

    def second():  # the first call ends while this one runs
        leave.set()
        one.join(10)

    execute.on_threads(3, second)
    assert library.threads == 4
