"""What attention over a paged cache is to the decoder: rotate, write keys and values, attend."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from ..step import Step


@dataclass(frozen=True)
class AttentionShape:
    """This rank's part of the model, and where it runs. `scales` and `windows` are per layer."""

    num_heads: int
    num_kv_heads: int
    head_dim: int
    block_size: int
    scales: tuple[float, ...]
    windows: tuple[int | None, ...]
    dtype: torch.dtype
    device: torch.device

    @property
    def group_size(self) -> int:
        """Query heads that share a key head."""
        return self.num_heads // self.num_kv_heads

    @property
    def num_rotated(self) -> int:
        """Heads at the front of `qkv` that are rotated: queries and keys."""
        return self.num_heads + self.num_kv_heads


@dataclass(frozen=True)
class Rotary:
    """Cosines and sines by position, each `[positions, head_dim / 2]`; halves of a head are rotated against each other."""

    cosines: torch.Tensor
    sines: torch.Tensor


class StepAttention(ABC):
    """Attention of one step, planned once for all layers."""

    @abstractmethod
    def __call__(self, layer: int, qkv: torch.Tensor) -> torch.Tensor:
        """
        `qkv` is `[tokens, heads + 2 kv heads, head_dim]`, contiguous, and may be overwritten. Writes keys and values at the step's slots;
        gives `[tokens, heads * head_dim]`. Key j is visible at position p iff j <= p and p - j < window.
        """


class Attention(ABC):
    name: str
    takes_graphs = False
    """A step's plan depends on the host by nothing but shapes, so that a CUDA graph of it can be run again."""

    def __init__(self, shape: AttentionShape) -> None:
        self.shape = shape
        self.rotary: Rotary | None = None
        self.caches: list[torch.Tensor] = []

    def bind(self, caches: Sequence[torch.Tensor], rotary: Rotary | None) -> None:
        """Per layer `[2, num_blocks, block_size, kv heads, head_dim]`: keys, then values. Block 0 is never written."""
        self.caches = list(caches)
        self.rotary = rotary

    @abstractmethod
    def prepare(self, step: Step) -> StepAttention: ...
