"""Make helper modules of this folder importable from every test, and share the tests out.

Hypothesis runs without deadlines: the first call of a jitted function compiles it.

Side by side (pytest-xdist), the tests of a module stay in one process, which compiles what they
share once; all tests that need Ray share one process and its cluster. The modules that take
longest start first, so that no process ends on a long one.
"""

import pytest
from hypothesis import settings

settings.register_profile("flipsearch", deadline=None)
settings.load_profile("flipsearch")

LONGEST = ["test_additions", "ray", "test_emitted_kernels", "test_faults_processes"]


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    if not config.pluginmanager.hasplugin("xdist"):
        return
    place = {}
    for item in items:
        group = "ray" if item.get_closest_marker("ray") else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
        place[item] = LONGEST.index(group) if group in LONGEST else len(LONGEST)
    items.sort(key=place.get)
