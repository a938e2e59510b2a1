"""Paged attention against a plain one, on random ragged batches."""

import numpy as np
import pytest
from quire_worker.batch import InputBatch
from quire_worker.dtypes import Array
from quire_worker.testing import Row, pack

from quire_numpy.attention import attend, write_cache

HEADS, KV_HEADS, HEAD_DIM, BLOCK_SIZE, NUM_BLOCKS = 4, 2, 8, 4, 64


def _plain(queries: Array, keys: Array, values: Array, first: int, scale: float, window: int | None) -> Array:
    """Query by query, head by head; the queries are those from position `first` on."""
    output = np.zeros_like(queries)
    for index, query in enumerate(queries):
        position = first + index
        begin = 0 if window is None else max(0, position - window + 1)
        for head in range(HEADS):
            kv_head = head // (HEADS // KV_HEADS)
            scores = keys[begin : position + 1, kv_head] @ query[head] * scale
            shares = np.exp(scores - scores.max())
            output[index, head] = shares @ values[begin : position + 1, kv_head] / shares.sum()
    return output


@pytest.mark.parametrize("window", [None, 1, 6])
def test_ragged_batches(window: int | None) -> None:
    random = np.random.default_rng(7)
    lengths, computed = [1, 9, 30, 17, 90], [0, 0, 29, 12, 3]
    tables = np.split(1 + random.permutation(NUM_BLOCKS - 1), np.cumsum([-(-length // BLOCK_SIZE) for length in lengths]))[: len(lengths)]
    keys = [random.standard_normal((length, KV_HEADS, HEAD_DIM), np.float32) for length in lengths]
    values = [random.standard_normal((length, KV_HEADS, HEAD_DIM), np.float32) for length in lengths]
    cache = np.zeros((2, NUM_BLOCKS, BLOCK_SIZE, KV_HEADS, HEAD_DIM), np.float32)

    def step(rows: list[Row]) -> InputBatch:
        return InputBatch(pack(1, rows, BLOCK_SIZE))

    known = [Row([0] * count, 0, table.tolist()) for count, table in zip(computed, tables, strict=True) if count > 0]
    kept = [index for index, count in enumerate(computed) if count > 0]
    write_cache(cache, step(known), *(np.concatenate([part[index][: computed[index]] for index in kept]) for part in (keys, values)))

    batch = step([Row([0] * (length - count), count, table.tolist()) for length, count, table in zip(lengths, computed, tables, strict=True)])
    new = [slice(count, None) for count in computed]
    write_cache(cache, batch, *(np.concatenate([part[index][new[index]] for index in range(len(lengths))]) for part in (keys, values)))
    queries = random.standard_normal((batch.num_tokens, HEADS, HEAD_DIM), np.float32)
    found = attend(cache, batch, queries, 0.3, window)

    for index, first in enumerate(computed):
        part = slice(*batch.query_start_loc[index : index + 2])
        np.testing.assert_allclose(found[part], _plain(queries[part], keys[index], values[index], first, 0.3, window), atol=1e-5)
    assert not cache[:, 0].any(), "the null block is never written"


def test_a_row_without_slots_writes_nothing() -> None:
    cache = np.zeros((2, 4, BLOCK_SIZE, KV_HEADS, HEAD_DIM), np.float32)
    ones = np.ones((3, KV_HEADS, HEAD_DIM), np.float32)
    write_cache(cache, InputBatch(pack(1, [Row([0] * 3, 0, [1], writes=False)], BLOCK_SIZE)), ones, ones)
    assert not cache.any()
