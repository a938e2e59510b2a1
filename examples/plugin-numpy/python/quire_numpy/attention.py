"""Attention over a paged KV cache, one sequence at a time.

The cache of a layer is `[2, blocks, block_size, kv_heads, head_dim]`: keys, then values. The block table of a sequence names the
blocks in which its positions lie: position p is at `[table[p // block_size], p % block_size]`.
"""

import numpy as np
from quire_worker.batch import InputBatch
from quire_worker.dtypes import Array

MAX_QUERIES = 64
"""Queries that are scored at once; it bounds the memory for scores."""


def write_cache(cache: Array, batch: InputBatch, keys: Array, values: Array) -> None:
    """Puts the keys and values of this step, `[tokens, kv_heads, head_dim]`, into their slots. Slot -1 is not written."""
    kept = batch.slot_mapping >= 0
    blocks, offsets = np.divmod(batch.slot_mapping[kept], batch.block_size)
    cache[0, blocks, offsets] = keys[kept]
    cache[1, blocks, offsets] = values[kept]


def attend(cache: Array, batch: InputBatch, queries: Array, scale: float, window: int | None) -> Array:
    """What each query of `[tokens, heads, head_dim]` gathers from its own sequence: the same shape."""
    output = np.empty_like(queries)
    for row, table in enumerate(batch.block_tables):
        first, last = batch.query_start_loc[row : row + 2].tolist()
        for start in range(first, last, MAX_QUERIES):
            part = slice(start, min(start + MAX_QUERIES, last))
            output[part] = _attend(cache, table, batch.positions[part], queries[part], scale, window)
    return output


def _attend(cache: Array, table: Array, positions: Array, queries: Array, scale: float, window: int | None) -> Array:
    """Consecutive queries of one sequence. Key k is visible to the query at p if k <= p, and p - k < window where there is one."""
    block_size, kv_heads, head_dim = cache.shape[2:]
    tokens, heads, _ = queries.shape
    begin = 0 if window is None else max(0, int(positions[0]) - window + 1) // block_size
    length = int(positions[-1]) + 1 - begin * block_size
    blocks = table[begin : begin + -(-length // block_size)]
    keys, values = cache[:, blocks].reshape(2, -1, kv_heads, head_dim)[:, :length]  # [length, kv_heads, head_dim]

    distance = positions[:, None] - (begin * block_size + np.arange(length))  # [tokens, length]
    hidden = distance < 0 if window is None else (distance < 0) | (distance >= window)

    grouped = queries.reshape(tokens, kv_heads, heads // kv_heads, head_dim).transpose(1, 2, 0, 3)  # [kv_heads, group, tokens, head_dim]
    scores = grouped @ keys.transpose(1, 2, 0)[:, None] * scale  # [kv_heads, group, tokens, length]
    scores[..., hidden] = -np.inf
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    shares /= shares.sum(-1, keepdims=True)
    gathered = shares @ values.transpose(1, 0, 2)[:, None]  # [kv_heads, group, tokens, head_dim]
    return np.asarray(gathered.transpose(2, 0, 1, 3)).reshape(tokens, heads, head_dim)
