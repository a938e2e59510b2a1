"""Two ranks on the CPU give the tokens of one, and leave no process behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import fixture
from quire_worker.testing import golden_cases

MODELS = ["llama_gqa", "qwen3", "gpt2", "opt_post_norm", "mistral_window", "starcoder2", "qwen2"]
SECONDS = 900
"""For all models together: much more than two free cores take, for others may compute as well."""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _start(job: dict[str, Any], rank: int, directory: Path) -> "subprocess.Popen[str]":
    path = os.pathsep.join(part for part in sys.path if part)
    command = [sys.executable, str(Path(__file__).with_name("ranks.py")), json.dumps({**job, "rank": rank})]
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.Popen(command, env=environment, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def _schedulers() -> list[int]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and b"quire_mindspore.scheduler" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def _wait_until(is_true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not is_true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _models() -> list[dict[str, Any]]:
    models = []
    for name in MODELS:
        cases = golden_cases(fixture(name))
        models.append(
            {
                "folder": str(fixture(name)),
                "prompts": [list(case.prompt_ids) for case in cases],
                "expected": [list(case.output_ids) for case in cases],
            }
        )
    return models


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    before = set(_schedulers())
    job = {"world_size": 2, "rendezvous": f"tcp://127.0.0.1:{_free_port()}", "models": _models()}
    directory = tmp_path_factory.mktemp("ranks")
    ranks = [_start(job, rank, directory) for rank in range(2)]
    found = []
    try:
        for rank in ranks:
            output, errors = rank.communicate(timeout=SECONDS)
            lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
            assert rank.returncode == 0 and lines, errors[-4000:]
            found.append(json.loads(lines[0].removeprefix("RESULT ")))
    finally:
        for rank in ranks:
            rank.kill()
    _wait_until(lambda: set(_schedulers()) <= before)
    return found


@pytest.mark.parametrize("index", range(len(MODELS)), ids=MODELS)
def test_two_ranks_give_the_tokens_of_one(results: list[dict[str, Any]], index: int) -> None:
    assert results[0]["tokens"][index] == _models()[index]["expected"]


def test_collectives(results: list[dict[str, Any]]) -> None:
    assert results[0]["collectives"] == results[1]["collectives"]
    found = results[0]["collectives"]
    assert found["int32 sum"] == [7 + 3, -8 - 4, 2**30 + 2**29]
    assert found["int32 max"] == [7, -4, 2**30]
    assert found["int32 min"] == [3, -8, 2**29]
    assert found["int32 gather"] == [[7, -8, 2**30], [3, -4, 2**29]]
    assert found["int32 broadcast"] == [3, -4, 2**29]
    assert found["float32 max"] == np.array([1, -1, 3e38], np.float32).tolist()
    assert found["float16 min"] == [0, 1, -3]


def test_the_scheduler_dies_with_rank_0(tmp_path: Path) -> None:
    """Rank 1 never comes, so that rank 0 and its scheduler wait; rank 0 is killed."""
    before = set(_schedulers())
    job = {"world_size": 2, "rendezvous": f"tcp://127.0.0.1:{_free_port()}", "models": []}
    rank = _start(job, 0, tmp_path)
    _wait_until(lambda: bool(set(_schedulers()) - before))
    (scheduler,) = set(_schedulers()) - before
    time.sleep(1)
    rank.send_signal(signal.SIGKILL)
    rank.communicate()
    _wait_until(lambda: scheduler not in _schedulers())
