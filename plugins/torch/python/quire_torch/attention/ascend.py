"""Attention on Ascend, by two operators of torch_npu: one writes the cache, the other attends whatever the mixture of rows."""

from typing import Any

import numpy as np
import torch

from ..step import Step
from .interface import Attention, AttentionShape, StepAttention
from .rotate import Rotation

_MASK_SIZE = 2048
"""The operator wants one triangle of this size for any lengths."""
_CAUSAL, _BAND = 3, 4
_LARGEST_BLOCK, _LARGEST_HEAD = 512, 256


def refusal(shape: AttentionShape) -> str | None:
    """Why the operators cannot run this model; None = they can."""
    if shape.dtype not in (torch.float16, torch.bfloat16):
        return f"they have no {shape.dtype}"
    if shape.block_size % 16 or shape.block_size > _LARGEST_BLOCK:
        return f"blocks must be a multiple of 16 up to {_LARGEST_BLOCK}, got {shape.block_size}"
    if shape.head_dim % 16 or shape.head_dim > _LARGEST_HEAD:
        return f"heads must be a multiple of 16 up to {_LARGEST_HEAD}, got {shape.head_dim}"
    return None


class AscendAttention(Attention):
    name = "ascend"

    def __init__(self, shape: AttentionShape, operators: Any) -> None:
        """`operators` is torch_npu."""
        super().__init__(shape)
        self.operators = operators
        self.mask = torch.ones(_MASK_SIZE, _MASK_SIZE, dtype=torch.int8, device=shape.device).triu(1)

    def prepare(self, step: Step) -> StepAttention:
        return _AscendStep(self, step)


class _AscendStep(StepAttention):
    def __init__(self, attention: AscendAttention, step: Step) -> None:
        self._attention, self._block_tables = attention, step.block_tables
        self._rotate = None if attention.rotary is None else Rotation(attention.rotary, step)
        slots = step.host.slot_mapping
        kept = np.flatnonzero(slots >= 0)
        self._kept = None if len(kept) == len(slots) else torch.from_numpy(kept).to(attention.shape.device)
        self._slots = step.slot_mapping if self._kept is None else step.slot_mapping.index_select(0, self._kept)
        # The operator reads these on the host.
        self._query_ends = step.host.query_start_loc[1:].tolist()
        self._seq_lens = step.host.seq_lens.tolist()

    def __call__(self, layer: int, qkv: torch.Tensor) -> torch.Tensor:
        shape, operators = self._attention.shape, self._attention.operators
        cache = self._attention.caches[layer]
        rotated, values = qkv[:, : shape.num_rotated], qkv[:, shape.num_rotated :]
        if self._rotate is not None:
            rotated = self._rotate(rotated)
        queries, keys = rotated[:, : shape.num_heads].contiguous(), rotated[:, shape.num_heads :]
        if self._kept is not None:
            keys, values = keys.index_select(0, self._kept), values.index_select(0, self._kept)
        if len(self._slots):
            operators.npu_scatter_pa_kv_cache(keys.contiguous(), values.contiguous(), cache[0], cache[1], self._slots, cache_mode="Norm")
        window = shape.windows[layer]
        # In a band, `pre_tokens` counts the positions before a token's own.
        band = {"sparse_mode": _CAUSAL} if window is None else {"sparse_mode": _BAND, "pre_tokens": window - 1, "next_tokens": 0}
        found, _ = operators.npu_fused_infer_attention_score(
            queries,
            cache[0].flatten(2),  # [num_blocks, block_size, kv heads * head_dim]
            cache[1].flatten(2),
            atten_mask=self._attention.mask,
            block_table=self._block_tables,
            input_layout="TND",
            block_size=shape.block_size,
            actual_seq_lengths=self._query_ends,
            actual_seq_lengths_kv=self._seq_lens,
            num_key_value_heads=shape.num_kv_heads,
            num_heads=shape.num_heads,
            scale=shape.scales[layer],
            **band,
        )
        result: torch.Tensor = found.reshape(len(qkv), -1)
        return result
