"""Make helper modules of this folder importable from every test, and share the tests out.

Hypothesis runs without deadlines: the first call of a jitted function compiles it.

Side by side (pytest-xdist), the tests of a module stay in one process, which compiles what they
share once; all tests that need Ray share one process and its cluster. The modules that take
longest start first, so that no process ends on a long one.

The modules in `SLOW` compile much, walk for long or start many processes. Their tests are marked
``slow`` like single tests of more than a few seconds; ``run.py test --quick`` leaves them out.
"""

import shutil
import signal

import pytest
from hypothesis import settings

from flipsearch.catalogue import Catalogue

settings.register_profile("flipsearch", deadline=None)
settings.load_profile("flipsearch")

LONGEST = ["test_additions", "ray", "test_emitted_kernels", "test_faults_processes"]
SLOW = {
    *("test_additions", "test_emitted_kernels", "test_gram_and_modular", "test_kernel_commands"),
    *(
        "test_kernels_in_processes",
        "test_stability",
        "test_faults_kernel",
        "test_faults_processes",
    ),
    *("test_faults_of_catalogues", "test_faults_of_drivers", "test_faults_of_workers"),
    *("test_gpu_benchmark", "test_gpu_compile", "test_gpu_executor", "test_gpu_outcomes"),
    *("test_faults_certificate", "test_faults_protect", "test_hostile", "test_scheme_commands"),
    *("test_api", "test_cli_output", "test_examples", "test_jit", "test_one_writer"),
}


@pytest.fixture(scope="session")
def shipped_catalogue(tmp_path_factory):
    """Give a catalogue with the shipped schemes, to be copied: making one takes its time."""
    path = tmp_path_factory.mktemp("shipped") / "catalogue.sqlite"
    Catalogue.open(path).close()
    return path


@pytest.fixture
def database(tmp_path, shipped_catalogue):
    """Give the address of a catalogue with the shipped schemes."""
    return str(shutil.copy(shipped_catalogue, tmp_path))


def pytest_sessionstart(session):
    # processes of pytest-xdist ignore it, and so would every process that a test starts
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config, items):
    for item in items:
        if item.path.stem in SLOW:
            item.add_marker(pytest.mark.slow)
    if not config.pluginmanager.hasplugin("xdist"):
        return
    place = {}
    for item in items:
        group = "ray" if item.get_closest_marker("ray") else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))
        place[item] = LONGEST.index(group) if group in LONGEST else len(LONGEST)
    items.sort(key=place.get)
