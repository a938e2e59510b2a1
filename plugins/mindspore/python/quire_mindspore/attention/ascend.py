"""Attention by Ascend's fused operators. Never run on hardware yet: signatures are those of the installed package, and layouts, types
and masks are checked by a double of the operators (tests/ascend_double.py).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import mindspore as ms
import numpy as np
from mindspore import nn, ops
from mindspore.ops.auto_generate import PagedAttention as PagedAttentionOperator
from mindspore.ops.auto_generate import ReshapeAndCache
from mindspore.ops.operations.nn_ops import FlashAttentionScore
from quire_worker.dtypes import Array, from_float32, item_size
from quire_worker.errors import InvalidArgumentError, ModelUnsupportedError, NotSupportedError
from quire_worker.runner import BatchLimits, KvCacheLayer
from quire_worker.tensor import Tensor, contiguous_strides

from ..memory import MINDSPORE_TYPES, memory, tensor
from ..step import Step
from .interface import AttentionConfig, GraphCall, PagedAttention, Phase

_COMPRESSED = 128
"""Side of the mask of a prefill: the operator repeats it along the diagonal."""
_HIDDEN = -10000.0
_EVERYTHING = 2147483647


@dataclass(frozen=True)
class AscendOperators:
    """Makers of the three operators, with the arguments of MindSpore's own."""

    reshape_and_cache: Callable[..., Any] = ReshapeAndCache
    flash_attention_score: Callable[..., Any] = FlashAttentionScore
    paged_attention: Callable[..., Any] = PagedAttentionOperator


class AscendAttention(PagedAttention):
    """
    A step is one graph call. If no row has anything in the cache yet, it is the prefill phase: FlashAttentionScore over the new keys and
    values, packed ("TH"). Else it is the decode phase, chunks of prompts included: PagedAttention over the cache. K and V are Parameters
    of their own, each `[blocks, block size, kv heads, head size]`.
    """

    def __init__(self, attention: AttentionConfig, operators: AscendOperators | None = None) -> None:
        """Raises InvalidArgumentError for a block size, ModelUnsupportedError for a head size that the operators lack."""
        self._attention = attention
        self._operators = operators or AscendOperators()
        size, dim = attention.block_size, attention.head_dim
        if size % 16 or size * dim > 128 * 128:
            limit = 128 * 128 // dim // 16 * 16
            raise InvalidArgumentError("blockSize", f"On Ascend, blockSize must be a multiple of 16 up to {limit} for heads of {dim}, got {size}.", size)
        if dim % 16 or dim > 256:
            raise ModelUnsupportedError(f"Ascend's attention wants heads of a multiple of 16 elements up to 256; this model's have {dim}.")
        triangle = np.triu(np.ones((_COMPRESSED, _COMPRESSED), np.float32), 1)
        self._prefill_mask = self._typed(triangle * (1.0 if attention.dtype == "bfloat16" else _HIDDEN))
        self._decode_mask = self._typed(np.zeros((1, 1), np.float32))

    def cache_layer(self) -> KvCacheLayer:
        of = self._attention
        shape = (2, -1, of.block_size, of.num_kv_heads, of.head_dim)
        return KvCacheLayer(of.dtype, shape, 2 * of.block_size * of.num_kv_heads * of.head_dim * item_size(of.dtype))

    def bind(self, layers: Sequence[Tensor]) -> Sequence[Sequence[ms.Parameter]]:
        caches = []
        for index, layer in enumerate(layers):
            if not layer.is_whole:
                raise NotSupportedError(f"On Ascend a KV cache must lie as {contiguous_strides(layer.shape)}, got strides of {layer.strides}")
            shape = layer.shape[1:]
            caches.append(memory(layer.storage).reshape([shape, shape], [f"key_cache.{index}", f"value_cache.{index}"]))
        return caches

    def cell(self, phase: Phase, layer: int) -> nn.Cell:
        kind = PrefillCell if phase == "prefill" else DecodeCell
        return kind(self._attention, self._attention.config.scales[layer], self._operators)

    def placeholders(self, phase: Phase, num_rows: int | None = None) -> Sequence[ms.Tensor]:
        """Slots `[tokens]`, block tables `[rows, blocks]`, context lengths and query lengths `[rows]`, mask."""
        mask = [_COMPRESSED, _COMPRESSED] if phase == "prefill" else [None, None]
        integers: list[list[int | None]] = [[None], [None, None], [None], [None]]
        kind = MINDSPORE_TYPES[self._attention.dtype]
        return [*(ms.Tensor(shape=shape, dtype=ms.int32) for shape in integers), ms.Tensor(shape=mask, dtype=kind)]

    def calls(self, step: Step) -> Sequence[GraphCall]:
        phase: Phase = "decode" if step.num_computed.any() else "prefill"
        integers = [step.slot_mapping, step.block_tables, step.seq_lens, step.query_lens]
        inputs = [ms.Tensor.from_numpy(np.ascontiguousarray(data, np.int32)) for data in integers]
        return [GraphCall(phase, np.arange(step.num_tokens), [*inputs, self._mask(phase, step)])]

    def activation_bytes(self, limits: BatchLimits) -> int:
        """Raises ModelUnsupportedError for a window that some context would pass: the operators have none."""
        window = self._attention.window
        if window is not None and limits.max_model_len > window:
            message = f"Ascend's paged attention has no sliding window; this model's is {window} tokens, so that maxModelLen can be at most {window}."
            raise ModelUnsupportedError(message, {"window": window})
        return limits.max_num_batched_tokens * (limits.max_model_len + _COMPRESSED) * item_size(self._attention.dtype)

    def _mask(self, phase: Phase, step: Step) -> ms.Tensor:
        """For chunks, one row per token over all positions up to the longest context: added where a key lies ahead."""
        if phase == "prefill":
            return self._prefill_mask
        if step.num_tokens == len(step.seq_lens):
            return self._decode_mask
        width = -(-int(step.seq_lens.max()) // _COMPRESSED) * _COMPRESSED
        ahead = np.arange(width, dtype=np.int32) > step.positions[:, None]
        return self._typed(np.where(ahead, np.float32(_HIDDEN), np.float32(0)))

    def _typed(self, values: Array) -> ms.Tensor:
        return tensor(from_float32(values, self._attention.dtype), self._attention.dtype)


class _Cell(nn.Cell):
    """Writes keys and values; what attends waits for it."""

    def __init__(self, attention: AttentionConfig, operators: AscendOperators) -> None:
        super().__init__(auto_prefix=False)
        self.num_queries, self.num_keys = attention.num_heads, attention.num_heads + attention.num_kv_heads
        self.width, self.kv_width = attention.num_heads * attention.head_dim, attention.num_kv_heads * attention.head_dim
        self.write = operators.reshape_and_cache()

    def parts(self, heads: ms.Tensor) -> tuple[ms.Tensor, ms.Tensor, ms.Tensor]:
        """Queries, keys and values, `[tokens, heads * dim]`."""
        queries = ops.reshape(heads[:, : self.num_queries], (-1, self.width))
        keys = ops.reshape(heads[:, self.num_queries : self.num_keys], (-1, self.kv_width))
        return queries, keys, ops.reshape(heads[:, self.num_keys :], (-1, self.kv_width))


class PrefillCell(_Cell):
    """Causal attention over the rows' own new tokens."""

    def __init__(self, attention: AttentionConfig, scale: float, operators: AscendOperators) -> None:
        super().__init__(attention, operators)
        self.attend = operators.flash_attention_score(
            attention.num_heads, scale_value=scale, pre_tokens=_EVERYTHING, next_tokens=_EVERYTHING, input_layout="TH"
        )

    def construct(
        self,
        heads: ms.Tensor,
        key_cache: ms.Parameter,
        value_cache: ms.Parameter,
        slots: ms.Tensor,
        tables: ms.Tensor,
        context_lens: ms.Tensor,
        query_lens: ms.Tensor,
        mask: ms.Tensor,
    ) -> ms.Tensor:
        queries, keys, values = self.parts(heads)
        queries = ops.depend(queries, self.write(keys, values, key_cache, value_cache, slots))
        # Lengths of rows, not their sums, is what the inference kernel takes.
        return self.attend(queries, keys, values, None, None, None, mask, None, query_lens, context_lens)[3]


class DecodeCell(_Cell):
    """Attention over the cache, for rows of any number of new tokens."""

    def __init__(self, attention: AttentionConfig, scale: float, operators: AscendOperators) -> None:
        super().__init__(attention, operators)
        self.attend = operators.paged_attention(attention.num_heads, scale, attention.num_kv_heads)

    def construct(
        self,
        heads: ms.Tensor,
        key_cache: ms.Parameter,
        value_cache: ms.Parameter,
        slots: ms.Tensor,
        tables: ms.Tensor,
        context_lens: ms.Tensor,
        query_lens: ms.Tensor,
        mask: ms.Tensor,
    ) -> ms.Tensor:
        queries, keys, values = self.parts(heads)
        queries = ops.depend(queries, self.write(keys, values, key_cache, value_cache, slots))
        return self.attend(queries, key_cache, value_cache, tables, context_lens, None, None, mask, query_lens)
