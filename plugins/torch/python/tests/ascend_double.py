"""A double of torch_npu's two operators: records what it is given, checks types, layouts and masks, and computes with NumPy."""

from typing import Any

import numpy as np
import torch
from ragged import attend

from quire_torch.step import HostStep


class AscendDouble:
    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def npu_scatter_pa_kv_cache(
        self, key: torch.Tensor, value: torch.Tensor, key_cache: torch.Tensor, value_cache: torch.Tensor, slot_mapping: torch.Tensor, *, cache_mode: str
    ) -> None:
        assert key.dtype == value.dtype == key_cache.dtype == value_cache.dtype and key.dtype in (torch.float16, torch.bfloat16)
        assert key.dim() == 3 and key.shape[1:] == key_cache.shape[2:] and key_cache.dim() == 4
        assert all(part.is_contiguous() for part in (key, value, key_cache, value_cache, slot_mapping))
        assert slot_mapping.dtype == torch.int32 and slot_mapping.shape == key.shape[:1] and cache_mode == "Norm"
        assert int(slot_mapping.min()) >= key_cache.shape[1], "the null block is not written"
        self.calls.append(("scatter", {"slots": slot_mapping.tolist()}))
        for cache, tokens in ((key_cache, key), (value_cache, value)):
            cache.view(-1, *cache.shape[2:])[slot_mapping.long()] = tokens

    def npu_fused_infer_attention_score(
        self,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        *,
        atten_mask: torch.Tensor,
        block_table: torch.Tensor,
        input_layout: str,
        block_size: int,
        actual_seq_lengths: list[int],
        actual_seq_lengths_kv: list[int],
        num_key_value_heads: int,
        num_heads: int,
        scale: float,
        sparse_mode: int,
        pre_tokens: int = 2147483647,
        next_tokens: int = 2147483647,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        assert input_layout == "TND" and query.dim() == 3 and query.is_contiguous() and query.shape[1] == num_heads
        assert key.dim() == 3 and key.is_contiguous() and key.shape[1:] == (block_size, num_key_value_heads * query.shape[2])
        assert value.shape == key.shape and key.dtype == value.dtype == query.dtype
        assert block_size % 16 == 0 and block_table.dtype == torch.int32 and block_table.shape[0] == len(actual_seq_lengths)
        assert all(type(length) is int for length in (*actual_seq_lengths, *actual_seq_lengths_kv))
        assert actual_seq_lengths[-1] == len(query) and sorted(actual_seq_lengths) == actual_seq_lengths, "cumulative, and all of the tokens"
        assert atten_mask.shape == (2048, 2048) and atten_mask.dtype == torch.int8
        assert bool((atten_mask == torch.ones(2048, 2048).triu(1)).all())
        assert (sparse_mode == 3 and pre_tokens == 2147483647) or (sparse_mode == 4 and pre_tokens >= 0 and next_tokens == 0)
        self.calls.append(("attend", {"sparse_mode": sparse_mode, "pre_tokens": pre_tokens}))
        none = np.zeros(0, np.int32)
        starts, ends = np.array([0, *actual_seq_lengths], np.int32), np.array(actual_seq_lengths_kv, np.int32)
        host = HostStep(none, none, none, starts, ends, block_table.numpy(), none)
        cache = torch.stack((key, value)).view(2, -1, block_size, num_key_value_heads, query.shape[2]).double().numpy()
        # In a band a query sees itself and `pre_tokens` before it.
        found = attend(query.double().numpy(), cache, host, scale, pre_tokens + 1 if sparse_mode == 4 else None)
        return torch.from_numpy(found).to(query.dtype), torch.empty(0)
