"""How PyTorch's paged flash attention is called, and when it is not."""

import numpy as np
import pytest
import torch
from flash_double import FlashDouble
from ragged import Ragged, shape_of

from quire_torch.attention.cuda_flash import FlashAttention, find_operator, refusal
from quire_torch.attention.triton_paged import rotate_and_write

ROWS = [(0, 5), (37, 1), (3, 1), (20, 13), (0, 33)]


@pytest.mark.parametrize("window", [None, 1, 8])
@pytest.mark.parametrize("num_kv_heads", [2, 4])
def test_ragged(window: int | None, num_kv_heads: int) -> None:
    shape = shape_of(dtype=torch.bfloat16, windows=(window,), num_kv_heads=num_kv_heads)
    ragged, double = Ragged.make(shape, ROWS), FlashDouble()
    (found, cache), (expected, written) = ragged.run(FlashAttention(shape, double, rotate_and_write)), ragged.expected()
    np.testing.assert_allclose(found, expected, atol=0.05)
    np.testing.assert_allclose(cache, written, atol=0.05)
    assert double.calls == [{"max_q": 33, "max_k": 38, "window_size": (-1 if window is None else window - 1, 0)}]


def test_what_it_refuses() -> None:
    double = FlashDouble()
    good = shape_of(dtype=torch.float16)
    assert refusal(good, double, (8, 0)) is None
    assert refusal(good, double, (7, 5)) == "it needs compute capability 8.0, the device has 7.5"
    assert refusal(good, None, (9, 0)) == "this PyTorch has no paged flash attention"
    assert refusal(shape_of(), double, (9, 0)) == "it has no torch.float32"
    assert refusal(shape_of(dtype=torch.float16, head_dim=20), double, (9, 0)) == "it has no heads of 20"
    assert refusal(shape_of(dtype=torch.float16, head_dim=512), double, (9, 0)) == "it has no heads of 512"
    assert refusal(shape_of(dtype=torch.float16, head_dim=48), double, (9, 0)) == "no kernel for this head size"


def test_this_pytorch_has_it() -> None:
    assert find_operator() is not None
