"""Two ranks on the CPU give the tokens of one."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from models import FIXTURES
from quire_worker.decoder_config import read_config
from quire_worker.testing import golden_cases

NAMES = [folder.name for folder in FIXTURES if read_config(folder).num_heads % 2 == 0 and folder.name != "llama_rope_dynamic"]
SECONDS = 900
"""For all models together: much more than two free cores take, for others may compute as well."""


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _models() -> list[dict[str, Any]]:
    models = []
    for folder in FIXTURES:
        if folder.name not in NAMES:
            continue
        cases = golden_cases(folder)
        length = min(len(case.output_ids) for case in cases)
        models.append(
            {
                "folder": str(folder),
                "prompts": [list(case.prompt_ids) for case in cases],
                "length": length,
                "chunk": 5,
                "expected": [list(case.output_ids[:length]) for case in cases],
            }
        )
    return models


@pytest.fixture(scope="module")
def results() -> list[dict[str, Any]]:
    job = {"world_size": 2, "rendezvous": f"tcp://127.0.0.1:{_free_port()}", "models": _models()}
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part), "OMP_NUM_THREADS": "1"}
    ranks = []
    for rank in range(2):
        command = [sys.executable, str(Path(__file__).with_name("ranks.py")), json.dumps({**job, "rank": rank})]
        ranks.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    found = []
    try:
        for process in ranks:
            output, errors = process.communicate(timeout=SECONDS)
            lines = [line for line in output.splitlines() if line.startswith("RESULT ")]
            assert process.returncode == 0 and lines, errors[-4000:]
            found.append(json.loads(lines[0].removeprefix("RESULT ")))
    finally:
        for process in ranks:
            process.kill()
    return found


@pytest.mark.parametrize("index", range(len(NAMES)), ids=NAMES)
def test_two_ranks_give_the_tokens_of_one(results: list[dict[str, Any]], index: int) -> None:
    assert results[0]["tokens"][index] == _models()[index]["expected"]


def test_collectives(results: list[dict[str, Any]]) -> None:
    assert results[0]["collectives"] == results[1]["collectives"]
    found = results[0]["collectives"]
    assert found["int32 sum"] == [7 + 3, -8 - 4, 2**29 + 2**28]
    assert found["int64 max"] == [7, -4, 2**61]
    assert found["int32 min"] == [3, -8, 2**28]
    assert found["int32 gather"] == [[7, -8, 2**29], [3, -4, 2**28]]
    assert found["int32 broadcast"] == [3, -4, 2**28]
    assert found["float32 max"] == np.array([1, -1, 3e38], np.float32).tolist()
    assert found["float16 min"] == [0, 1, -3]
    assert found["bool sum"] == [True, False, False]
