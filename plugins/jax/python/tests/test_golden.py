"""Greedy tokens of every model equal those of transformers, in float32; chunks and mates change nothing."""

from pathlib import Path

import numpy as np
import pytest
from models import FIXTURES, fixture
from quire_worker.framework import Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device
from quire_worker.testing import PagedModel, Row, golden_cases

from quire_jax import worker

FRAMEWORK = worker.open_framework(Device("cpu"), Rank())


def open_model(folder: Path, dtype: str = "float32") -> PagedModel:
    return PagedModel(
        FRAMEWORK,
        worker.create_runner(FRAMEWORK, Target(Device("cpu"), dtype, Rank(), 16, None)),
        folder,
        max_num_seqs=4,
        max_num_batched_tokens=64,
        max_model_len=64,
    )


@pytest.mark.parametrize("folder", FIXTURES, ids=lambda folder: folder.name)
def test_golden_tokens(folder: Path) -> None:
    if folder.name == "llama_rope_dynamic":
        pytest.skip("transformers' angles depend on the longest sequence so far; Quire's do not")
    model = open_model(folder)
    cases = [case for case in golden_cases(folder) if len(case.prompt_ids) + len(case.output_ids) <= model.max_model_len]
    length = min(len(case.output_ids) for case in cases)
    for chunk in (None, 3):
        found = model.greedy([case.prompt_ids for case in cases], length, chunk=chunk)
        assert found == [list(case.output_ids[:length]) for case in cases]
    model.close()


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", ["llama_gqa", "gpt2", "qwen3", "opt_post_norm"])
def test_half_precision_is_close(name: str, dtype: str) -> None:
    wide, half = open_model(fixture(name)), open_model(fixture(name), dtype)
    rows = [Row([3, 5, 7, 9, 11, 13], 0, [4]), Row([8, 2], 0, [6])]
    expected, found = wide.step(rows), half.step(rows)
    assert float(np.abs(expected - found).max()) < 0.08 * float(np.abs(expected).max())
    assert half.loaded.dtype == dtype


def test_null_block_stays_zero_and_skipped_slots_write_nothing() -> None:
    model = open_model(fixture("llama_gqa"))
    ids = [3, 5, 7, 9, 11]
    written = model.step([Row(ids, 0, [4]), Row(ids[:1], 0, [6])])
    before = [FRAMEWORK.read(layer) for layer in model.cache]
    skipped = model.step([Row(ids, 0, [4], writes=False), Row(ids[:1], 0, [6], writes=False)])
    after = [FRAMEWORK.read(layer) for layer in model.cache]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(not layer[:, 0].any() and layer[:, 4].any() for layer in after)
    np.testing.assert_allclose(skipped, written, rtol=1e-5, atol=1e-5)
