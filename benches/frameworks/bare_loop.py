"""Tokens per second of a plugin's runner under a bare Python loop, 16 sequences at once: what the engine is measured against.

Arguments: the plugin's Python module, a model folder, tokens per sequence, threads. Reads one line per round from standard input,
answers each with a line of JSON.
"""

import importlib
import json
import sys
import time
from pathlib import Path

from quire_worker.framework import Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device
from quire_worker.testing import PagedModel

SEQUENCES, PROMPT = 16, 16


def main(module: str, folder: Path, tokens: int, threads: int) -> None:
    worker = importlib.import_module(f"{module}.worker")
    cpu = Device("cpu")
    framework = worker.open_framework(cpu, Rank())
    runner = worker.create_runner(framework, Target(cpu, "float32", Rank(), 16, threads))
    model = PagedModel(framework, runner, folder, max_num_seqs=SEQUENCES, max_num_batched_tokens=256, max_model_len=256, num_blocks=512)
    prompts = [[(7 * index + at) % 200 + 3 for at in range(PROMPT)] for index in range(SEQUENCES)]
    model.greedy(prompts, 8)
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        model.greedy(prompts, tokens)
        print(json.dumps({"tokens_per_second": SEQUENCES * tokens / (time.perf_counter() - started)}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
