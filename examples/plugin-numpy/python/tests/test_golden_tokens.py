"""Greedy tokens of small checkpoints are those of transformers, whatever the chunks and the company of a prompt."""

import os
from pathlib import Path

import pytest
from quire_worker.decoder_config import ARCHITECTURES, read_config
from quire_worker.errors import ModelUnsupportedError
from quire_worker.framework import Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device
from quire_worker.testing import PagedModel, golden_cases

from quire_numpy.worker import create_runner, open_framework

CPU = Device("cpu")
BLOCK_SIZE = 4
MAX_NEW_TOKENS = 40

FOLDERS = os.environ.get("QUIRE_GOLDEN_MODELS", str(Path(__file__).parents[4] / "tests" / "fixtures")).split(os.pathsep)
"""Folders of model folders, each with a golden.json."""


def _supported(folder: Path) -> bool:
    if not (folder / "golden.json").is_file() or not list(folder.glob("model*.safetensors")):
        return False
    try:
        config = read_config(folder)
    except ModelUnsupportedError:
        return False
    return config.rope is None or config.rope.kind != "dynamic"  # there transformers depends on when a token was computed


MODELS = sorted(model for folder in FOLDERS if Path(folder).is_dir() for model in Path(folder).iterdir() if model.is_dir() and _supported(model))


def test_there_is_a_model_of_every_architecture() -> None:
    if not MODELS:
        pytest.skip("there is no folder of models with golden tokens (QUIRE_GOLDEN_MODELS names some)")
    assert {read_config(model).architecture for model in MODELS} == set(ARCHITECTURES)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
@pytest.mark.parametrize("chunk", [None, 5], ids=["whole prompts", "chunks of 5"])
def test_greedy_tokens(model: Path, chunk: int | None) -> None:
    rank = Rank()
    framework = open_framework(CPU, rank)
    runner = create_runner(framework, Target(CPU, "float32", rank, BLOCK_SIZE, threads=None))
    cases = golden_cases(model)
    num_tokens = min(MAX_NEW_TOKENS, *(len(case.output_ids) for case in cases))
    lengths = [len(case.prompt_ids) + num_tokens for case in cases]
    paged = PagedModel(
        framework,
        runner,
        model,
        max_num_seqs=len(cases),
        max_num_batched_tokens=sum(lengths),
        max_model_len=max(lengths),
        block_size=BLOCK_SIZE,
        num_blocks=1 + sum(-(-length // BLOCK_SIZE) for length in lengths),
    )
    found = paged.greedy([case.prompt_ids for case in cases], num_tokens, suppress=cases[0].suppressed_ids, chunk=chunk)
    paged.close()
    assert found == [list(case.output_ids)[:num_tokens] for case in cases]
