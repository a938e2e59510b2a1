"""Every attention against dense attention in float64, on random ragged steps."""

from typing import Any

import numpy as np
import pytest
import torch
from ragged import Ragged, shape_of

from quire_torch.attention.interface import Attention
from quire_torch.attention.plain import PlainAttention
from quire_torch.attention.triton_paged import TritonAttention

ROWS = [(0, 5), (37, 1), (3, 1), (16, 1), (0, 1), (20, 13), (31, 2), (15, 1), (0, 33), (64, 1)]
SHAPES: dict[str, dict[str, Any]] = {
    "usual": {},
    "every head its own": {"num_kv_heads": 4},
    "one key head": {"num_heads": 6, "num_kv_heads": 1},
    "three share": {"num_heads": 9, "num_kv_heads": 3},
    "wide group": {"num_heads": 40, "num_kv_heads": 2, "head_dim": 8},
    "odd head": {"head_dim": 24},
    "wide head": {"head_dim": 80},
    "window": {"windows": (8,)},
    "window of one": {"windows": (1,)},
    "window over blocks": {"windows": (40,)},
    "small blocks": {"block_size": 3},
    "large blocks": {"block_size": 128},
    "float16": {"dtype": torch.float16},
    "bfloat16": {"dtype": torch.bfloat16},
    "bfloat16 window": {"dtype": torch.bfloat16, "windows": (8,)},
}
BOUNDS = {torch.float32: 2e-6, torch.float16: 2e-3, torch.bfloat16: 2e-2}


@pytest.mark.parametrize("kind", [PlainAttention, TritonAttention])
@pytest.mark.parametrize("name", SHAPES)
def test_ragged(kind: type[Attention], name: str) -> None:
    shape = shape_of(**SHAPES[name])
    ragged = Ragged.make(shape, ROWS, skips=name == "usual")
    (found, cache), (expected, written) = ragged.run(kind(shape)), ragged.expected()
    np.testing.assert_allclose(found, expected, atol=BOUNDS[shape.dtype] * max(1, np.abs(expected).max()))
    np.testing.assert_allclose(cache, written, atol=BOUNDS[shape.dtype] * 4)
    assert not cache[:, 0].any()


@pytest.mark.parametrize("kind", [PlainAttention, TritonAttention])
@pytest.mark.parametrize("seed", range(6))
def test_random_steps(kind: type[Attention], seed: int) -> None:
    random = np.random.default_rng(seed)
    shape = shape_of(
        block_size=int(random.choice([4, 16, 20])), windows=(None if seed % 2 else int(random.integers(1, 50)),), head_dim=int(random.choice([8, 12, 64]))
    )
    decode_only = seed == 0
    rows = [
        (int(random.integers(0, 90)), 1 if decode_only or random.random() < 0.5 else int(random.integers(1, 40))) for _ in range(int(random.integers(1, 9)))
    ]
    ragged = Ragged.make(shape, rows, seed=seed, rope=seed % 3 != 0)
    (found, cache), (expected, written) = ragged.run(kind(shape)), ragged.expected()
    np.testing.assert_allclose(found, expected, atol=5e-6)
    np.testing.assert_allclose(cache, written, atol=1e-6)


def test_heads_of_an_odd_size_without_rope() -> None:
    for kind in (PlainAttention, TritonAttention):
        shape = shape_of(head_dim=5)
        ragged = Ragged.make(shape, ROWS, rope=False)
        np.testing.assert_allclose(ragged.run(kind(shape))[0], ragged.expected()[0], atol=5e-6)


def test_a_row_depends_on_no_mate_bit_by_bit() -> None:
    shape = shape_of()
    together = Ragged.make(shape, ROWS)
    found, _ = together.run(TritonAttention(shape))
    host = together.host
    for row in (1, 5, 8):
        tokens = slice(int(host.query_start_loc[row]), int(host.query_start_loc[row + 1]))
        alone = Ragged(
            shape,
            type(host)(
                input_ids=host.input_ids[tokens],
                positions=host.positions[tokens],
                slot_mapping=host.slot_mapping[tokens],
                query_start_loc=np.array([0, tokens.stop - tokens.start], np.int32),
                seq_lens=host.seq_lens[row : row + 1],
                block_tables=host.block_tables[row : row + 1],
                logits_indices=np.array([0], np.int32),
            ),
            together.qkv[tokens],
            together.cache,
            together.rotary,
        )
        np.testing.assert_array_equal(alone.run(TritonAttention(shape))[0], found[tokens])
