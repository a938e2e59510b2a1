"""MindSpore's environment, set before any test imports it, and a framework for all tests of this process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from quire_worker.framework import Framework, Rank
from quire_worker.tensor import Device

from quire_mindspore import worker


@pytest.fixture(scope="session")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framework]:
    """MindSpore leaves notes about failed graphs in the working directory: it gets one of its own."""
    before = Path.cwd()
    os.chdir(tmp_path_factory.mktemp("mindspore"))
    yield worker.open_framework(Device("cpu"), Rank())
    os.chdir(before)
