"""Keep compiled code on disk, each version in its own file.

numba numbers the files of compiled code in the order in which they are saved. Two processes that
compile at once take the same number, and one of them would later run the code of the other. Here
a file's name is a digest of its key.

Invariant: this module imports no part of flipsearch, because a kernel file contains its text.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any


def keep_compiled(function: Any, stamp: str | None = None, variant: int = 0) -> None:
    """Keep the compiled versions of a numba function on disk if a folder can be written.

    The function was not called yet. Code with another stamp, by default time and size of the
    source file, or of another variant is not used.
    """
    with suppress(RuntimeError):  # numba found no folder that it can write
        function.enable_caching()
        files = function._cache._cache_file
        files._source_stamp = stamp or files._source_stamp
        if variant:
            files._source_stamp = (files._source_stamp, variant)
        files.save = partial(save_compiled, files)


def save_compiled(files: Any, key: Any, code: Any) -> None:
    """Write compiled code to its own file, then write the index of the function's cache."""
    digest = hashlib.sha256(repr((files._source_stamp, key)).encode()).hexdigest()
    name = files._data_name_pattern.format(number=int(digest[:15], 16))
    if not files._load_index():  # code of older sources is useless
        for path in Path(files._cache_path).glob(f"{Path(files._index_name).stem}.*.nbc"):
            with suppress(OSError):
                path.unlink()
    files._save_data(name, code)
    files._save_index({**files._load_index(), key: name})
