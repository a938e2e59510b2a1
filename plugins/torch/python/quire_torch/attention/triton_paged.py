"""Attention by Triton kernels of our own: any head size and floating-point type, and no host in the way of a CUDA graph."""

import os

import torch
import triton
import triton.language as tl

from ..step import Step
from .interface import Attention, AttentionShape, Rotary, StepAttention
from .triton_kernels import paged_attention_kernel, rotate_and_write_kernel

_INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
_COMPUTE = {torch.float32: tl.float32, torch.float16: tl.float16, torch.bfloat16: tl.bfloat16}
_KEYS_BLOCK = 64
_TILE_QUERIES = 64


def rotate_and_write(shape: AttentionShape, qkv: torch.Tensor, cache: torch.Tensor, rotary: Rotary | None, step: Step) -> torch.Tensor:
    """Writes rotated keys, and values, at the step's slots; gives the rotated queries `[tokens, heads, head_dim]`."""
    query = torch.empty(len(qkv), shape.num_heads, shape.head_dim, dtype=qkv.dtype, device=qkv.device)
    rotate_and_write_kernel[(len(qkv), shape.num_heads + 2 * shape.num_kv_heads)](
        query,
        cache,
        qkv,
        qkv if rotary is None else rotary.cosines,
        qkv if rotary is None else rotary.sines,
        step.positions,
        step.slot_mapping,
        shape.block_size,
        *cache.stride()[:4],
        NUM_HEADS=shape.num_heads,
        NUM_KV_HEADS=shape.num_kv_heads,
        HEAD_DIM=shape.head_dim,
        HALF_BLOCK=triton.next_power_of_2((shape.head_dim + 1) // 2),
        HAS_ROPE=rotary is not None,
        num_warps=1,
    )
    return query


def paged_attention(shape: AttentionShape, query: torch.Tensor, cache: torch.Tensor, step: Step, layer: int) -> torch.Tensor:
    """`[tokens, heads * head_dim]`"""
    num_rows = len(step.seq_lens)
    # A decode step has one token a row: a tile of more would be empty.
    most = 16 if step.max_query_len == 1 else _TILE_QUERIES
    tile_tokens = max(1, most // shape.group_size)
    output = torch.empty_like(query)
    paged_attention_kernel[(len(query) // tile_tokens + num_rows, shape.num_kv_heads)](
        output,
        query,
        cache,
        step.block_tables,
        step.query_start_loc,
        step.seq_lens,
        num_rows,
        step.block_tables.stride(0),
        shape.block_size,
        *cache.stride()[:4],
        shape.scales[layer],
        NUM_HEADS=shape.num_heads,
        NUM_KV_HEADS=shape.num_kv_heads,
        HEAD_DIM=shape.head_dim,
        HEAD_BLOCK=max(16, triton.next_power_of_2(shape.head_dim)),
        ROWS_BLOCK=triton.next_power_of_2(num_rows),
        TILE_TOKENS=tile_tokens,
        TILE_QUERIES=max(16, triton.next_power_of_2(tile_tokens * shape.group_size)),
        KEYS_BLOCK=_KEYS_BLOCK,
        WINDOW=shape.windows[layer] or 0,
        # The interpreter's products of half types are NumPy's: it has none of bfloat16.
        COMPUTE=tl.float32 if _INTERPRETED else _COMPUTE[shape.dtype],
    )
    return output.view(len(query), -1)


class TritonAttention(Attention):
    name = "triton"
    takes_graphs = True

    def prepare(self, step: Step) -> StepAttention:
        return _TritonStep(self, step)


class _TritonStep(StepAttention):
    def __init__(self, attention: TritonAttention, step: Step) -> None:
        self._attention, self._step = attention, step

    def __call__(self, layer: int, qkv: torch.Tensor) -> torch.Tensor:
        attention, cache = self._attention, self._attention.caches[layer]
        query = rotate_and_write(attention.shape, qkv, cache, attention.rotary, self._step)
        return paged_attention(attention.shape, query, cache, self._step, layer)
