"""A double of `torch.nn.attention.varlen.varlen_attn_out` that computes with NumPy and refuses what the operator refuses."""

from typing import Any

import numpy as np
import torch
from ragged import attend

from quire_torch.step import HostStep


class FlashDouble:
    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(
        self,
        out: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        cu_seq_q: torch.Tensor,
        cu_seq_k: torch.Tensor | None,
        max_q: int,
        max_k: int,
        *,
        scale: float,
        window_size: tuple[int, int],
        enable_gqa: bool,
        seqused_k: torch.Tensor,
        block_table: torch.Tensor,
        num_splits: int,
    ) -> torch.Tensor:
        if query.dtype not in (torch.float16, torch.bfloat16):
            raise RuntimeError("FlashAttention only support fp16 and bf16 data type")
        if query.shape[2] == 48:
            raise RuntimeError("no kernel for this head size\nand a trace")
        assert {query.dtype, key.dtype, value.dtype, out.dtype} == {query.dtype}
        assert query.is_contiguous() and key.stride(-1) == value.stride(-1) == 1
        assert all(part.dtype == torch.int32 and part.is_contiguous() for part in (cu_seq_q, seqused_k, block_table))
        assert cu_seq_k is None and num_splits == 1 and window_size[1] == 0
        assert enable_gqa == (query.shape[1] != key.shape[2])
        lengths = np.diff(cu_seq_q.numpy())
        assert lengths.max() <= max_q and seqused_k.max() <= max_k and -(-max_k // key.shape[1]) <= max(block_table.shape[1], 1 + max_k // key.shape[1])
        self.calls.append({"max_q": max_q, "max_k": max_k, "window_size": window_size})
        none = np.zeros(0, np.int32)
        host = HostStep(none, none, none, cu_seq_q.numpy(), seqused_k.numpy(), block_table.numpy(), none)
        window = None if window_size[0] < 0 else window_size[0] + 1
        cache = torch.stack((key, value)).double().numpy()
        out.copy_(torch.from_numpy(attend(query.double().numpy(), cache, host, scale, window)))
        return out
