"""One rank of a model, for test_ranks: prints its greedy tokens as JSON, and what the collectives gave."""

import json
import sys
from pathlib import Path

import numpy as np
from quire_worker.framework import Rank
from quire_worker.runner import Target
from quire_worker.tensor import Device, Tensor
from quire_worker.testing import PagedModel, golden_cases

from quire_jax import worker

CPU = Device("cpu")


def main(index: int, world_size: int, rendezvous: str, folder: Path) -> None:
    rank = Rank(index, world_size, rendezvous)
    framework = worker.open_framework(CPU, rank)
    framework.init_process_group(rank, "", 60_000)
    storage = framework.allocate(2, "float32", CPU, pin_memory=False)
    tensor = Tensor(storage, (2,), (1,))
    framework.write(tensor, np.array([index, 10 - index], np.float32))
    reduced = {operation: framework.all_reduce(tensor, operation).tolist() for operation in ("sum", "max", "min")}
    gathered = [part.tolist() for part in framework.all_gather(tensor)]
    last = framework.broadcast(tensor, world_size - 1).tolist()
    framework.barrier()
    runner = worker.create_runner(framework, Target(CPU, "float32", rank, 16, 1))
    model = PagedModel(framework, runner, folder, max_num_seqs=2, max_num_batched_tokens=64, max_model_len=64)
    cases = [case for case in golden_cases(folder) if not case.suppressed_ids][:3]
    # Only rank 0 has logits: the others are told which tokens came out.
    outputs = []
    for case in cases:
        outputs += model.greedy([case.prompt_ids], len(case.output_ids), forced=None if index == 0 else [case.output_ids])
    print(json.dumps({"reduced": reduced, "gathered": gathered, "last": last, "outputs": outputs}))
    framework.destroy_process_group()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
