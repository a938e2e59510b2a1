"""Windows over one allocation, and what does not fit."""

import numpy as np
import pytest
from quire_worker.errors import NotSupportedError, OutOfMemoryError
from quire_worker.tensor import Device, Tensor

from quire_numpy.framework import CPU, NumpyFramework

framework = NumpyFramework()


def test_windows_share_their_storage() -> None:
    storage = framework.allocate(24, "int32", CPU, pin_memory=False)
    whole = Tensor(storage, (4, 6), (6, 1))
    framework.write(whole, np.arange(24, dtype=np.int32).reshape(4, 6))
    part = Tensor(storage, (2, 3), (6, 1), 8)
    assert framework.read(part).tolist() == [[8, 9, 10], [14, 15, 16]]
    framework.write(part, np.full((2, 3), -1, np.int32))
    assert framework.read(whole)[1].tolist() == [6, 7, -1, -1, -1, 11]


def test_blocks_are_copied_in_both_halves() -> None:
    storage = framework.allocate(12, "float32", CPU, pin_memory=False)
    pair = Tensor(storage, (2, 3, 2), (6, 2, 1))
    framework.write(pair, np.arange(12, dtype=np.float32).reshape(2, 3, 2))
    framework.copy_blocks(pair, [(2, 0), (0, 1)], 1)
    assert framework.read(pair).tolist() == [[[4, 5], [4, 5], [4, 5]], [[10, 11], [10, 11], [10, 11]]]


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(OutOfMemoryError):
        framework.allocate(1 << 60, "float32", CPU, pin_memory=False)
    with pytest.raises(NotSupportedError):
        framework.allocate(1, "float32", CPU, pin_memory=True)
    with pytest.raises(NotSupportedError):
        framework.set_device(Device("cuda"))
