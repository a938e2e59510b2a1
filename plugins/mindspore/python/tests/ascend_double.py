"""Ascend's three operators in NumPy: each refuses what the real one would not take, computes what it says, and is recorded."""

from collections import Counter
from typing import Any

import mindspore as ms
import numpy as np
import numpy.typing as npt

from quire_mindspore.attention.ascend import AscendOperators

Floats = npt.NDArray[Any]
CALLS: Counter[str] = Counter()


def _host(tensor: ms.Tensor, dtype: Any, rank: int) -> Floats:
    assert isinstance(tensor, ms.Tensor) and tensor.dtype == dtype, (tensor, dtype)
    data: Floats = tensor.asnumpy()
    assert data.ndim == rank, data.shape
    return data


def _softmax(scores: Floats) -> Floats:
    weights = np.exp(scores - scores.max(-1, keepdims=True))
    return np.asarray(weights / weights.sum(-1, keepdims=True))


def _attend(queries: Floats, keys: Floats, values: Floats, scale: float, added: Floats | float) -> Floats:
    """`[queries, heads, dim]` over `[keys, kv heads, dim]`, in float32."""
    group = queries.shape[1] // keys.shape[1]
    keys, values = (np.repeat(part.astype(np.float32), group, 1) for part in (keys, values))
    scores = np.einsum("qhd,khd->hqk", queries.astype(np.float32), keys) * scale + added
    return np.einsum("hqk,khd->qhd", _softmax(scores), values).reshape(len(queries), -1)


class ReshapeAndCache:
    def __call__(self, key: ms.Tensor, value: ms.Tensor, key_cache: ms.Tensor, value_cache: ms.Tensor, slot_mapping: ms.Tensor) -> ms.Tensor:
        CALLS["ReshapeAndCache"] += 1
        assert isinstance(key_cache, ms.Parameter) and isinstance(value_cache, ms.Parameter)
        slots = _host(slot_mapping, ms.int32, 1)
        for new, cache in ((key, key_cache), (value, value_cache)):
            data, held = _host(new, ms.float16, 2), _host(cache, ms.float16, 4)
            blocks, size, heads, dim = held.shape
            assert data.shape == (len(slots), heads * dim)
            assert size % 16 == 0 and slots.max(initial=-1) < blocks * size and slots.min(initial=0) >= -1
            flat = held.reshape(-1, heads, dim)
            assert np.shares_memory(flat, held)
            flat[slots[slots >= 0]] = data.reshape(-1, heads, dim)[slots >= 0]
        return key


class FlashAttentionScore:
    def __init__(self, head_num: int, keep_prob: float = 1.0, scale_value: float = 1.0, pre_tokens: int = 0, next_tokens: int = 0, **options: Any) -> None:
        assert options == {"input_layout": "TH"} and keep_prob == 1.0
        assert pre_tokens == next_tokens == 2147483647
        self.heads, self.scale = head_num, scale_value

    def __call__(self, query: ms.Tensor, key: ms.Tensor, value: ms.Tensor, *rest: Any) -> tuple[Any, ...]:
        CALLS["FlashAttentionScore"] += 1
        real_shift, drop_mask, padding_mask, attn_mask, prefix, query_lens, key_lens = rest
        assert real_shift is drop_mask is padding_mask is prefix is None
        lengths, contexts = _host(query_lens, ms.int32, 1), _host(key_lens, ms.int32, 1)
        assert np.array_equal(lengths, contexts)  # nothing was in the cache before
        np.testing.assert_array_equal(_host(attn_mask, ms.float16, 2), np.triu(np.full((128, 128), -10000, np.float16), 1))
        queries, keys, values = (_host(part, ms.float16, 2) for part in (query, key, value))
        assert len(queries) == len(keys) == len(values) == lengths.sum()
        dim = queries.shape[1] // self.heads
        out, start = np.zeros_like(queries), 0
        for length in lengths:
            part = slice(start, start + length)
            ahead = np.triu(np.full((length, length), -10000, np.float32), 1)
            rows = [data[part].reshape(length, -1, dim) for data in (queries, keys, values)]
            out[part] = _attend(rows[0], rows[1], rows[2], self.scale, ahead)
            start += length
        return None, None, None, ms.Tensor(out)


class PagedAttention:
    def __init__(self, head_num: int, scale_value: float, kv_head_num: int) -> None:
        self.heads, self.scale, self.kv_heads = head_num, scale_value, kv_head_num

    def __call__(self, query: ms.Tensor, key_cache: ms.Tensor, value_cache: ms.Tensor, *rest: Any) -> ms.Tensor:
        CALLS["PagedAttention"] += 1
        block_tables, context_lens, antiquant_scale, antiquant_offset, attn_mask, q_seq_lens = rest
        assert antiquant_scale is antiquant_offset is None
        queries = _host(query, ms.float16, 2)
        keys, values = _host(key_cache, ms.float16, 4), _host(value_cache, ms.float16, 4)
        tables, contexts, lengths = _host(block_tables, ms.int32, 2), _host(context_lens, ms.int32, 1), _host(q_seq_lens, ms.int32, 1)
        mask = _host(attn_mask, ms.float16, 2)
        assert len(tables) == len(contexts) == len(lengths) and len(queries) == lengths.sum()
        assert keys.shape == values.shape and keys.shape[2] == self.kv_heads and tables.max() < len(keys)
        dim, size = keys.shape[3], keys.shape[1]
        out, start = np.zeros_like(queries), 0
        if (lengths == 1).all():
            CALLS["decode"] += 1
            assert mask.shape == (1, 1) and not mask.any()
        else:
            CALLS["chunk"] += 1
            assert mask.shape[0] == len(queries) and mask.shape[1] >= contexts.max() and mask.shape[1] % 128 == 0
            assert set(np.unique(mask)) <= {np.float16(-10000), np.float16(0)}
        for table, context, length in zip(tables, contexts, lengths, strict=True):
            assert 0 < length <= context <= len(table) * size
            part = slice(start, start + length)
            blocks = table[: -(-context // size)]
            assert (blocks > 0).all() or not blocks.any()  # the null block is for warm-up alone
            added = mask[part, :context].astype(np.float32) if mask.size > 1 else 0.0
            rows = [cache[blocks].reshape(-1, self.kv_heads, dim)[:context] for cache in (keys, values)]
            out[part] = _attend(queries[part].reshape(length, -1, dim), rows[0], rows[1], self.scale, added)
            start += length
        return ms.Tensor(out)


DOUBLES = AscendOperators(ReshapeAndCache, FlashAttentionScore, PagedAttention)
