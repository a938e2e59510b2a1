"""Prompts are cut and grouped so that every token is in one call, pieces in order, and calls bounded."""

import numpy as np
import pytest

from quire_mindspore.attention.prompt_groups import MAX_ELEMENTS, MAX_TOKENS, prompt_groups
from quire_mindspore.step import Step

HEADS, DIM = 32, 128


@pytest.mark.parametrize("seed", range(6))
def test_every_token_once_in_order_and_within_bounds(seed: int) -> None:
    random = np.random.default_rng(seed)
    lengths = random.choice([1, 2, 3, 7, 40, 200, 700], 12).tolist()
    step = Step.dummy(lengths, int(random.choice([0, 100, 4000])), 16)
    seen: list[int] = []
    for group in prompt_groups(step, HEADS, DIM):
        longest, context = max(piece.length for piece in group), max(piece.context for piece in group)
        assert sum(piece.length for piece in group) <= MAX_TOKENS
        assert len({piece.row for piece in group}) == len(group)
        assert len(group) == 1 or len(group) * HEADS * context * max(longest, DIM) <= MAX_ELEMENTS
        for piece in group:
            tokens = np.arange(piece.first, piece.first + piece.length)
            assert piece.context == step.positions[tokens[-1]] + 1
            assert all(token < piece.first for token in seen if step.query_start_loc[piece.row] <= token < step.query_start_loc[piece.row + 1])
            seen += tokens.tolist()
    expected = [token for row, length in enumerate(lengths) if length > 1 for token in range(step.query_start_loc[row], step.query_start_loc[row + 1])]
    assert sorted(seen) == expected
