"""Storages, windows and devices: what the engine asks of MindSpore before and beside a model."""

from pathlib import Path

import numpy as np
import pytest
from quire_worker.dtypes import DTypeName, carrier
from quire_worker.errors import NotSupportedError
from quire_worker.framework import Framework, Rank
from quire_worker.tensor import Device, Tensor, contiguous_strides

from quire_mindspore import probe

CPU = Device("cpu")
TYPES: list[DTypeName] = ["float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool"]


def whole(framework: Framework, shape: tuple[int, ...], dtype: DTypeName = "float32") -> Tensor:
    return Tensor(framework.allocate(int(np.prod(shape)), dtype, CPU, pin_memory=False), shape, contiguous_strides(shape))


@pytest.mark.parametrize("dtype", TYPES)
def test_every_type_holds_what_is_written(framework: Framework, dtype: DTypeName) -> None:
    tensor = whole(framework, (2, 3), dtype)
    assert not framework.read(tensor).any()
    data = np.array([[0, 1, 1], [1, 0, 1]], carrier(dtype)) if dtype != "bfloat16" else np.array([[0, 0x3F80, 0x4000], [0xBF80, 1, 0x7F80]], np.uint16)
    framework.write(tensor, data)
    found = framework.read(tensor)
    assert found.dtype == carrier(dtype)
    np.testing.assert_array_equal(found, data)


def test_windows_are_strided_and_share_memory(framework: Framework) -> None:
    base = whole(framework, (4, 6))
    framework.write(base, np.arange(24, dtype=np.float32).reshape(4, 6))
    narrow = Tensor(base.storage, (4, 2), (6, 1), 3)
    np.testing.assert_array_equal(framework.read(narrow), np.arange(24).reshape(4, 6)[:, 3:5])
    framework.write(narrow, np.full((4, 2), -1, np.float32))
    expected = np.arange(24).reshape(4, 6)
    expected[:, 3:5] = -1
    np.testing.assert_array_equal(framework.read(base), expected)


def test_blocks_are_copied_in_order_along_a_dimension(framework: Framework) -> None:
    cache = whole(framework, (2, 4, 3))
    data = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    framework.write(cache, data)
    framework.copy_blocks(cache, [(1, 2), (2, 3)], 1)
    data[:, 2] = data[:, 3] = data[:, 1]
    np.testing.assert_array_equal(framework.read(cache), data)


def test_what_is_not_there_is_refused(framework: Framework) -> None:
    with pytest.raises(NotSupportedError, match="pinned"):
        framework.allocate(1, "float32", CPU, pin_memory=True)
    with pytest.raises(NotSupportedError, match="to npu"):
        framework.set_device(Device("npu"))
    with pytest.raises(NotSupportedError, match="no device cpu:1"):
        framework.set_device(Device("cpu", 1))
    with pytest.raises(NotSupportedError, match="rank"):
        framework.init_process_group(Rank(0, 2, "tcp://127.0.0.1:1"), "", 1000)


def test_one_rank_alone(framework: Framework) -> None:
    framework.init_process_group(Rank(), "", 1000)
    tensor = whole(framework, (2,))
    assert framework.all_reduce(tensor, "max").tolist() == [0, 0]
    framework.destroy_process_group()
    free, total = framework.memory_info(CPU)
    assert 0 < free <= total and framework.peak_memory() > 0


def test_devices_are_found_without_mindspore(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert probe.devices(str(tmp_path / "absent")) == [CPU]
    for name in ("davinci0", "davinci1", "davinci_manager", "null"):
        (tmp_path / name).touch()
    monkeypatch.delenv("ASCEND_RT_VISIBLE_DEVICES", raising=False)
    assert probe.devices(str(tmp_path)) == [Device("npu", 0), Device("npu", 1), CPU]
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "1")
    assert probe.devices(str(tmp_path)) == [Device("npu", 0), CPU]
