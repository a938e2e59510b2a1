"""Greedy tokens of every model equal those of transformers, in float32; chunks and mates change nothing."""

from pathlib import Path

import numpy as np
import pytest
from models import FIXTURES, SHARED, WITHOUT_SHARED, fixture
from quire_worker.errors import InvalidArgumentError
from quire_worker.framework import Framework, Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device
from quire_worker.testing import PagedModel, Row, golden_cases

from quire_mindspore import worker
from quire_mindspore.attention import prompt_groups


def open_model(framework: Framework, folder: Path, *, dtype: str = "auto", eager: bool = False, max_model_len: int = 512) -> PagedModel:
    runner = worker.create_runner(framework, Target(Device("cpu"), dtype, Rank(), 16, None, eager))
    return PagedModel(framework, runner, folder, max_model_len=max_model_len)


def check(model: PagedModel, folder: Path) -> None:
    cases = [case for case in golden_cases(folder) if len(case.prompt_ids) + len(case.output_ids) <= model.max_model_len]
    assert cases
    for case in cases[:3]:
        found = model.greedy([case.prompt_ids], len(case.output_ids), suppress=case.suppressed_ids)
        assert found == [list(case.output_ids)]
    together = [case for case in cases if list(case.suppressed_ids) == list(cases[0].suppressed_ids)][:6]
    if together:
        length = min(len(case.output_ids) for case in together)
        found = model.greedy([case.prompt_ids for case in together], length, suppress=together[0].suppressed_ids, chunk=4)
        assert found == [list(case.output_ids[:length]) for case in together]


@pytest.mark.parametrize("folder", [folder for folder in FIXTURES if folder.name != "llama_rope_dynamic"], ids=lambda folder: folder.name)
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


def test_dynamic_rope_up_to_the_trained_length(framework: Framework) -> None:
    """Beyond it transformers' tokens depend on when keys were computed, and there is no one answer."""
    folder = fixture("llama_rope_dynamic")
    model = open_model(framework, folder)
    for case in golden_cases(folder):
        room = model.max_model_len - len(case.prompt_ids)
        if room > 0:
            assert model.greedy([case.prompt_ids], room, chunk=3) == [list(case.output_ids[:room])]
    model.close()


def test_eager_gives_the_same_tokens(framework: Framework) -> None:
    model = open_model(framework, fixture("qwen3"), eager=True, max_model_len=48)
    case = golden_cases(fixture("qwen3"))[0]
    assert model.greedy([case.prompt_ids], 4) == [list(case.output_ids[:4])]
    model.close()


def test_float16_is_near_float32(framework: Framework) -> None:
    rows = [Row([3, 5, 7, 9, 11], 0, [4]), Row([8], 0, [6])]
    found = []
    for dtype in ("float32", "float16"):
        model = open_model(framework, fixture("llama_f16"), dtype=dtype)
        assert model.loaded.dtype == dtype and model.cache[0].dtype == dtype
        found.append(model.step(rows))
        model.close()
    np.testing.assert_allclose(found[1], found[0], atol=0.02 * float(np.abs(found[0]).max()))


def test_bfloat16_is_refused(framework: Framework) -> None:
    with pytest.raises(InvalidArgumentError, match="float32, float16"):
        open_model(framework, fixture("llama_bf16"), dtype="bfloat16")


def test_more_rows_than_the_largest_graph(framework: Framework) -> None:
    """70 rows decode in two calls; each says what it says alone."""
    runner = worker.create_runner(framework, Target(Device("cpu"), "auto", Rank(), 16, None))
    model = PagedModel(framework, runner, fixture("llama_gqa"), max_num_seqs=70, max_model_len=32)
    together = model.step([Row([index % 32], 0, [index + 1]) for index in range(70)])
    for index in (0, 63, 64, 69):
        alone = model.step([Row([index % 32], 0, [100])])
        np.testing.assert_allclose(together[index], alone[0], rtol=1e-4, atol=1e-5)
    model.close()


def test_a_prompt_of_several_calls_is_as_in_chunks(framework: Framework, monkeypatch: pytest.MonkeyPatch) -> None:
    """One call takes 32 tokens here, of 100; a decoding mate and chunks of 20 change nothing."""
    model = open_model(framework, fixture("llama_gqa"))
    prompt = np.random.default_rng(3).integers(0, model.loaded.config.vocab_size, 100).tolist()
    whole = model.greedy([prompt], 8)
    monkeypatch.setattr(prompt_groups, "MAX_TOKENS", 32)
    assert model.greedy([prompt], 8) == whole
    assert model.greedy([prompt, prompt[:5]], 8, chunk=20)[0] == whole[0]
    model.close()
