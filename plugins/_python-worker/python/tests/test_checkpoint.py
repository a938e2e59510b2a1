"""Safetensors files as an enemy would write them, shards on ranks, and the memory of the host."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from quire_worker.checkpoint import Checkpoint
from quire_worker.decoder_config import read_config
from quire_worker.decoder_weights import Shard, load_weights
from quire_worker.errors import ModelInvalidError, ModelNotFoundError, ModelUnsupportedError
from quire_worker.framework import Rank
from quire_worker.host_memory import host_memory, peak_resident_bytes, reset_peak_resident_bytes, vm_stat_bytes

FIXTURES = Path(__file__).parents[4] / "tests" / "fixtures"


def file_of(header: Any, content: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + content


def entry(**changed: Any) -> dict[str, Any]:
    return {"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], **changed}}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00" * 7,
        struct.pack("<Q", 1 << 60) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        file_of(b"{"),
        file_of(b"\xff\xfe"),
        file_of(b"[" * 100_000),
        file_of([1]),
        file_of({"w": 5}),
        file_of({"w": None}),
        file_of({"w": {}}),
        file_of(entry(), b"\x00" * 7),
        file_of(entry(data_offsets=[0, 16]), b"\x00" * 16),
        file_of(entry(data_offsets=[8, 0]), b"\x00" * 8),
        file_of(entry(data_offsets=[-8, 0]), b"\x00" * 8),
        file_of(entry(data_offsets=[0]), b"\x00" * 8),
        file_of(entry(data_offsets=[0, 8, 9]), b"\x00" * 8),
        file_of(entry(data_offsets=["0", "8"]), b"\x00" * 8),
        file_of(entry(data_offsets=[0.0, 8.0]), b"\x00" * 8),
        file_of(entry(data_offsets=[True, 8]), b"\x00" * 8),
        file_of(entry(shape=[-1, -2]), b"\x00" * 8),
        file_of(entry(shape=[1 << 62, 4]), b"\x00" * 8),
        file_of(entry(shape="2"), b"\x00" * 8),
        file_of(entry(shape=None), b"\x00" * 8),
        file_of(entry(dtype="F4"), b"\x00" * 8),
        file_of(entry(dtype=["F32"]), b"\x00" * 8),
    ],
)
def test_hostile_files_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(ModelInvalidError, match=r"model\.safetensors"):
        Checkpoint(tmp_path)


@pytest.mark.parametrize(
    "index", ["{", "[]", "{}", '{"weight_map": 5}', '{"weight_map": {"w": "../x"}}', '{"weight_map": {"w": 7}}', '{"weight_map": {"w": [1]}}']
)
def test_hostile_indices_are_refused(tmp_path: Path, index: str) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ModelInvalidError):
        Checkpoint(tmp_path)


def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError):
        Checkpoint(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text('{"weight_map": {"w": "absent.safetensors"}}')
    with pytest.raises(ModelNotFoundError, match=r"absent\.safetensors"):
        Checkpoint(tmp_path)


def test_tensors_are_asked_by_name_and_shape(tmp_path: Path) -> None:
    header = entry() | {"i": {"dtype": "I32", "shape": [], "data_offsets": [8, 12]}, "__metadata__": {"format": "pt"}}
    (tmp_path / "model.safetensors").write_bytes(file_of(header, np.array([1, 2], np.float32).tobytes() + b"\x00" * 4))
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.names() == ["w", "i"] and list(checkpoint.get("w", (2,)).data) == [1, 2]
    for name, shape in (("v", (2,)), ("w", (1, 2)), ("i", ())):
        with pytest.raises(ModelInvalidError):
            checkpoint.get(name, shape)


@pytest.mark.parametrize("name", ["llama_gqa", "gpt2", "opt", "qwen2", "starcoder2"])
def test_ranks_hold_their_parts_and_nothing_twice(name: str) -> None:
    config, checkpoint = read_config(FIXTURES / name), Checkpoint(FIXTURES / name)
    whole = {w.name: w.data for w in load_weights(config, checkpoint, Shard.of(config, Rank()))}
    ranks = [{w.name: w.data for w in load_weights(config, checkpoint, Shard.of(config, Rank(rank, 2)))} for rank in range(2)]
    for key, data in whole.items():
        kind = key.split(".")[2] if key.startswith("layers.") else key
        parts = [rank[key] for rank in ranks if key in rank]
        if kind in ("embed", "head"):
            assert np.array_equal(np.concatenate(parts)[: config.vocab_size], data)
        elif kind in ("q", "gate", "up") or (kind in ("k", "v") and config.num_kv_heads >= 2):
            assert np.array_equal(np.concatenate(parts), data)
        elif kind in ("o", "down") and key.endswith(".weight"):
            assert np.array_equal(np.concatenate(parts, 1), data)
        elif kind in ("o", "down"):
            assert len(parts) == 1 and np.array_equal(parts[0], data)
        else:
            assert all(np.array_equal(part, data) for part in parts)


def test_ranks_that_do_not_divide() -> None:
    config = read_config(FIXTURES / "llama_gqa")
    with pytest.raises(ModelUnsupportedError):
        Shard.of(config, Rank(0, 7))


def test_the_memory_of_the_host() -> None:
    free, total = host_memory()
    assert 0 < free <= total
    ballast = np.ones(64 << 20, np.uint8)
    assert peak_resident_bytes() >= ballast.nbytes
    before = peak_resident_bytes()
    del ballast
    if reset_peak_resident_bytes():
        assert peak_resident_bytes() < before


def test_the_memory_of_macos() -> None:
    statistics = """Mach Virtual Memory Statistics: (page size of 16384 bytes)
Pages free:                                3000.
Pages active:                            500000.
Pages inactive:                          400000.
Pages speculative:                          200.
Pages throttled:                              0.
Pages wired down:                        100000.
Pages purgeable:                           7000.
"""
    assert vm_stat_bytes(statistics) == 403200 * 16384
    assert vm_stat_bytes("vm_stat: no") == 0
