"""A step that is copied to its device is the step that was given."""

import numpy as np
import torch
from ragged import CPU, Ragged, shape_of

from quire_torch.step import Step, StepMemory


def _tensors(step: Step) -> list[torch.Tensor]:
    first = [step.input_ids, step.positions, step.slot_mapping, step.query_start_loc]
    return [*first, step.seq_lens, step.block_tables, step.logits_indices]


def test_copied_steps() -> None:
    memory = StepMemory(CPU, copies=True)
    for rows in ([(0, 5)], [(3, 1), (70, 9), (0, 2)], [(1, 1)]):
        host = Ragged.make(shape_of(), rows).host
        step = memory.bring(host)
        for tensor, section in zip(_tensors(step), host.sections, strict=True):
            assert tensor.dtype == torch.int32
            np.testing.assert_array_equal(tensor.numpy(), section)
        assert step.max_query_len == max(new for _, new in rows)
        assert step.max_seq_len == max(before + new for before, new in rows)
