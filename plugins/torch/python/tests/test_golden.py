"""Greedy tokens of every model equal those of transformers, in float32; chunks, mates and padding change nothing."""

import json
from pathlib import Path

import numpy as np
import pytest
from models import FIXTURES, SHARED, WITHOUT_SHARED, fixture
from quire_worker.framework import Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device, Tensor
from quire_worker.testing import GoldenCase, PagedModel, Row, golden_cases

from quire_torch import worker
from quire_torch.framework import TorchFramework

BY_POSITION = "dynamic rope: a token's angles here never depend on when they were computed; transformers' do"


def open_model(framework: TorchFramework, folder: Path, *, dtype: str = "float32", max_model_len: int = 512, block_size: int = 16) -> PagedModel:
    runner = worker.create_runner(framework, Target(Device("cpu"), dtype, Rank(), block_size, 1))
    return PagedModel(framework, runner, folder, max_model_len=max_model_len, block_size=block_size)


def check(model: PagedModel, folder: Path) -> None:
    cases = [case for case in golden_cases(folder) if len(case.prompt_ids) + len(case.output_ids) <= model.max_model_len]
    for case in cases[:3]:
        assert model.greedy([case.prompt_ids], len(case.output_ids), suppress=case.suppressed_ids) == [list(case.output_ids)]
    together = [case for case in cases if list(case.suppressed_ids) == list(cases[0].suppressed_ids)][:6]
    length = min(len(case.output_ids) for case in together)
    expected = [list(case.output_ids[:length]) for case in together]
    for chunk in (None, 4):
        assert model.greedy([case.prompt_ids for case in together], length, suppress=together[0].suppressed_ids, chunk=chunk) == expected


@pytest.mark.parametrize("folder", FIXTURES, ids=lambda folder: folder.name)
def test_fixture(framework: TorchFramework, folder: Path) -> None:
    if folder.name == "llama_rope_dynamic":
        pytest.skip(BY_POSITION)
    model = open_model(framework, folder)
    check(model, folder)
    model.close()


@pytest.mark.parametrize("folder", SHARED or [pytest.param(None, marks=pytest.mark.skip(WITHOUT_SHARED))], ids=lambda folder: getattr(folder, "name", "none"))
def test_shared_model(framework: TorchFramework, folder: Path) -> None:
    model = open_model(framework, folder)
    check(model, folder)
    model.close()


def _largest_difference(model: PagedModel, folder: Path) -> float:
    """Of logits at the last position of prompts that are run whole; relative to the largest where that is above 1."""
    worst = 0.0
    for prompt in json.loads((folder / "golden.json").read_text())["prompts"]:
        for row in prompt["logits"]:
            expected = np.array(row["values"])
            ids = (prompt["prompt_token_ids"] + prompt["greedy_token_ids"])[: row["position"] + 1]
            table = list(range(1, 2 + len(ids) // model.block_size))
            (found,) = model.step([Row(ids, 0, table)])
            worst = max(worst, float(np.abs(found - expected).max() / max(1, np.abs(expected).max())))
    return worst


@pytest.mark.parametrize("name", ["llama_gqa", "mistral_window", "qwen2", "qwen3_head_dim", "starcoder2", "opt_post_norm", "gpt2_layer_scale"])
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float16", 0.03), ("bfloat16", 0.08)])
def test_logits(framework: TorchFramework, name: str, dtype: str, bound: float) -> None:
    model = open_model(framework, fixture(name), dtype=dtype)
    assert _largest_difference(model, fixture(name)) < bound
    model.close()


def test_mates_do_not_change_logits(framework: TorchFramework) -> None:
    model = open_model(framework, fixture("llama_gqa"))
    random = np.random.default_rng(3)
    prompts = [random.integers(0, 64, length).tolist() for length in (40, 3, 17, 1, 90)]
    tables, block = [], 1
    for prompt in prompts:
        blocks = len(prompt) // 16 + 1
        tables.append(list(range(block, block + blocks)))
        block += blocks
    for prompt, table in zip(prompts, tables, strict=True):
        model.step([Row(prompt, 0, table)])
    rows = [Row([7], len(prompt), table) for prompt, table in zip(prompts, tables, strict=True)]
    alone = np.concatenate([model.step([row]) for row in rows])
    longer = [Row([*prompts[0][30:], 7], 30, tables[0]), *rows[1:]]
    np.testing.assert_allclose(model.step(rows), alone, atol=1e-4)
    np.testing.assert_allclose(model.step(rows[::-1])[::-1], alone, atol=1e-4)
    np.testing.assert_allclose(model.step(longer), alone, atol=1e-4)
    model.close()


def test_null_block_stays_zero_and_skipped_slots_write_nothing(framework: TorchFramework) -> None:
    model = open_model(framework, fixture("llama_gqa"))
    ids = [3, 5, 7, 9, 11]
    written = model.step([Row(ids, 0, [4]), Row(ids[:1], 0, [6])])
    before = [framework.read(layer) for layer in model.cache]
    skipped = model.step([Row(ids, 0, [4], writes=False), Row(ids[:1], 0, [6], writes=False)])
    after = [framework.read(layer) for layer in model.cache]
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(not layer[:, 0].any() and layer[:, 4].any() for layer in after)
    np.testing.assert_allclose(skipped, written, rtol=1e-5, atol=1e-5)
    model.close()


def test_a_strided_cache_gives_the_same(framework: TorchFramework) -> None:
    """The engine may round an entry up; the cache is then a window over a wider allocation."""
    model = open_model(framework, fixture("qwen3"))
    plain = model.greedy([[3, 1, 4, 1, 5]], 12)
    padding, layers = 24, []
    for layer in model.cache:
        entry = int(np.prod(layer.shape[2:]))
        storage = framework.allocate(2 * model.num_blocks * (entry + padding), layer.dtype, Device("cpu"), pin_memory=False)
        layers.append(Tensor(storage, layer.shape, (model.num_blocks * (entry + padding), entry + padding, *layer.strides[2:])))
    model.runner.bind_kv_cache(layers)
    assert model.greedy([[3, 1, 4, 1, 5]], 12) == plain
    model.close()


@pytest.mark.parametrize("block_size", [1, 4, 100])
def test_blocks_of_any_size(framework: TorchFramework, block_size: int) -> None:
    case = golden_cases(fixture("llama_gqa"))[0]
    runner = worker.create_runner(framework, Target(Device("cpu"), "float32", Rank(), block_size, 1))
    model = PagedModel(framework, runner, fixture("llama_gqa"), max_model_len=128, block_size=block_size, num_blocks=130)
    assert model.greedy([case.prompt_ids], len(case.output_ids), suppress=case.suppressed_ids) == [list(case.output_ids)]
    model.close()


def test_no_logits_are_asked_for(framework: TorchFramework) -> None:
    model = open_model(framework, fixture("llama_gqa"))
    assert model.step([Row([1, 2, 3], 0, [1], samples=False)]).shape == (0, 128)
    model.close()


def test_golden_cases_are_read() -> None:
    assert all(isinstance(case, GoldenCase) for case in golden_cases(fixture("gpt2")))
