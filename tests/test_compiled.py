"""Compiled code older than any source of its folder is dropped, newer code is kept."""

import os

from flipsearch.compiled import drop_stale


def test_stale_code_goes_and_fresh_code_stays(tmp_path):
    cache = tmp_path / "__pycache__"
    cache.mkdir()
    for name, when in [("old.py", 100), ("edited.py", 300)]:
        (tmp_path / name).write_text("")
        os.utime(tmp_path / name, (when, when))
    for name, when in [("stale.nbi", 200), ("fresh.nbi", 400)]:
        (cache / name).write_text("")
        os.utime(cache / name, (when, when))
    drop_stale(tmp_path)
    assert sorted(path.name for path in cache.iterdir()) == ["fresh.nbi"]


def test_a_folder_without_compiled_code(tmp_path):
    drop_stale(tmp_path)
    assert list(tmp_path.iterdir()) == []
