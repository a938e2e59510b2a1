"""Attention for any device, by PyTorch's scaled_dot_product_attention over gathered blocks: rows with one token together, others one by one."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from quire_worker.dtypes import Array

from ..step import HostStep, Step
from .interface import Attention, AttentionShape, StepAttention
from .rotate import CacheWriter, Rotation

_GATHERED_BYTES = 32 << 20
"""Keys and values of rows that are gathered together take no more, unless one row does."""


@dataclass(frozen=True)
class Decodes:
    """Rows with one token each. They are padded to the longest with the null block."""

    tokens: torch.Tensor | None
    """Their places in the step; None = they are all of it."""
    num_rows: int
    blocks: torch.Tensor
    """`[rows * blocks]`"""
    mask: torch.Tensor | None
    """`[rows, 1, 1, keys]`, what is added to the scores."""


@dataclass(frozen=True)
class Chunk:
    """A row with several tokens."""

    tokens: slice
    blocks: torch.Tensor | None
    """None = its keys are those of its own tokens, all of them written in this step."""
    num_keys: int
    mask: torch.Tensor | None
    """`[tokens, keys]`; None = causal."""


Rows = list[Decodes | Chunk]


class PlainAttention(Attention):
    name = "plain"

    def prepare(self, step: Step) -> StepAttention:
        return _PlainStep(self, step)


class _PlainStep(StepAttention):
    def __init__(self, attention: PlainAttention, step: Step) -> None:
        self._shape, self._caches = attention.shape, attention.caches
        self._rotate = None if attention.rotary is None else Rotation(attention.rotary, step)
        self._write = CacheWriter(attention.shape, step)
        self._rows = {window: list(_plan(attention.shape, step.host, window)) for window in set(attention.shape.windows)}

    def __call__(self, layer: int, qkv: torch.Tensor) -> torch.Tensor:
        shape, cache = self._shape, self._caches[layer]
        rotated, values = qkv[:, : shape.num_rotated], qkv[:, shape.num_rotated :]
        if self._rotate is not None:
            rotated = self._rotate(rotated)
        queries, keys = rotated[:, : shape.num_heads], rotated[:, shape.num_heads :]
        self._write(cache, keys, values)
        rows = self._rows[shape.windows[layer]]
        if len(rows) == 1 and isinstance(rows[0], Decodes) and rows[0].tokens is None:
            return self._decode(rows[0], queries, cache, shape.scales[layer])
        result = torch.empty(len(qkv), shape.num_heads * shape.head_dim, dtype=qkv.dtype, device=qkv.device)
        for part in rows:
            if isinstance(part, Decodes):
                chosen = queries if part.tokens is None else queries.index_select(0, part.tokens)
                found = self._decode(part, chosen, cache, shape.scales[layer])
                result.index_copy_(0, part.tokens, found) if part.tokens is not None else result.copy_(found)
            else:
                own = keys[part.tokens], values[part.tokens]
                result[part.tokens] = self._chunk(part, queries[part.tokens], own, cache, shape.scales[layer])
        return result

    def _decode(self, part: Decodes, queries: torch.Tensor, cache: torch.Tensor, scale: float) -> torch.Tensor:
        shape = self._shape
        window = (part.num_rows, -1, shape.num_kv_heads, shape.head_dim)
        keys = cache[0].index_select(0, part.blocks).view(window).transpose(1, 2)  # [rows, kv heads, keys, head_dim]
        values = cache[1].index_select(0, part.blocks).view(window).transpose(1, 2)
        # Heads that share keys take the place of positions.
        grouped = queries.reshape(part.num_rows, shape.num_kv_heads, shape.group_size, shape.head_dim)
        found = F.scaled_dot_product_attention(grouped, keys, values, attn_mask=part.mask, scale=scale)
        return found.reshape(part.num_rows, -1)

    def _chunk(self, part: Chunk, queries: torch.Tensor, own: tuple[torch.Tensor, torch.Tensor], cache: torch.Tensor, scale: float) -> torch.Tensor:
        shape = self._shape
        keys, values = own
        if part.blocks is not None:
            window = (-1, shape.num_kv_heads, shape.head_dim)
            keys = cache[0].index_select(0, part.blocks).view(window)[: part.num_keys]
            values = cache[1].index_select(0, part.blocks).view(window)[: part.num_keys]
        found = F.scaled_dot_product_attention(
            queries.transpose(0, 1).unsqueeze(0),  # [1, heads, tokens, head_dim]
            keys.transpose(0, 1).unsqueeze(0),
            values.transpose(0, 1).unsqueeze(0),
            attn_mask=part.mask,
            is_causal=part.mask is None,
            scale=scale,
            enable_gqa=shape.group_size > 1,
        )
        return found.squeeze(0).transpose(0, 1).reshape(len(queries), -1)


def _plan(shape: AttentionShape, host: HostStep, window: int | None) -> Iterator[Decodes | Chunk]:
    singles = np.flatnonzero(host.query_lens == 1)
    if len(singles):
        yield from _decodes(shape, host, singles, window)
    for row in np.flatnonzero(host.query_lens > 1):
        yield _chunk_of(shape, host, int(row), window)


def _decodes(shape: AttentionShape, host: HostStep, rows: Array, window: int | None) -> Iterator[Decodes]:
    """Rows of like length together."""
    ends = host.seq_lens[rows].astype(np.int64)
    first_keys = np.zeros_like(ends) if window is None else np.maximum(ends - window, 0)
    first_blocks = first_keys // shape.block_size
    num_blocks = -(-ends // shape.block_size) - first_blocks
    block_bytes = 2 * shape.block_size * shape.num_kv_heads * shape.head_dim * shape.dtype.itemsize
    for members in _alike(num_blocks, max(1, _GATHERED_BYTES // block_bytes)):
        width = int(num_blocks[members].max())
        columns = np.minimum(first_blocks[members, None] + np.arange(width), host.block_tables.shape[1] - 1)
        inside = np.arange(width) < num_blocks[members, None]
        blocks = np.where(inside, host.block_tables[rows[members, None], columns], 0)
        keys = first_blocks[members, None] * shape.block_size + np.arange(width * shape.block_size)
        hidden = (keys >= ends[members, None]) | (keys < first_keys[members, None])
        tokens = host.query_start_loc[rows[members]]
        everything = len(tokens) == host.num_tokens and bool((tokens == np.arange(len(tokens))).all())
        yield Decodes(
            tokens=None if everything else torch.from_numpy(tokens.astype(np.int64)).to(shape.device),
            num_rows=len(members),
            blocks=torch.from_numpy(blocks.reshape(-1)).to(shape.device),
            mask=_additive(hidden, shape)[:, None, None] if hidden.any() else None,
        )


def _alike(num_blocks: Array, most: int) -> Iterator[Array]:
    """Places in `num_blocks`, so that padding adds at most a half and four blocks to any row, in groups of at most `most` blocks."""
    if len(num_blocks) * int(num_blocks.max()) <= most and int(num_blocks.max()) <= 1.5 * int(num_blocks.min()) + 4:
        yield np.arange(len(num_blocks), dtype=np.int32)
        return
    order = np.argsort(num_blocks, kind="stable").astype(np.int32)
    start = 0
    for end in range(1, len(order) + 1):
        if end < len(order):
            longest = int(num_blocks[order[end]])
            if longest <= 1.5 * int(num_blocks[order[start]]) + 4 and (end + 1 - start) * longest <= most:
                continue
        yield np.sort(order[start:end])
        start = end


def _chunk_of(shape: AttentionShape, host: HostStep, row: int, window: int | None) -> Chunk:
    start, length, end = int(host.query_start_loc[row]), int(host.query_lens[row]), int(host.seq_lens[row])
    first_query = end - length
    tokens = slice(start, start + length)
    if first_query == 0 and host.slot_mapping[tokens].min() >= 0:
        narrow = window is not None and window < length
        return Chunk(tokens, None, length, _visible(shape, 0, length, 0, end, window) if narrow else None)
    first_block = 0 if window is None else max(0, first_query - window + 1) // shape.block_size
    first_key = first_block * shape.block_size
    blocks = host.block_tables[row, first_block : -(-end // shape.block_size)]
    mask = _visible(shape, first_query, length, first_key, end, window)
    return Chunk(tokens, torch.tensor(blocks, device=shape.device), end - first_key, mask)


def _visible(shape: AttentionShape, first_query: int, num_queries: int, first_key: int, end: int, window: int | None) -> torch.Tensor:
    queries, keys = np.arange(first_query, first_query + num_queries)[:, None], np.arange(first_key, end)
    hidden = keys > queries
    return _additive(hidden if window is None else hidden | (queries - keys >= window), shape)


def _additive(hidden: Array, shape: AttentionShape) -> torch.Tensor:
    mask = torch.zeros(hidden.shape, dtype=shape.dtype)
    return mask.masked_fill_(torch.from_numpy(hidden), float("-inf")).to(shape.device)
