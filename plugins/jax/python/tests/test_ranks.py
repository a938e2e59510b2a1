"""Two ranks on the CPU over gloo: collectives, and the tokens of one rank."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from models import fixture
from quire_worker.testing import golden_cases

RANK = Path(__file__).parent / "rank.py"


@pytest.mark.parametrize("name", ["llama_gqa", "gpt2", "opt_post_norm", "qwen3"])
def test_two_ranks_say_what_one_says(name: str) -> None:
    folder = fixture(name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        rendezvous = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    path = [str(Path(__file__).parents[1]), str(Path(__file__).parents[3] / "_python-worker" / "python")]
    program = f"import sys; sys.path[:0] = {path!r}; sys.argv = sys.argv[1:]; import runpy; runpy.run_path(sys.argv[0], run_name='__main__')"
    ranks = [
        subprocess.Popen([sys.executable, "-c", program, str(RANK), str(rank), "2", rendezvous, str(folder)], stdout=subprocess.PIPE, text=True)
        for rank in range(2)
    ]
    try:
        replies = [json.loads(rank.communicate(timeout=600)[0].splitlines()[-1]) for rank in ranks]
    finally:
        for rank in ranks:
            rank.kill()
    for reply in replies:
        assert reply["reduced"] == {"sum": [1, 19], "max": [1, 10], "min": [0, 9]}
        assert reply["gathered"] == [[0, 10], [1, 9]]
        assert reply["last"] == [1, 9]
    expected = [list(case.output_ids) for case in golden_cases(folder) if not case.suppressed_ids][:3]
    assert expected
    assert replies[0]["outputs"] == expected
