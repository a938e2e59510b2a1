"""The interface: KV of a step is written into pages, and queries attend to what the block tables lead to."""

from abc import ABC, abstractmethod
from typing import Any

import torch
from quire_worker.batch import InputBatch


class Attention(ABC):
    """
    One instance serves all layers of a runner. `keys` and `values` are `[num_blocks, block_size, num_kv_heads, head_dim]`,
    strided perhaps; `query` is `[num_tokens, num_heads, head_dim]`, `key` and `value` `[num_tokens, num_kv_heads, head_dim]`.
    """

    @abstractmethod
    def plan(self, batch: InputBatch) -> Any:
        """What all layers need of a step, made once."""

    @abstractmethod
    def write(self, plan: Any, key: torch.Tensor, value: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Puts the new tokens' keys and values into their slots; a slot of -1 is none."""

    @abstractmethod
    def attend(self, plan: Any, query: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, scale: float, window: int | None) -> torch.Tensor:
        """`[num_tokens, num_heads, head_dim]`. A token at position p sees positions j <= p, and with a window p - j < window."""
