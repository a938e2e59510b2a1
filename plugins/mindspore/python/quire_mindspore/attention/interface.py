"""What a decoder and its runner ask of attention: the cache's layout, how a batch is cut into graph calls, and a cell per layer."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import mindspore as ms
import numpy as np
import numpy.typing as npt
from mindspore import nn
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Shard
from quire_worker.dtypes import DTypeName
from quire_worker.runner import BatchLimits, KvCacheLayer
from quire_worker.tensor import Tensor

from ..step import Step

Phase = Literal["prefill", "decode"]
"""Each phase is a graph of its own."""


@dataclass(frozen=True)
class AttentionConfig:
    """What attention must know of the model and this rank."""

    config: DecoderConfig
    shard: Shard
    dtype: DTypeName
    block_size: int

    @property
    def num_heads(self) -> int:
        return self.shard.num_heads

    @property
    def num_kv_heads(self) -> int:
        return self.shard.num_kv_heads

    @property
    def head_dim(self) -> int:
        return self.config.head_dim

    @property
    def window(self) -> int | None:
        """That of the layers which have one."""
        return next((window for window in self.config.windows if window is not None), None)


@dataclass(frozen=True)
class GraphCall:
    """Some rows of a batch, run together by the graph of one phase."""

    phase: Phase
    token_indices: npt.NDArray[np.int64]
    """Tokens of the batch, in the order in which the graph gets them."""
    inputs: Sequence[ms.Tensor]
    """What the phase's attention cells get in every layer, as `PagedAttention.placeholders` describes."""
    num_rows: int | None = None
    """Rows of the graph, one token each, padding included; None: the graph takes any number of rows and tokens."""


class PagedAttention(ABC):
    """One per runner. Cells are made by `cell` after `bind`."""

    @abstractmethod
    def cache_layer(self) -> KvCacheLayer:
        """The KV cache of one layer."""

    @abstractmethod
    def bind(self, layers: Sequence[Tensor]) -> Sequence[Sequence[ms.Parameter]]:
        """The cache Parameters of every layer, over the memory of `layers`."""

    @abstractmethod
    def cell(self, phase: Phase, layer: int) -> nn.Cell:
        """
        A cell `(heads, *cache, *inputs) -> [tokens, num_heads * head_dim]`. `heads` is `[tokens, num_heads + 2 * num_kv_heads, head_dim]`:
        rotated queries and keys, then values. It writes the new keys and values before it attends.
        """

    @abstractmethod
    def placeholders(self, phase: Phase, num_rows: int | None) -> Sequence[ms.Tensor]:
        """The inputs of a phase with `None` for dimensions that change, for `set_inputs`."""

    def row_buckets(self, limits: BatchLimits) -> Sequence[int]:
        """Numbers of rows for which decoding has graphs of its own, beside those for any number."""
        return []

    @abstractmethod
    def calls(self, step: Step) -> Sequence[GraphCall]:
        """Cuts a batch into graph calls; every token of the batch is in exactly one."""

    @abstractmethod
    def activation_bytes(self, limits: BatchLimits) -> int:
        """Bytes that attention needs beside the cache, at most."""
