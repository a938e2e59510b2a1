"""Decode steps that are recorded and run again, with a recorder that runs the work anew: on a CPU there are no graphs."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from models import fixture
from quire_worker.framework import Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device
from quire_worker.testing import PagedModel, Row, golden_cases

from quire_torch.attention.triton_paged import TritonAttention
from quire_torch.decode_graphs import graph_sizes
from quire_torch.framework import TorchFramework
from quire_torch.runner import TorchRunner


class RecorderDouble:
    """Keeps the memory of the first result, as a graph does."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.replays: list[int] = []

    def record(self, work: Callable[[], torch.Tensor]) -> tuple[Callable[[], Any], torch.Tensor]:
        result = work()
        self.sizes.append(len(result))

        def replay() -> None:
            self.replays.append(len(result))
            result.copy_(work())

        return replay, result


def _open(framework: TorchFramework, recorder: RecorderDouble | None, name: str = "llama_gqa", *, eager: bool = False) -> PagedModel:
    target = Target(Device("cpu"), "float32", Rank(), 16, 1, eager)
    return PagedModel(framework, TorchRunner(framework, target, TritonAttention, recorder), fixture(name), max_num_seqs=6, num_blocks=40)


def test_sizes() -> None:
    assert graph_sizes(1) == [1]
    assert graph_sizes(3) == [1, 2, 3]
    assert graph_sizes(20) == [1, 2, 4, 8, 16, 20]
    assert graph_sizes(10_000)[-1] == 512


def test_recorded_steps_say_what_eager_ones_say(framework: TorchFramework) -> None:
    for name in ("llama_gqa", "mistral_window", "gpt2"):
        recorder = RecorderDouble()
        model = _open(framework, recorder, name)
        cases = golden_cases(fixture(name))[:3]
        length = min(8, *(len(case.output_ids) for case in cases))
        found = model.greedy([case.prompt_ids for case in cases], length, suppress=cases[0].suppressed_ids)
        assert found == [list(case.output_ids[:length]) for case in cases]
        assert recorder.sizes == [6, 4, 2, 1] and set(recorder.replays) == {4}
        assert all(not framework.read(layer)[:, 0].any() for layer in model.cache)
        model.close()


def test_steps_that_no_graph_is_for(framework: TorchFramework) -> None:
    recorder = RecorderDouble()
    model = _open(framework, recorder)
    model.step([Row([5, 6], 0, [1]), Row([7], 0, [2])])
    model.step([Row([5], 2, [1]), Row([7], 1, [2], samples=False)])
    assert recorder.replays == []
    one = model.step([Row([9], 2, [1])])
    assert recorder.replays == [1]
    # A longer table was there before: what is left of it is not read.
    np.testing.assert_array_equal(one, model.step([Row([9], 2, [1, 7, 8])]))
    np.testing.assert_array_equal(one, model.step([Row([9], 2, [1])]))
    model.close()


def test_eager_records_nothing(framework: TorchFramework) -> None:
    recorder = RecorderDouble()
    _open(framework, recorder, eager=True).close()
    assert recorder.sizes == []
