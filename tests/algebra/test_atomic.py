"""A file is written whole or not at all."""

import os
import stat

import pytest

from flipsearch.algebra.atomic import write_whole


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "é\n")
    assert path.read_bytes() == "é\n".encode()
    write_whole(path, b"two")
    assert path.read_bytes() == b"two"
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~mask
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("replace", [True, False])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, replace):
    def full(_handle):
        raise OSError(28, "No space left on device")

    path = tmp_path / "file"
    path.write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, "new", replace=replace)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["file"]


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / "file"
    write_whole(path, "first", replace=False)
    with pytest.raises(FileExistsError):
        write_whole(path, "second", replace=False)
    assert path.read_text() == "first"
    assert os.listdir(tmp_path) == ["file"]


def test_a_file_system_without_hard_links(tmp_path, monkeypatch):
    def no_links(*_paths):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    write_whole(tmp_path / "file", "text", replace=False)
    assert os.listdir(tmp_path) == ["file"]
