"""Runs a runner as the engine would, without the engine: a paged cache, batches of one's choosing, greedy tokens. For tests of plugins."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .batch import HEADER_WORDS, MAGIC, VERSION, InputBatch, Ints
from .decoder_config import ARCHITECTURES
from .framework import Framework
from .runner import BatchLimits, Runner
from .tensor import Device, Tensor, contiguous_strides


@dataclass(frozen=True)
class Row:
    """One sequence's part of a step."""

    token_ids: Sequence[int]
    num_computed: int
    block_table: Sequence[int]
    samples: bool = True
    """Logits of the last token are wanted."""
    writes: bool = True
    """False: every slot is -1."""


def pack(step_id: int, rows: Sequence[Row], block_size: int) -> Ints:
    """The buffer that the engine would send: greedy rows, no drafts."""
    lengths = [len(row.token_ids) for row in rows]
    starts = np.concatenate([[0], np.cumsum(lengths)])
    stride = max(1, max((len(row.block_table) for row in rows), default=1))
    tables = np.zeros((len(rows), stride), np.int32)
    positions, slots = [], []
    for index, row in enumerate(rows):
        table = np.asarray(row.block_table, np.int32)
        tables[index, : len(table)] = table
        at = row.num_computed + np.arange(len(row.token_ids))
        positions.append(at)
        slots.append(table[at // block_size] * block_size + at % block_size if row.writes else np.full(len(at), -1))
    sampling = [index for index, row in enumerate(rows) if row.samples]
    sample_index = np.full(len(rows), -1)
    sample_index[sampling] = np.arange(len(sampling))
    sections: list[Any] = [
        np.concatenate([np.asarray(row.token_ids) for row in rows]),
        np.concatenate(positions),
        np.concatenate(slots),
        starts,
        [row.num_computed + length for row, length in zip(rows, lengths, strict=True)],
        [row.num_computed for row in rows],
        tables,
        [int(starts[index + 1]) - 1 for index in sampling],
        sampling,
        np.arange(len(rows)),
        np.arange(len(rows)),
        sample_index,
        np.zeros(len(rows)),
    ]
    header = np.zeros(HEADER_WORDS, np.int32)
    counts = [len(starts) and int(starts[-1]), len(rows), len(sampling), stride, block_size, 2 if sampling else 0]
    header[:10] = [MAGIC, VERSION, 0, step_id, *counts]
    body = [np.ascontiguousarray(section, np.int32).reshape(-1) for section in sections]
    offset = HEADER_WORDS
    for index, section in enumerate(body):
        header[10 + index] = offset
        offset += len(section)
    header[2] = offset
    return np.concatenate([header, *body])


class PagedModel:
    """A model with a cache of its own, brought up in the order that the engine keeps."""

    def __init__(
        self,
        framework: Framework,
        runner: Runner,
        folder: Path,
        *,
        max_num_seqs: int = 8,
        max_num_batched_tokens: int = 256,
        max_model_len: int = 256,
        block_size: int = 16,
        num_blocks: int = 128,
        device: Device = Device("cpu"),  # noqa: B008 - frozen
    ) -> None:
        self.framework, self.runner, self.block_size, self.num_blocks = framework, runner, block_size, num_blocks
        self.loaded = runner.load_model(folder, lambda _: None)
        self.max_model_len = min(max_model_len, self.loaded.config.max_positions)
        self.limits = BatchLimits(max_num_seqs, max_num_batched_tokens, self.max_model_len, max_num_seqs, block_size)
        runner.profile(self.limits)
        self.cache: list[Tensor] = []
        for layer in runner.kv_cache_spec():
            shape = tuple(num_blocks if size == -1 else size for size in layer.shape)
            storage = framework.allocate(int(np.prod(shape)), layer.dtype, device, pin_memory=False)
            self.cache.append(Tensor(storage, shape, contiguous_strides(shape)))
        runner.bind_kv_cache(self.cache)
        runner.warmup(lambda _: None)
        self.logits = np.zeros((max_num_seqs, self.loaded.config.vocab_size), np.float32)
        self._steps = 0

    def step(self, rows: Sequence[Row]) -> npt.NDArray[np.float32]:
        """`[sampling rows, vocab]`, a copy."""
        self._steps += 1
        batch = InputBatch(pack(self._steps, rows, self.block_size))
        tokens = self.runner.execute(batch, self.logits)
        if tokens is not None:
            raise AssertionError("The runner sampled; these tests want logits")
        return np.array(self.logits[: batch.num_logits])

    def greedy(
        self,
        prompts: Sequence[Sequence[int]],
        max_new_tokens: int,
        *,
        suppress: Sequence[int] = (),
        chunk: int | None = None,
        forced: Sequence[Sequence[int]] | None = None,
    ) -> list[list[int]]:
        """
        Runs all prompts side by side, at most `chunk` prompt tokens of each in a step. Blocks are dealt out in turns, so that no
        table is in order. `forced` are the tokens to go on with whatever the logits say: ranks but the first have none.
        """
        tables = self._tables([len(prompt) + max_new_tokens for prompt in prompts])
        known = [list(prompt) for prompt in prompts]
        computed = [0] * len(prompts)
        share = max(1, self.limits.max_num_batched_tokens // max(1, len(prompts)))
        most = min(chunk or share, share)
        while True:
            active = [index for index, prompt in enumerate(prompts) if len(known[index]) < len(prompt) + max_new_tokens]
            if not active:
                return [ids[len(prompt) :] for ids, prompt in zip(known, prompts, strict=True)]
            rows = []
            for index in active:
                ids = known[index][computed[index] : computed[index] + most]
                rows.append(Row(ids, computed[index], tables[index], samples=computed[index] + len(ids) == len(known[index])))
                computed[index] += len(ids)
            logits = iter(self.step(rows))
            for index, row in zip(active, rows, strict=True):
                if row.samples:
                    scores = next(logits)
                    scores[list(suppress)] = -np.inf
                    position = len(known[index]) - len(prompts[index])
                    known[index].append(int(scores.argmax()) if forced is None else forced[index][position])

    def close(self) -> None:
        self.runner.close()

    def _tables(self, lengths: Sequence[int]) -> list[list[int]]:
        needed = [-(-length // self.block_size) for length in lengths]
        if sum(needed) >= self.num_blocks:
            raise ValueError(f"{sum(needed)} blocks are needed, {self.num_blocks - 1} are there")
        tables: list[list[int]] = [[] for _ in lengths]
        block = self.num_blocks
        while any(len(table) < count for table, count in zip(tables, needed, strict=True)):
            for table, count in zip(tables, needed, strict=True):
                if len(table) < count:
                    block -= 1
                    table.append(block)
        return tables


def golden_folders(parent: Path) -> list[Path]:
    """The model folders in `parent` that have golden tokens, and an architecture that `DecoderConfig` describes; sorted."""

    def runs(folder: Path) -> bool:
        files = (folder / "config.json", folder / "golden.json")
        if not all(file.is_file() for file in files) or not any(folder.glob("*.safetensors")):
            return False
        return json.loads(files[0].read_text())["architectures"][0] in ARCHITECTURES

    return sorted(folder for folder in parent.iterdir() if runs(folder)) if parent.is_dir() else []


@dataclass(frozen=True)
class GoldenCase:
    """What transformers said, greedily and in float32."""

    prompt_ids: Sequence[int]
    output_ids: Sequence[int]
    suppressed_ids: Sequence[int]


def golden_cases(folder: Path) -> list[GoldenCase]:
    """Those of `golden.json`."""
    golden = json.loads((folder / "golden.json").read_text())
    cases = golden["cases"] if "cases" in golden else golden["prompts"]
    outputs = "output_token_ids" if "cases" in golden else "greedy_token_ids"
    return [GoldenCase(case["prompt_token_ids"], case[outputs], case.get("suppress_token_ids", [])) for case in cases]
