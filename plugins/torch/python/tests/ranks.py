"""One rank of a model in a process of its own, for `test_ranks.py`: `python ranks.py JOB`, with a JSON job; prints its results as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from quire_worker.dtypes import DTypeName
from quire_worker.framework import Framework, Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device, Tensor
from quire_worker.testing import PagedModel

from quire_torch import worker

CPU = Device("cpu")
VALUES: list[tuple[DTypeName, npt.NDArray[Any]]] = [
    ("float32", np.array([1.5, -2, 3e38], np.float32)),
    ("int32", np.array([7, -8, 2**29], np.int32)),
    ("int64", np.array([7, -8, 2**61], np.int64)),
    ("float16", np.array([0.5, 2, -3], np.float16)),
    ("bool", np.array([True, False, False])),
]


def collectives(framework: Framework, rank: Rank) -> dict[str, Any]:
    results: dict[str, Any] = {}
    for dtype, data in VALUES:
        tensor = Tensor(framework.allocate(6, dtype, CPU, pin_memory=False), (3,), (2,), 1)
        framework.write(tensor, data if dtype == "bool" and rank.rank == 0 else (data.astype(data.dtype) // (rank.rank + 1)).astype(data.dtype))
        for operation in ("sum", "max", "min"):
            results[f"{dtype} {operation}"] = framework.all_reduce(tensor, operation).tolist()
        results[f"{dtype} gather"] = [part.tolist() for part in framework.all_gather(tensor)]
        results[f"{dtype} broadcast"] = framework.broadcast(tensor, 1).tolist()
    framework.barrier()
    return results


def greedy(framework: Framework, rank: Rank, job: dict[str, Any]) -> list[list[int]]:
    runner = worker.create_runner(framework, Target(CPU, "float32", rank, 16, 1))
    model = PagedModel(framework, runner, Path(job["folder"]), max_model_len=128)
    # Logits are rank 0's: the others are told which tokens came out.
    found = model.greedy(job["prompts"], job["length"], chunk=job["chunk"], forced=None if rank.rank == 0 else job["expected"])
    model.close()
    return found


def run(job: dict[str, Any]) -> dict[str, Any]:
    rank = Rank(job["rank"], job["world_size"], job["rendezvous"])
    framework = worker.open_framework(CPU, rank)
    framework.init_process_group(rank, "", 60_000)
    results = {"collectives": collectives(framework, rank), "tokens": [greedy(framework, rank, model) for model in job["models"]]}
    framework.destroy_process_group()
    return results


if __name__ == "__main__":
    print("RESULT " + json.dumps(run(json.loads(sys.argv[1]))), flush=True)
