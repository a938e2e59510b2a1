"""Attention from MindSpore's general operators, for any device. The cache is a Parameter of one row per head and token."""

from collections.abc import Iterator, Sequence

import mindspore as ms
import numpy as np
import numpy.typing as npt
from mindspore import nn, ops
from quire_worker.batch import Ints
from quire_worker.dtypes import Array, item_size
from quire_worker.errors import NotSupportedError
from quire_worker.runner import BatchLimits, KvCacheLayer
from quire_worker.tensor import Tensor

from ..memory import MINDSPORE_TYPES, memory
from ..step import Step
from .interface import AttentionConfig, GraphCall, PagedAttention, Phase
from .prompt_groups import MAX_ELEMENTS, MAX_TOKENS, PromptPiece, prompt_groups

_MAX_ROWS = 64
"""Rows of the largest decode graph: products of more rows gain nothing on a CPU, so that more rows are several calls."""
_KEPT_WIDTHS = 24
"""Hidden states per layer and token that kernels keep between calls, as measured: an operator that spreads its input out keeps the copy."""


class PlainAttention(PagedAttention):
    """
    The cache of a layer has the shape [blocks, 2 (K, V), kv heads, block size, head size]. ScatterUpdate writes rows of head size, and
    Gather reads them back in the order of heads and positions, so that nothing is transposed; one more row takes what must not be kept.
    """

    def __init__(self, attention: AttentionConfig) -> None:
        self._attention = attention
        self._kind_stride = attention.num_kv_heads * attention.block_size  # rows from a key to its value
        self._block_stride = 2 * self._kind_stride
        self._offset = 0
        self._scratch_row = 0
        self._buckets: Sequence[int] = [1]

    def cache_layer(self) -> KvCacheLayer:
        of = self._attention
        shape = (-1, 2, of.num_kv_heads, of.block_size, of.head_dim)
        return KvCacheLayer(of.dtype, shape, 2 * of.num_kv_heads * of.block_size * of.head_dim * item_size(of.dtype))

    def bind(self, layers: Sequence[Tensor]) -> Sequence[Sequence[ms.Parameter]]:
        dim = self._attention.head_dim
        first = layers[0]
        if any((layer.strides, layer.offset) != (first.strides, first.offset) for layer in layers):
            raise NotSupportedError("The layers of a KV cache must have the same strides")
        block, *inner = first.strides
        expected = tuple(rows * dim for rows in (self._kind_stride, self._attention.block_size, 1))
        if tuple(inner) != (*expected, 1) or block % dim or first.offset % dim:
            raise NotSupportedError(f"A KV cache with the strides {first.strides} does not hold whole heads of {dim} elements")
        self._block_stride, self._offset = block // dim, first.offset // dim
        caches = []
        for index, layer in enumerate(layers):
            rows = -(-layer.storage.num_elements // dim) + 1
            self._scratch_row = rows - 1
            caches.append(memory(layer.storage).reshape([(rows, dim)], [f"cache.{index}"]))
        return caches

    def cell(self, phase: Phase, layer: int) -> nn.Cell:
        windowed = self._attention.config.windows[layer] is not None
        scale = self._attention.config.scales[layer]
        kind = DecodeCell if phase == "decode" else PrefillCell
        return kind(self._attention, scale, windowed)

    def placeholders(self, phase: Phase, num_rows: int | None) -> Sequence[ms.Tensor]:
        of, kind = self._attention, MINDSPORE_TYPES[self._attention.dtype]
        integers: list[list[int | None]]
        if phase == "decode" and num_rows is not None:
            integers = [[num_rows * 2 * of.num_kv_heads], *[[num_rows, of.num_kv_heads, None]] * 2]
            mask: list[int | None] = [num_rows, of.num_kv_heads, of.num_heads // of.num_kv_heads, None]
        else:
            integers = [[None], *[[None, of.num_heads, None]] * 2, [None, None], [None]]
            mask = [None, of.num_heads, None, None]
        masks = [mask] * self._num_masks
        return [*(ms.Tensor(shape=shape, dtype=ms.int32) for shape in integers), *(ms.Tensor(shape=shape, dtype=kind) for shape in masks)]

    def row_buckets(self, limits: BatchLimits) -> Sequence[int]:
        """Powers of two. Contexts stay of any length: an operator whose shapes are known costs a third less."""
        most = min(limits.max_num_seqs, limits.max_num_batched_tokens, _MAX_ROWS)
        self._buckets = [1 << power for power in range((most - 1).bit_length() + 1)]
        return self._buckets

    def calls(self, step: Step) -> Sequence[GraphCall]:
        of = self._attention
        decoding = np.flatnonzero(step.query_lens == 1)
        longest = int(step.seq_lens[decoding].max(initial=1))
        most = min(self._buckets[-1], max(1, MAX_ELEMENTS // (of.num_kv_heads * of.head_dim * longest)))
        calls = [self._decode(step, decoding[start : start + most]) for start in range(0, len(decoding), most)]
        return [*calls, *(self._prefill(step, group) for group in prompt_groups(step, of.num_heads, of.head_dim))]

    def activation_bytes(self, limits: BatchLimits) -> int:
        """Scores, masks and gathered keys and values, and what MindSpore's kernels keep of every layer for themselves."""
        of = self._attention
        tokens = min(MAX_TOKENS, limits.max_num_batched_tokens)
        elements = max(MAX_ELEMENTS, of.num_heads * limits.max_model_len * of.head_dim)
        kept = of.config.num_layers * tokens * _KEPT_WIDTHS * of.config.hidden_size
        return (6 * elements + kept) * item_size(of.dtype)

    @property
    def _num_masks(self) -> int:
        """One for layers that see everything, one for those with a window."""
        return 1 if self._attention.window is None else 2

    def _decode(self, step: Step, rows: npt.NDArray[np.int64]) -> GraphCall:
        """Padded with rows that see the last one's context and write nothing that is kept."""
        num_rows = next(size for size in self._buckets if size >= len(rows))
        tokens = step.query_start_loc[rows].astype(np.int64)
        padding = (0, num_rows - len(rows))
        slots = np.pad(step.slot_mapping[tokens], padding, constant_values=-1)
        positions = np.pad(step.positions[tokens], padding)
        context = int(step.seq_lens[rows].max())
        keys, values = self._context_rows(step, np.pad(rows, padding, mode="edge"), context, self._attention.num_kv_heads)
        heads = (self._attention.num_kv_heads, self._attention.num_heads // self._attention.num_kv_heads)
        masks = [np.tile(mask, (1, *heads, 1)) for mask in self._masks(positions[:, None], keys.shape[-1])]
        inputs = [self._written_rows(slots), keys, values, *masks]
        return GraphCall("decode", tokens, [ms.Tensor.from_numpy(data) for data in inputs], num_rows)

    def _prefill(self, step: Step, pieces: Sequence[PromptPiece]) -> GraphCall:
        lengths = np.array([piece.length for piece in pieces])
        longest = int(lengths.max())
        tokens = np.concatenate([np.arange(piece.first, piece.first + piece.length) for piece in pieces])
        rows, context = np.array([piece.row for piece in pieces]), max(piece.context for piece in pieces)
        keys, values = self._context_rows(step, rows, context, self._attention.num_heads)
        firsts = np.cumsum(lengths) - lengths
        padded = np.minimum(firsts[:, None] + np.arange(longest), firsts[:, None] + lengths[:, None] - 1).astype(np.int32)  # [rows, longest]
        packed = np.concatenate([row * longest + np.arange(length) for row, length in enumerate(lengths)]).astype(np.int32)
        masks = [np.repeat(mask, self._attention.num_heads, 1) for mask in self._masks(step.positions[tokens][padded], keys.shape[-1])]
        inputs = [self._written_rows(step.slot_mapping[tokens]), keys, values, padded, packed, *masks]
        return GraphCall("prefill", tokens, [ms.Tensor.from_numpy(data) for data in inputs])

    def _written_rows(self, slots: Ints) -> Ints:
        """Rows of the cache that take the keys, then the values, of every token: `[tokens * 2 * kv heads]`."""
        of = self._attention
        first = self._offset + slots // of.block_size * self._block_stride + slots % of.block_size
        heads = np.arange(of.num_kv_heads) * of.block_size
        rows = first[:, None, None] + np.array([0, self._kind_stride])[:, None] + heads  # [tokens, 2, kv heads]
        return np.where(slots[:, None, None] < 0, self._scratch_row, rows).astype(np.int32).reshape(-1)

    def _context_rows(self, step: Step, rows: npt.NDArray[np.int64], context: int, num_heads: int) -> tuple[Ints, Ints]:
        """Rows of the cache with the keys, and those with the values, of all positions: `[rows, heads, positions]`, kv heads repeated."""
        of = self._attention
        num_blocks = -(-context // of.block_size)
        blocks = self._offset + step.block_tables[rows][:, :num_blocks] * self._block_stride  # [rows, blocks]
        heads = np.arange(num_heads) // (num_heads // of.num_kv_heads) * of.block_size
        keys = blocks[:, None, :, None] + heads[:, None, None] + np.arange(of.block_size)  # [rows, heads, blocks, block size]
        keys = keys.astype(np.int32).reshape(len(rows), num_heads, -1)
        return keys, keys + np.int32(self._kind_stride)

    def _masks(self, positions: Ints, num_keys: int) -> Iterator[Array]:
        """
        Added to scores, `[rows, 1, queries, keys]`; the lowest finite number where a key is hidden. Graphs get them repeated for every
        head: an addition that must do so itself takes five times as long, and keeps what it repeated.
        """
        kind = np.dtype(self._attention.dtype)
        distance = positions[:, None, :, None] - np.arange(num_keys, dtype=np.int32)
        hidden = np.finfo(kind).min
        yield np.where(distance < 0, hidden, kind.type(0)).astype(kind)
        if self._attention.window is not None:
            yield np.where((distance < 0) | (distance >= self._attention.window), hidden, kind.type(0)).astype(kind)


class DecodeCell(nn.Cell):
    """One query per row; the heads of a group share the gathered keys."""

    def __init__(self, attention: AttentionConfig, scale: float, windowed: bool) -> None:
        super().__init__(auto_prefix=False)
        self.queries, self.kv_heads, self.dim = attention.num_heads, attention.num_kv_heads, attention.head_dim
        self.group = attention.num_heads // attention.num_kv_heads
        self.scale, self.mask_index = scale, 1 if windowed else 0
        self.scatter, self.gather = ops.ScatterUpdate(), ops.Gather()
        self.scores, self.mix, self.softmax = ops.BatchMatMul(transpose_b=True), ops.BatchMatMul(), ops.Softmax(-1)

    def construct(self, heads: ms.Tensor, cache: ms.Parameter, rows: ms.Tensor, keys: ms.Tensor, values: ms.Tensor, *masks: ms.Tensor) -> ms.Tensor:
        queries = ops.reshape(heads[:, : self.queries] * self.scale, (-1, self.kv_heads, self.group, self.dim))
        cache = self.scatter(cache, rows, ops.reshape(heads[:, self.queries :], (-1, self.dim)))
        k = self.gather(cache, keys, 0)  # [rows, kv heads, positions, dim]
        v = self.gather(cache, values, 0)
        weights = self.softmax(self.scores(queries, k) + masks[self.mask_index])
        return ops.reshape(self.mix(weights, v), (-1, self.queries * self.dim))


class PrefillCell(nn.Cell):
    """Rows of several queries, padded to the longest one for attention only."""

    def __init__(self, attention: AttentionConfig, scale: float, windowed: bool) -> None:
        super().__init__(auto_prefix=False)
        self.queries, self.dim = attention.num_heads, attention.head_dim
        self.scale, self.mask_index = scale, 1 if windowed else 0
        self.scatter, self.gather, self.transpose = ops.ScatterUpdate(), ops.Gather(), ops.Transpose()
        self.scores, self.mix, self.softmax = ops.BatchMatMul(transpose_b=True), ops.BatchMatMul(), ops.Softmax(-1)

    def construct(
        self,
        heads: ms.Tensor,
        cache: ms.Parameter,
        rows: ms.Tensor,
        keys: ms.Tensor,
        values: ms.Tensor,
        padded: ms.Tensor,
        packed: ms.Tensor,
        *masks: ms.Tensor,
    ) -> ms.Tensor:
        cache = self.scatter(cache, rows, ops.reshape(heads[:, self.queries :], (-1, self.dim)))
        queries = self.gather(heads[:, : self.queries] * self.scale, padded, 0)  # [rows, longest, heads, dim]
        queries = self.transpose(queries, (0, 2, 1, 3))
        k = self.gather(cache, keys, 0)  # [rows, heads, positions, dim]
        v = self.gather(cache, values, 0)
        weights = self.softmax(self.scores(queries, k) + masks[self.mask_index])
        mixed = self.transpose(self.mix(weights, v), (0, 2, 1, 3))  # [rows, longest, heads, dim]
        return self.gather(ops.reshape(mixed, (-1, self.queries * self.dim)), packed, 0)
