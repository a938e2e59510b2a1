"""One step's integers, on the host and on the device."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from quire_worker.batch import InputBatch, Ints


@dataclass(frozen=True)
class HostStep:
    """As in `InputBatch`, whose arrays these are."""

    input_ids: Ints
    positions: Ints
    slot_mapping: Ints
    query_start_loc: Ints
    seq_lens: Ints
    block_tables: Ints
    logits_indices: Ints

    @staticmethod
    def of(batch: InputBatch) -> "HostStep":
        return HostStep(
            batch.input_ids,
            batch.positions,
            batch.slot_mapping,
            batch.query_start_loc,
            batch.seq_lens,
            batch.block_tables,
            batch.logits_indices,
        )

    @property
    def num_tokens(self) -> int:
        return len(self.input_ids)

    @property
    def num_rows(self) -> int:
        return len(self.seq_lens)

    @cached_property
    def query_lens(self) -> Ints:
        """`[num_rows]`"""
        return np.diff(self.query_start_loc)

    @cached_property
    def is_decode(self) -> bool:
        """Every row has one token, and its logits are wanted."""
        return self.num_tokens == self.num_rows and self.wants_every_token

    @cached_property
    def wants_every_token(self) -> bool:
        return len(self.logits_indices) == self.num_tokens and bool((self.logits_indices == np.arange(self.num_tokens)).all())

    @property
    def sections(self) -> tuple[Ints, ...]:
        return (
            self.input_ids,
            self.positions,
            self.slot_mapping,
            self.query_start_loc,
            self.seq_lens,
            self.block_tables,
            self.logits_indices,
        )


@dataclass(frozen=True)
class Step:
    """`HostStep`, and the same as tensors where the model computes."""

    host: HostStep
    input_ids: torch.Tensor
    positions: torch.Tensor
    slot_mapping: torch.Tensor
    query_start_loc: torch.Tensor
    seq_lens: torch.Tensor
    block_tables: torch.Tensor
    logits_indices: torch.Tensor
    max_query_len: int
    max_seq_len: int


class StepMemory:
    """Brings steps to a device: in one copy, from memory that the device reads by itself where there is such."""

    def __init__(self, device: torch.device, *, copies: bool) -> None:
        """`copies` False: the model computes where the step lies already."""
        self._device, self._copies = device, copies
        self._pinned = device.type in ("cuda", "npu")
        self._words = torch.empty(0, dtype=torch.int32)

    def bring(self, host: HostStep) -> Step:
        """What the step before left on the host is overwritten: it must have been read."""
        if not self._copies:
            return _brought(host, [torch.from_numpy(section) for section in host.sections])
        lengths = [section.size for section in host.sections]
        total = sum(lengths)
        if self._words.numel() < total:
            self._words = torch.empty(2 * total, dtype=torch.int32, pin_memory=self._pinned)
        np.concatenate([section.reshape(-1) for section in host.sections], out=self._words[:total].numpy())
        moved = self._words[:total].to(self._device, non_blocking=True)
        parts = torch.split_with_sizes(moved, lengths)
        tensors = [part.view(section.shape) for part, section in zip(parts, host.sections, strict=True)]
        return _brought(host, tensors)


def _brought(host: HostStep, tensors: Sequence[torch.Tensor]) -> Step:
    return step_of(host, tensors, max_query_len=int(host.query_lens.max(initial=0)), max_seq_len=int(host.seq_lens.max(initial=0)))


def step_of(host: HostStep, tensors: Sequence[torch.Tensor], *, max_query_len: int, max_seq_len: int) -> Step:
    """`tensors` are those of `HostStep.sections`, in that order."""
    input_ids, positions, slot_mapping, query_start_loc, seq_lens, block_tables, logits_indices = tensors
    return Step(
        host=host,
        input_ids=input_ids,
        positions=positions,
        slot_mapping=slot_mapping,
        query_start_loc=query_start_loc,
        seq_lens=seq_lens,
        block_tables=block_tables,
        logits_indices=logits_indices,
        max_query_len=max_query_len,
        max_seq_len=max_seq_len,
    )
