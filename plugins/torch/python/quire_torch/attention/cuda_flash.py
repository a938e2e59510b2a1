"""Attention by PyTorch's own paged flash attention on CUDA; rope and the writing of the cache by our Triton kernel."""

import inspect
from collections.abc import Callable
from typing import Any

import torch

from ..step import Step
from .interface import Attention, AttentionShape, Rotary, StepAttention

Attend = Callable[..., Any]
"""torch.nn.attention.varlen.varlen_attn_out"""
Write = Callable[[AttentionShape, torch.Tensor, torch.Tensor, Rotary | None, Step], torch.Tensor]
_LARGEST_HEAD = 256


def find_operator() -> Attend | None:
    """None where this PyTorch has no paged flash attention."""
    try:
        from torch.nn.attention.varlen import varlen_attn_out
    except ImportError:
        return None
    return varlen_attn_out if {"block_table", "seqused_k", "enable_gqa", "num_splits"} <= set(inspect.signature(varlen_attn_out).parameters) else None


def refusal(shape: AttentionShape, attend: Attend | None, capability: tuple[int, int]) -> str | None:
    """Why flash attention cannot run this model here; None = it can. What is not written down is found out by a trial."""
    if attend is None:
        return "this PyTorch has no paged flash attention"
    if capability < (8, 0):
        return f"it needs compute capability 8.0, the device has {capability[0]}.{capability[1]}"
    if shape.dtype not in (torch.float16, torch.bfloat16):
        return f"it has no {shape.dtype}"
    if shape.head_dim % 8 or shape.head_dim > _LARGEST_HEAD:
        return f"it has no heads of {shape.head_dim}"
    if any(scale <= 0 for scale in shape.scales):
        return "it has no scale that is not positive"
    return _trial(shape, attend)


def _trial(shape: AttentionShape, attend: Attend) -> str | None:
    def integers(*values: int) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int32, device=shape.device)

    query = torch.zeros(1, shape.num_heads, shape.head_dim, dtype=shape.dtype, device=shape.device)
    cache = torch.zeros(2, 1, shape.block_size, shape.num_kv_heads, shape.head_dim, dtype=shape.dtype, device=shape.device)
    try:
        for window in sorted({_left(window) for window in shape.windows}):
            call_flash(attend, shape, query, cache, window, shape.scales[0], integers(0, 1), integers(1), integers(0).view(1, 1), 1, 1)
    except (RuntimeError, ValueError) as error:
        return str(error).splitlines()[0]
    return None


def call_flash(
    attend: Attend,
    shape: AttentionShape,
    query: torch.Tensor,
    cache: torch.Tensor,
    left: int,
    scale: float,
    query_start_loc: torch.Tensor,
    seq_lens: torch.Tensor,
    block_tables: torch.Tensor,
    max_query_len: int,
    max_seq_len: int,
) -> torch.Tensor:
    """`[tokens, heads, head_dim]`. One split of the keys: with more, a row's rounding would depend on the longest of its mates."""
    output = torch.empty_like(query)
    attend(
        output,
        query,
        cache[0],
        cache[1],
        query_start_loc,
        None,
        max_query_len,
        max_seq_len,
        scale=scale,
        window_size=(left, 0),
        enable_gqa=shape.group_size > 1,
        seqused_k=seq_lens,
        block_table=block_tables,
        num_splits=1,
    )
    return output


def _left(window: int | None) -> int:
    """Positions to the left of a token's own that it sees; -1 = all."""
    return -1 if window is None else window - 1


class FlashAttention(Attention):
    name = "flash"
    takes_graphs = True

    def __init__(self, shape: AttentionShape, attend: Attend, write: Write) -> None:
        super().__init__(shape)
        self.attend, self.write = attend, write

    def prepare(self, step: Step) -> StepAttention:
        return _FlashStep(self, step)


class _FlashStep(StepAttention):
    def __init__(self, attention: FlashAttention, step: Step) -> None:
        self._attention, self._step = attention, step

    def __call__(self, layer: int, qkv: torch.Tensor) -> torch.Tensor:
        attention, step = self._attention, self._step
        shape, cache = attention.shape, attention.caches[layer]
        query = attention.write(shape, qkv, cache, attention.rotary, step)
        return call_flash(
            attention.attend,
            shape,
            query,
            cache,
            _left(shape.windows[layer]),
            shape.scales[layer],
            step.query_start_loc,
            step.seq_lens,
            step.block_tables,
            step.max_query_len,
            step.max_seq_len,
        ).view(len(query), -1)
