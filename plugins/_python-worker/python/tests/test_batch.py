"""Batches that lie, and a batch with every section."""

import numpy as np
import pytest

from quire_worker.batch import HEADER_WORDS, MAGIC, VERSION, InputBatch, Ints
from quire_worker.errors import WorkerError


def words(**changed: int) -> Ints:
    """Two rows, three tokens; each section at an offset of its own."""
    names = ["magic", "version", "total", "step", "tokens", "rows", "logits", "stride", "block", "flags"]
    lengths = [3, 3, 3, 3, 2, 2, 4, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 4]
    header = dict(zip(names, [MAGIC, VERSION, 0, 9, 3, 2, 1, 2, 16, 3], strict=True))
    offset = HEADER_WORDS
    for index, length in enumerate(lengths):
        header[f"section{index}"] = offset
        offset += length
    header["total"] = offset
    header |= changed
    body = np.arange(offset - HEADER_WORDS, dtype=np.int32)
    return np.concatenate([np.array([*header.values()] + [0] * (HEADER_WORDS - len(header)), np.int32), body])


def test_sections_are_views_in_order() -> None:
    memory = words()
    batch = InputBatch(memory)
    assert (batch.step_id, batch.num_tokens, batch.num_rows, batch.num_logits, batch.block_size) == (9, 3, 2, 1, 16)
    assert batch.host_sampling and batch.samples
    assert list(batch.input_ids) == [0, 1, 2] and list(batch.query_start_loc) == [9, 10, 11]
    assert batch.block_tables.shape == (2, 2) and batch.seeds is not None and batch.seeds.shape == (2, 2)
    assert batch.temperature is not None and batch.temperature.dtype == np.float32
    batch.positions[0] = 77
    assert memory[HEADER_WORDS + 3] == 77


def test_absent_sections() -> None:
    batch = InputBatch(words(section13=0, section14=0))
    assert batch.temperature is None and batch.top_p is None
    with pytest.raises(WorkerError, match="lacks its section input_ids"):
        _ = InputBatch(words(section0=0)).input_ids
    assert InputBatch(words(section7=0, logits=0)).logits_indices.size == 0


@pytest.mark.parametrize(
    "changed",
    [{"magic": 1}, {"version": 2}, {"total": 10**6}, {"total": 3}, {"total": -1}],
)
def test_a_batch_that_is_none(changed: dict[str, int]) -> None:
    with pytest.raises(WorkerError):
        InputBatch(words(**changed))


@pytest.mark.parametrize("changed", [{"section0": 10**6}, {"section0": -5}, {"section0": 3}, {"tokens": 10**6}, {"tokens": -1}])
def test_a_section_outside_of_the_batch(changed: dict[str, int]) -> None:
    with pytest.raises(WorkerError):
        _ = InputBatch(words(**changed)).input_ids


def test_too_few_words() -> None:
    with pytest.raises(WorkerError):
        InputBatch(np.zeros(5, np.int32))
