"""Attention by gathering pages, for any device. Rows of one token run together, grouped by their number of pages."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from quire_worker.batch import InputBatch

from .attention import Attention

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Group:
    """Rows with the same number of new tokens, and about as many pages."""

    tokens: torch.Tensor
    """`[rows * num_new]`, indices of their tokens."""
    num_new: int
    tables: torch.Tensor
    """`[rows, pages]`"""
    positions: torch.Tensor
    """`[rows, num_new]`, of the new tokens."""
    fresh: bool
    """One row whose pages hold nothing but its new tokens, from the first position on."""
    masks: dict[int | None, torch.Tensor] = field(default_factory=dict)
    """By window."""

    def mask(self, window: int | None, length: int) -> torch.Tensor:
        """`[rows, 1, num_new, length]`, true where a query sees a key."""
        known = self.masks.get(window)
        if known is None:
            distance = self.positions[:, None, :, None] - torch.arange(length, device=self.positions.device)
            known = distance >= 0 if window is None else (distance >= 0) & (distance < window)
            self.masks[window] = known
        return known


@dataclass(frozen=True)
class Plan:
    """One step."""

    groups: list[Group]
    written: torch.Tensor | None
    """Indices of the tokens that are written; None = all."""
    blocks: torch.Tensor
    offsets: torch.Tensor
    """Where they are written."""


class PlainAttention(Attention):
    def __init__(self, device: torch.device, block_size: int) -> None:
        self._device, self._block_size = device, block_size

    def plan(self, batch: InputBatch) -> Plan:
        slots = batch.slot_mapping.astype(np.int64)
        written = None if (slots >= 0).all() else np.flatnonzero(slots >= 0)
        slots = slots if written is None else slots[written]
        return Plan(
            groups=self._groups(batch),
            written=None if written is None else self._move(written),
            blocks=self._move(slots // self._block_size),
            offsets=self._move(slots % self._block_size),
        )

    def write(self, plan: Plan, key: torch.Tensor, value: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        if plan.written is not None:
            key, value = key[plan.written], value[plan.written]
        place = (plan.blocks, plan.offsets)
        keys.index_put_(place, key)
        values.index_put_(place, value)

    def attend(self, plan: Plan, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float, window: int | None) -> torch.Tensor:
        output = torch.empty_like(query)
        for group in plan.groups:
            output[group.tokens] = self._attend(group, query[group.tokens], keys, values, scale, window)
        return output

    def _attend(self, group: Group, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float, window: int | None) -> torch.Tensor:
        rows, pages = group.tables.shape
        num_heads, head_dim = query.shape[1:]
        num_kv_heads = keys.shape[2]
        length, shared = pages * self._block_size, num_heads // num_kv_heads
        key, value = (cache[group.tables].reshape(rows, length, num_kv_heads, head_dim).transpose(1, 2) for cache in (keys, values))
        if group.num_new == 1:
            # The heads that share a key are its queries.
            by_head = query.view(rows, num_kv_heads, shared, head_dim)
            seen = F.scaled_dot_product_attention(by_head, key, value, attn_mask=group.mask(window, length), scale=scale)
            return seen.reshape(rows, num_heads, head_dim)
        by_head = query.view(rows, group.num_new, num_heads, head_dim).transpose(1, 2)
        if shared > 1:
            key, value = (part.repeat_interleave(shared, 1) for part in (key, value))
        if group.fresh and window is None:
            key, value = (part[:, :, : group.num_new] for part in (key, value))
            seen = F.scaled_dot_product_attention(by_head, key, value, is_causal=True, scale=scale)
        else:
            seen = F.scaled_dot_product_attention(by_head, key, value, attn_mask=group.mask(window, length), scale=scale)
        return seen.transpose(1, 2).reshape(-1, num_heads, head_dim)

    def _groups(self, batch: InputBatch) -> list[Group]:
        starts, lengths, tables, positions = batch.query_start_loc, batch.seq_lens, batch.block_tables, batch.positions
        pages = -(-lengths // self._block_size)
        new = np.diff(starts)
        groups = []
        single = np.flatnonzero(new == 1)
        # Up to the next power of two, so that what a row is computed with hardly depends on who else is there.
        sizes = 1 << np.ceil(np.log2(np.maximum(1, pages[single]))).astype(np.int64)
        for size in np.unique(sizes):
            rows = single[sizes == size]
            width = min(int(size), tables.shape[1])
            groups.append(self._group(starts[rows].astype(np.int64), 1, tables[rows, :width], positions[starts[rows]][:, None]))
        for row in np.flatnonzero(new > 1):
            tokens = np.arange(starts[row], starts[row + 1])
            groups.append(self._group(tokens, int(new[row]), tables[row : row + 1, : pages[row]], positions[tokens][None]))
        return groups

    def _group(self, tokens: npt.NDArray[np.int64], num_new: int, tables: Ints, positions: Ints) -> Group:
        fresh = num_new > 1 and bool((positions == np.arange(num_new)).all())
        return Group(self._move(tokens), num_new, self._move(tables), self._move(positions), fresh)

    def _move(self, indices: npt.NDArray[np.integer]) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(indices, np.int64)).to(self._device, non_blocking=True)
