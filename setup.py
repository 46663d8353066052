"""Put ``schemes/`` inside the package, which pyproject.toml cannot say.

The folder lies at the root, where people look for it; an installed program finds the copy next to
its modules (see `flipsearch.catalogue.shipped`). Everything else is in pyproject.toml.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py


class BuildWithSchemes(build_py):
    """Build the package, then copy the scheme files into it."""

    def run(self) -> None:
        """Copy every file of ``schemes/``, except into an editable install."""
        super().run()
        if self.editable_mode:
            return
        root = Path(__file__).resolve().parent / "schemes"
        copy = Path(self.build_lib, "flipsearch", "schemes")
        shutil.rmtree(copy, ignore_errors=True)  # schemes since superseded, of an earlier build
        kinds = ("*.txt", "*.json", "*.csv")
        for path in sorted(path for kind in kinds for path in root.rglob(kind)):
            target = copy / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            self.copy_file(str(path), str(target))


setup(cmdclass={"build_py": BuildWithSchemes})
