"""One framework for all tests of this process; Triton's kernels run in its interpreter."""

import os

os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported

import pytest
import torch
from quire_worker.framework import Rank
from quire_worker.tensor import Device

from quire_torch import worker
from quire_torch.framework import TorchFramework


@pytest.fixture(scope="session")
def framework() -> TorchFramework:
    opened = worker.open_framework(Device("cpu"), Rank())
    assert isinstance(opened, TorchFramework)
    torch.set_num_threads(1)
    return opened
