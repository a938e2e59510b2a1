"""One rank of a model in a process of its own, for `test_ranks.py`: `python ranks.py JOB`, with a JSON job; prints its results as JSON."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from quire_worker.dtypes import DTypeName, carrier
from quire_worker.framework import Framework, Rank
from quire_worker.lifeline import die_with_parent
from quire_worker.runner import Target
from quire_worker.tensor import Device, Tensor
from quire_worker.testing import PagedModel

from quire_mindspore import worker

CPU = Device("cpu")


def collectives(framework: Framework, rank: Rank) -> dict[str, Any]:
    results: dict[str, Any] = {}
    given: dict[DTypeName, list[float]] = {"float32": [1.5, -2, 3e38], "int32": [7, -8, 2**30], "float16": [0.5, 2, -3]}
    for dtype, values in given.items():
        tensor = Tensor(framework.allocate(3, dtype, CPU, pin_memory=False), (3,), (1,))
        framework.write(tensor, np.array(values, carrier(dtype)) // (rank.rank + 1))
        for operation in ("sum", "max", "min"):
            with np.errstate(over="ignore"):
                results[f"{dtype} {operation}"] = framework.all_reduce(tensor, operation).tolist()
        results[f"{dtype} gather"] = [part.tolist() for part in framework.all_gather(tensor)]
        results[f"{dtype} broadcast"] = framework.broadcast(tensor, 1).tolist()
    framework.barrier()
    return results


def greedy(framework: Framework, rank: Rank, job: dict[str, Any]) -> list[list[int]]:
    runner = worker.create_runner(framework, Target(CPU, "auto", rank, 16, None))
    model = PagedModel(framework, runner, Path(job["folder"]), max_model_len=128)
    if rank.rank != 0:
        # Logits are rank 0's: the others are told what it chose.
        chosen = iter(job["expected"])
        prompts, known = job["prompts"], {}
        known.update({index: list(ids) for index, ids in enumerate(chosen)})
        follow(model, prompts, known)
        return []
    return model.greedy(job["prompts"], len(job["expected"][0]), chunk=4)


def follow(model: PagedModel, prompts: list[list[int]], expected: dict[int, list[int]]) -> None:
    """Runs the steps of `PagedModel.greedy` as if this rank had chosen the expected tokens."""
    vocab_size = model.loaded.config.vocab_size
    step = model.step
    lengths = [len(prompt) for prompt in prompts]

    def choosing(rows: Any) -> Any:
        step(rows)
        wanted = [row for row in rows if row.samples]
        logits = np.zeros((len(wanted), vocab_size), np.float32)
        for index, row in enumerate(wanted):
            sequence = next(place for place, table in enumerate(tables) if table == row.block_table)
            logits[index, expected[sequence][row.num_computed + len(row.token_ids) - lengths[sequence]]] = 1
        return logits

    tables = model._tables([length + len(expected[0]) for length in lengths])
    model.step = choosing  # type: ignore[method-assign]
    model.greedy(prompts, len(expected[0]), chunk=4)


def run(job: dict[str, Any]) -> dict[str, Any]:
    rank = Rank(job["rank"], job["world_size"], job["rendezvous"])
    framework = worker.open_framework(CPU, rank)
    framework.init_process_group(rank, "", 60_000)
    results = {"collectives": collectives(framework, rank), "tokens": [greedy(framework, rank, model) for model in job["models"]]}
    framework.destroy_process_group()
    return results


if __name__ == "__main__":
    die_with_parent(os.getppid())
    report = run(json.loads(sys.argv[1]))
    print("RESULT " + json.dumps(report), flush=True)
    os._exit(0)  # as the worker ends: MindSpore would take many seconds
