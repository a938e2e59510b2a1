"""Rotary positions and the writing of the cache in PyTorch's own operations, for devices without a kernel for them."""

import numpy as np
import torch

from ..step import Step
from .interface import AttentionShape, Rotary


class Rotation:
    """The angles of one step's tokens."""

    def __init__(self, rotary: Rotary, step: Step) -> None:
        cosines, sines = rotary.cosines.index_select(0, step.positions), rotary.sines.index_select(0, step.positions)
        self._cosines = torch.cat((cosines, cosines), -1).unsqueeze(1)  # [tokens, 1, head_dim]
        self._sines = torch.cat((-sines, sines), -1).unsqueeze(1)  # [tokens, 1, head_dim]

    def __call__(self, heads: torch.Tensor) -> torch.Tensor:
        """`[tokens, heads, head_dim]`, a new tensor."""
        low, high = heads.chunk(2, -1)
        return torch.addcmul(heads * self._cosines, torch.cat((high, low), -1), self._sines)


class CacheWriter:
    """The slots of one step's tokens; those at -1 are left out."""

    def __init__(self, shape: AttentionShape, step: Step) -> None:
        slots = step.host.slot_mapping.astype(np.int64)
        kept = np.flatnonzero(slots >= 0)
        self._kept = None if len(kept) == len(slots) else torch.from_numpy(kept).to(shape.device)
        self._none = len(kept) == 0
        self._blocks = torch.from_numpy(slots[kept] // shape.block_size).to(shape.device)
        self._offsets = torch.from_numpy(slots[kept] % shape.block_size).to(shape.device)

    def __call__(self, cache: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        """`keys` and `values` are `[tokens, kv heads, head_dim]`."""
        if self._none:
            return
        for part, tokens in ((cache[0], keys), (cache[1], values)):
            part.index_put_((self._blocks, self._offsets), tokens if self._kept is None else tokens.index_select(0, self._kept))
