"""Triton kernels over the paged cache `[2, num_blocks, block_size, kv heads, head_dim]`. The interpreter runs them on a CPU too."""

import triton
import triton.language as tl


@triton.jit
def rotate_and_write_kernel(
    query,
    cache,
    qkv,
    cosines,
    sines,
    positions,
    slots,
    block_size,
    part_stride,
    block_stride,
    slot_stride,
    head_stride,
    NUM_HEADS: tl.constexpr,
    NUM_KV_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    HALF_BLOCK: tl.constexpr,
    HAS_ROPE: tl.constexpr,
):
    """
    One program per token and head of `qkv` `[tokens, heads + 2 kv heads, head_dim]`: queries go to `query`, keys and values to the
    cache, queries and keys rotated. Tokens with the slot -1 are not written.
    """
    token = tl.program_id(0).to(tl.int64)
    head = tl.program_id(1)
    HALF: tl.constexpr = (HEAD_DIM + 1) // 2
    offsets = tl.arange(0, HALF_BLOCK)
    in_low = offsets < HALF
    in_high = offsets < HEAD_DIM - HALF
    source = qkv + (token * (NUM_HEADS + 2 * NUM_KV_HEADS) + head) * HEAD_DIM + offsets
    low = tl.load(source, mask=in_low, other=0.0).to(tl.float32)
    high = tl.load(source + HALF, mask=in_high, other=0.0).to(tl.float32)
    if HAS_ROPE:
        # Values are turned by no angle.
        is_rotated = head < NUM_HEADS + NUM_KV_HEADS
        angle = tl.load(positions + token) * HALF + offsets
        cosine = tl.where(is_rotated, tl.load(cosines + angle, mask=in_low, other=1.0).to(tl.float32), 1.0)
        sine = tl.where(is_rotated, tl.load(sines + angle, mask=in_low, other=0.0).to(tl.float32), 0.0)
        turned = low * cosine - high * sine
        high = high * cosine + low * sine
        low = turned
    if head < NUM_HEADS:
        target = query + (token * NUM_HEADS + head) * HEAD_DIM + offsets
        tl.store(target, low.to(query.dtype.element_ty), mask=in_low)
        tl.store(target + HALF, high.to(query.dtype.element_ty), mask=in_high)
    else:
        slot = tl.load(slots + token)
        if slot >= 0:
            part = (head - NUM_HEADS) // NUM_KV_HEADS
            kv_head = (head - NUM_HEADS) % NUM_KV_HEADS
            place = (slot // block_size).to(tl.int64) * block_stride + (slot % block_size) * slot_stride + kv_head * head_stride
            target = cache + part.to(tl.int64) * part_stride + place + offsets
            tl.store(target, low.to(cache.dtype.element_ty), mask=in_low)
            tl.store(target + HALF, high.to(cache.dtype.element_ty), mask=in_high)


@triton.jit
def paged_attention_kernel(
    output,
    query,
    cache,
    block_tables,
    query_start_loc,
    seq_lens,
    num_rows,
    table_stride,
    block_size,
    part_stride,
    block_stride,
    slot_stride,
    head_stride,
    scale,
    NUM_HEADS: tl.constexpr,
    NUM_KV_HEADS: tl.constexpr,
    HEAD_DIM: tl.constexpr,
    HEAD_BLOCK: tl.constexpr,
    ROWS_BLOCK: tl.constexpr,
    TILE_TOKENS: tl.constexpr,
    TILE_QUERIES: tl.constexpr,
    KEYS_BLOCK: tl.constexpr,
    WINDOW: tl.constexpr,
    COMPUTE: tl.constexpr,
):
    """
    One program per tile of queries and key head. A tile is TILE_TOKENS tokens of one row times the heads that share the key head.
    Row r begins at tile `query_start_loc[r] // TILE_TOKENS + r`, which leaves room for all of its tiles whatever the lengths.
    Keys are taken in blocks that begin at multiples of KEYS_BLOCK, so that a token's result depends on no other row.
    """
    tile = tl.program_id(0)
    kv_head = tl.program_id(1)
    GROUP: tl.constexpr = NUM_HEADS // NUM_KV_HEADS

    rows = tl.arange(0, ROWS_BLOCK)
    starts = tl.load(query_start_loc + rows, mask=rows < num_rows, other=1 << 30)
    row = tl.sum((starts // TILE_TOKENS + rows <= tile).to(tl.int32)) - 1
    start = tl.load(query_start_loc + row)
    length = tl.load(query_start_loc + row + 1) - start
    first = (tile - (start // TILE_TOKENS + row)) * TILE_TOKENS
    if first >= length:
        return

    before = tl.load(seq_lens + row) - length
    queries = tl.arange(0, TILE_QUERIES)
    token = first + queries // GROUP
    is_query = (queries < TILE_TOKENS * GROUP) & (token < length)
    position = before + token
    dims = tl.arange(0, HEAD_BLOCK)
    in_head = dims < HEAD_DIM
    place = ((start + token).to(tl.int64) * NUM_HEADS + kv_head * GROUP + queries % GROUP) * HEAD_DIM
    query_mask = is_query[:, None] & in_head[None, :]
    q = tl.load(query + place[:, None] + dims[None, :], mask=query_mask, other=0.0).to(COMPUTE)  # [queries, head_dim]

    last = before + tl.minimum(first + TILE_TOKENS, length)
    begin = 0
    if WINDOW > 0:
        begin = tl.maximum(before + first - WINDOW + 1, 0) // KEYS_BLOCK * KEYS_BLOCK
    peak = tl.full([TILE_QUERIES], float("-inf"), tl.float32)
    total = tl.zeros([TILE_QUERIES], tl.float32)
    found = tl.zeros([TILE_QUERIES, HEAD_BLOCK], tl.float32)
    for at in range(begin, last, KEYS_BLOCK):
        keys = at + tl.arange(0, KEYS_BLOCK)
        is_key = keys < last
        block = tl.load(block_tables + row.to(tl.int64) * table_stride + keys // block_size, mask=is_key, other=0).to(tl.int64)
        slot = block * block_stride + (keys % block_size) * slot_stride + kv_head * head_stride
        k = tl.load(cache + slot[None, :] + dims[:, None], mask=in_head[:, None] & is_key[None, :], other=0.0)  # [head_dim, keys]
        scores = tl.dot(q, k.to(COMPUTE), input_precision="ieee") * scale
        is_visible = (keys[None, :] <= position[:, None]) & is_key[None, :]
        if WINDOW > 0:
            is_visible = is_visible & (position[:, None] - keys[None, :] < WINDOW)
        scores = tl.where(is_visible, scores, float("-inf"))
        higher = tl.maximum(peak, tl.max(scores, 1))
        # A query that has seen no key yet has no peak to subtract.
        shift = tl.where(higher == float("-inf"), 0.0, higher)
        weights = tl.exp(scores - shift[:, None])
        fade = tl.exp(peak - shift)
        v = tl.load(cache + part_stride + slot[:, None] + dims[None, :], mask=is_key[:, None] & in_head[None, :], other=0.0)
        found = found * fade[:, None] + tl.dot(weights.to(COMPUTE), v.to(COMPUTE), input_precision="ieee")
        total = total * fade + tl.sum(weights, 1)
        peak = higher
    found = found / tl.where(total == 0.0, 1.0, total)[:, None]
    tl.store(output + place[:, None] + dims[None, :], found.to(output.dtype.element_ty), mask=query_mask)
