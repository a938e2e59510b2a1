"""Greedy tokens of every model equal those of transformers, in float32; chunks and mates change nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from models import FIXTURES, SHARED, WITHOUT_SHARED, fixture
from quire_worker.framework import Framework, Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device
from quire_worker.testing import GoldenCase, PagedModel, Row, golden_cases

from quire_mindspore import worker


def open_model(framework: Framework, folder: Path, *, dtype: str = "auto", eager: bool = False, max_model_len: int = 512) -> PagedModel:
    runner = worker.create_runner(framework, Target(Device("cpu"), dtype, Rank(), 16, None, eager))
    return PagedModel(framework, runner, folder, max_model_len=max_model_len)


def cases_of(folder: Path, max_model_len: int) -> list[GoldenCase]:
    """Fixtures give the tokens that never depend on when they were computed where there are several right answers."""
    golden = json.loads((folder / "golden.json").read_text())
    if folder.name == "llama_rope_dynamic":
        return []
    return [case for case in golden_cases(folder) if len(case.prompt_ids) + len(case.output_ids) <= max_model_len and golden]


def check(model: PagedModel, folder: Path) -> None:
    cases = cases_of(folder, model.max_model_len)
    for case in cases[:3]:
        found = model.greedy([case.prompt_ids], len(case.output_ids), suppress=case.suppressed_ids)
        assert found == [list(case.output_ids)]
    together = [case for case in cases if list(case.suppressed_ids) == list(cases[0].suppressed_ids)][:6]
    if together:
        length = min(len(case.output_ids) for case in together)
        found = model.greedy([case.prompt_ids for case in together], length, suppress=together[0].suppressed_ids, chunk=4)
        assert found == [list(case.output_ids[:length]) for case in together]


@pytest.mark.parametrize("folder", FIXTURES, ids=lambda folder: folder.name)
def test_fixture(framework: Framework, folder: Path) -> None:
    model = open_model(framework, folder)
    check(model, folder)
    model.close()


@pytest.mark.parametrize("folder", SHARED or [pytest.param(None, marks=pytest.mark.skip(WITHOUT_SHARED))], ids=lambda folder: getattr(folder, "name", "none"))
def test_shared_model(framework: Framework, folder: Path) -> None:
    model = open_model(framework, folder)
    check(model, folder)
    model.close()


def test_null_block_stays_zero_and_skipped_slots_write_nothing(framework: Framework) -> None:
    model = open_model(framework, fixture("llama_gqa"))
    ids = [3, 5, 7, 9, 11]
    written = model.step([Row(ids, 0, [4]), Row(ids[:1], 0, [6])])
    before = [framework.read(layer) for layer in model.cache]
    skipped = model.step([Row(ids, 0, [4], writes=False), Row(ids[:1], 0, [6], writes=False)])
    after = [framework.read(layer) for layer in model.cache]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(not layer[0].any() and layer[4].any() for layer in after)
    np.testing.assert_allclose(skipped, written, rtol=1e-5, atol=1e-5)
    model.close()
