"""Memory through the adapter: windows, types, blocks, errors; and the probe."""

from pathlib import Path

import numpy as np
import pytest
from quire_worker.dtypes import Array, DTypeName, carrier
from quire_worker.errors import InvalidArgumentError, NotSupportedError, OutOfMemoryError
from quire_worker.tensor import Device, Tensor

from quire_torch import probe
from quire_torch.framework import TorchFramework

CPU = Device("cpu")


def _filled(framework: TorchFramework, data: Array, dtype: DTypeName) -> Tensor:
    storage = framework.allocate(data.size, dtype, CPU, pin_memory=False)
    tensor = Tensor(storage, data.shape, tuple(stride // data.itemsize for stride in data.strides))
    framework.write(tensor, data)
    return tensor


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool"])
def test_every_type_comes_back(framework: TorchFramework, dtype: DTypeName) -> None:
    data = np.array([[0, 1, 1], [1, 0, 1]]).astype(carrier(dtype))
    if dtype == "bfloat16":
        data = np.array([[0x3F80, 0x7F80, 0xFF80], [0x0001, 0x7FC0, 0x8000]], np.uint16)
    found = framework.read(_filled(framework, data, dtype))
    assert found.dtype == data.dtype
    np.testing.assert_array_equal(found, data)


def test_windows_reach_their_storage(framework: TorchFramework) -> None:
    whole = _filled(framework, np.arange(12, dtype=np.int32).reshape(3, 4), "int32")
    narrow = Tensor(whole.storage, (3, 2), (4, 1), 1)
    np.testing.assert_array_equal(framework.read(narrow), [[1, 2], [5, 6], [9, 10]])
    framework.write(narrow, np.full((3, 2), -1, np.int32))
    np.testing.assert_array_equal(framework.read(whole)[:, :3], [[0, -1, -1], [4, -1, -1], [8, -1, -1]])
    before = framework.read(whole)
    framework.write(narrow, np.zeros((3, 2), np.int32))
    assert before[0, 1] == -1, "what was read is a copy"


def test_blocks_are_copied_in_order(framework: TorchFramework) -> None:
    whole = _filled(framework, np.arange(8, dtype=np.float32).reshape(2, 4), "float32")
    framework.copy_blocks(whole, [(0, 1), (1, 3)], 1)
    np.testing.assert_array_equal(framework.read(whole), [[0, 0, 2, 0], [4, 4, 6, 4]])


def test_errors(framework: TorchFramework) -> None:
    with pytest.raises(OutOfMemoryError):
        framework.allocate(1 << 50, "float32", CPU, pin_memory=False)
    with pytest.raises(NotSupportedError):
        framework.set_device(Device("cpu", 1))
    with pytest.raises(NotSupportedError):
        framework.set_device(Device("tpu"))
    with pytest.raises(NotSupportedError):
        framework.allocate(1, "float32", Device("cuda", 0), pin_memory=True)
    with pytest.raises(InvalidArgumentError):
        framework.broadcast(_filled(framework, np.zeros(1, np.int32), "int32"), 1)


def test_memory_of_the_host(framework: TorchFramework) -> None:
    free, total = framework.memory_info(CPU)
    assert 0 < free <= total
    assert framework.peak_memory() > 0
    assert framework.devices()[-1] == CPU


def test_probe_counts_what_may_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia-uvm", "nvidiactl"):
        (tmp_path / name).touch()
    monkeypatch.setattr(probe, "_build", lambda: {"cuda": "13.2"})
    gpus = [Device("cuda", 0), Device("cuda", 1)]
    assert probe.devices(str(tmp_path), {})[:2] == gpus
    assert probe.devices(str(tmp_path), {"CUDA_VISIBLE_DEVICES": "1"})[0] == gpus[0]
    assert Device("cuda", 1) not in probe.devices(str(tmp_path), {"CUDA_VISIBLE_DEVICES": "1"})
    for hidden in ("", "-1"):
        assert probe.devices(str(tmp_path), {"CUDA_VISIBLE_DEVICES": hidden})[0].kind != "cuda"
    monkeypatch.setattr(probe, "_build", dict)
    assert probe.devices(str(tmp_path), {})[0].kind != "cuda"
