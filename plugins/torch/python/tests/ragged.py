"""Random ragged steps over a paged cache, and what attention must make of them, in float64."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from quire_torch.attention.interface import Attention, AttentionShape, Rotary
from quire_torch.step import HostStep, Step, StepMemory

Array = npt.NDArray[Any]
CPU = torch.device("cpu")


def shape_of(**changes: Any) -> AttentionShape:
    usual = AttentionShape(num_heads=4, num_kv_heads=2, head_dim=16, block_size=16, scales=(0.25,), windows=(None,), dtype=torch.float32, device=CPU)
    return replace(usual, **changes)


@dataclass(frozen=True)
class Ragged:
    """Rows of some tokens after some that the cache has already; a few slots are -1 where `skips`."""

    shape: AttentionShape
    host: HostStep
    qkv: torch.Tensor
    cache: torch.Tensor
    rotary: Rotary | None

    @staticmethod
    def make(shape: AttentionShape, rows: list[tuple[int, int]], *, seed: int = 0, skips: bool = False, rope: bool = True) -> "Ragged":
        """`rows` are (tokens before, new tokens). The cache holds noise wherever no token is, but for block 0."""
        random = np.random.default_rng(seed)
        needed = [-(-(before + new) // shape.block_size) for before, new in rows]
        blocks = random.permutation(np.arange(1, sum(needed) + 4))
        tables = np.zeros((len(rows), max(needed)), np.int32)
        positions, slots = [], []
        for index, (before, new) in enumerate(rows):
            table, blocks = blocks[: needed[index]], blocks[needed[index] :]
            tables[index, : len(table)] = table
            at = np.arange(before, before + new)
            positions.append(at)
            slots.append(table[at // shape.block_size] * shape.block_size + at % shape.block_size)
        starts = np.concatenate([[0], np.cumsum([new for _, new in rows])]).astype(np.int32)
        slot_mapping = np.concatenate(slots).astype(np.int32)
        if skips:
            slot_mapping[random.random(len(slot_mapping)) < 0.3] = -1
        host = HostStep(
            input_ids=np.zeros(starts[-1], np.int32),
            positions=np.concatenate(positions).astype(np.int32),
            slot_mapping=slot_mapping,
            query_start_loc=starts,
            seq_lens=np.array([before + new for before, new in rows], np.int32),
            block_tables=tables,
            logits_indices=starts[1:] - 1,
        )
        cache = random.standard_normal((2, sum(needed) + 4, shape.block_size, shape.num_kv_heads, shape.head_dim))
        cache[:, 0] = 0
        qkv = random.standard_normal((int(starts[-1]), shape.num_heads + 2 * shape.num_kv_heads, shape.head_dim))
        angles = random.standard_normal((int(host.seq_lens.max()), shape.head_dim // 2))
        rotary = Rotary(_tensor(np.cos(angles), shape), _tensor(np.sin(angles), shape)) if rope else None
        return Ragged(shape, host, _tensor(qkv, shape), _tensor(cache, shape), rotary)

    def step(self) -> Step:
        return StepMemory(CPU, copies=False).bring(self.host)

    def run(self, attention: Attention) -> tuple[Array, Array]:
        """What it gives, and the cache after it."""
        cache = self.cache.clone()
        attention.bind([cache], self.rotary)
        found = attention.prepare(self.step())(0, self.qkv.clone())
        return _values(found), _values(cache)

    def expected(self) -> tuple[Array, Array]:
        shape, host = self.shape, self.host
        heads, cache = _values(self.qkv), _values(self.cache)
        rotated = heads[:, : shape.num_rotated]
        if self.rotary is not None:
            cosines, sines = (_values(table)[host.positions][:, None] for table in (self.rotary.cosines, self.rotary.sines))
            low, high = np.split(rotated, 2, -1)
            # As it is stored: rounded to the type of the model.
            rotated = _rounded(np.concatenate([low * cosines - high * sines, high * cosines + low * sines], -1), shape)
        keys, values = rotated[:, shape.num_heads :], heads[:, shape.num_rotated :]
        slots = cache.reshape(2, -1, shape.num_kv_heads, shape.head_dim)
        for token, slot in enumerate(host.slot_mapping):
            if slot >= 0:
                slots[0, slot], slots[1, slot] = keys[token], values[token]
        found = attend(rotated[:, : shape.num_heads], cache, host, shape.scales[0], shape.windows[0])
        return found.reshape(len(found), -1), cache


def attend(queries: Array, cache: Array, host: HostStep, scale: float, window: int | None) -> Array:
    """Dense attention, row by row."""
    num_heads, num_kv_heads, block_size = queries.shape[1], cache.shape[3], cache.shape[2]
    output = np.zeros_like(queries)
    for row, end in enumerate(host.seq_lens):
        tokens = slice(host.query_start_loc[row], host.query_start_loc[row + 1])
        table = host.block_tables[row, : -(-end // block_size)]
        keys, values = (part[table].reshape(-1, num_kv_heads, part.shape[-1])[:end].repeat(num_heads // num_kv_heads, 1) for part in cache)
        scores = np.einsum("qhd,khd->hqk", queries[tokens], keys) * scale
        distance = np.arange(end - (tokens.stop - tokens.start), end)[:, None] - np.arange(end)
        hidden = (distance < 0) | (distance >= (window or 1 << 30))
        scores = np.where(hidden, -np.inf, scores)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        output[tokens] = np.einsum("hqk,khd->qhd", weights / weights.sum(-1, keepdims=True), values)
    return output


def _tensor(data: Array, shape: AttentionShape) -> torch.Tensor:
    return torch.from_numpy(data).to(shape.dtype)


def _values(tensor: torch.Tensor) -> Array:
    return np.array(tensor.to(torch.float64).numpy())


def _rounded(data: Array, shape: AttentionShape) -> Array:
    return _values(_tensor(data, shape))
