"""How torch_npu's operators are called, by a double of them. None of this has run on an NPU."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ascend_double import AscendDouble
from models import fixture
from quire_worker.framework import Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device
from quire_worker.testing import PagedModel, golden_cases
from ragged import Ragged, shape_of

from quire_torch.attention.ascend import AscendAttention, refusal
from quire_torch.framework import TorchFramework
from quire_torch.runner import TorchRunner

ROWS = [(0, 5), (37, 1), (3, 1), (20, 13), (0, 33), (15, 1)]


@pytest.mark.parametrize("window", [None, 1, 8])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_ragged(window: int | None, dtype: torch.dtype) -> None:
    shape = shape_of(dtype=dtype, windows=(window,))
    ragged, double = Ragged.make(shape, ROWS, skips=True), AscendDouble()
    (found, cache), (expected, written) = ragged.run(AscendAttention(shape, double)), ragged.expected()
    np.testing.assert_allclose(found, expected, atol=0.06)
    np.testing.assert_allclose(cache, written, atol=0.06)
    slots = ragged.host.slot_mapping
    kind = {"sparse_mode": 3, "pre_tokens": 2147483647} if window is None else {"sparse_mode": 4, "pre_tokens": window - 1}
    assert double.calls == [("scatter", {"slots": slots[slots >= 0].tolist()}), ("attend", kind)]


def test_what_they_refuse() -> None:
    assert refusal(shape_of(dtype=torch.float16)) is None
    assert refusal(shape_of()) == "they have no torch.float32"
    assert refusal(shape_of(dtype=torch.float16, block_size=8)) == "blocks must be a multiple of 16 up to 512, got 8"
    assert refusal(shape_of(dtype=torch.float16, head_dim=24)) == "heads must be a multiple of 16 up to 256, got 24"


def _tokens(framework: TorchFramework, folder: Path, double: AscendDouble | None) -> list[list[int]]:
    target = Target(Device("cpu"), "float16", Rank(), 16, 1)
    runner = TorchRunner(framework, target) if double is None else TorchRunner(framework, target, lambda shape: AscendAttention(shape, double))
    model = PagedModel(framework, runner, folder)
    found = model.greedy([case.prompt_ids for case in golden_cases(folder)[:3]], 8, chunk=5)
    model.close()
    return found


def test_a_model_over_the_operators_says_what_it_says_without(framework: TorchFramework) -> None:
    double = AscendDouble()
    assert _tokens(framework, fixture("llama_gqa"), double) == _tokens(framework, fixture("llama_gqa"), None)
    assert {name for name, _ in double.calls} == {"scatter", "attend"}
