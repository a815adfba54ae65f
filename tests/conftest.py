"""Shared by all tests: few threads, a cache of their own."""

from __future__ import annotations

import gc
import os
import sys

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MKL_NUM_THREADS", "1")
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # many processes are started, each would compile everything

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile(
    "ednas", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("ednas")


LONG = (
    "bridge/test_nnictl.py",
    "search_spaces/test_architectures.py",
    "golden/test_costs.py",
)
"""Files that one process is busy with for long: what begins last should be short."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.path.as_posix().endswith(LONG))


def pytest_collection_finish() -> None:
    """What imports and collection have made stays: to look through it again and again took a fifth of all time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Tests neither read nor fill the user's data cache, but share one among themselves."""
    if "EDNAS_CACHE" not in os.environ:
        os.environ["EDNAS_CACHE"] = str(tmp_path_factory.getbasetemp().parent / "ednas-test-cache")
    yield


@pytest.fixture(autouse=True)
def _outside_of_a_trial():
    """NNI's sequential engine leaves its last parameters behind; the next test is no trial."""
    trial = sys.modules.get("nni.trial")
    if trial is not None:
        trial._params = None
    yield
