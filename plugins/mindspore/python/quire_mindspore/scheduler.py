"""The scheduler process, through which MindSpore's ranks find each other: `python -m quire_mindspore.scheduler PARENT`. Dies with its parent."""

import os
import sys

from quire_worker.lifeline import die_with_parent


def run(parent: int) -> None:
    die_with_parent(parent)
    os.environ["MS_ROLE"] = "MS_SCHED"
    import mindspore as ms

    ms.set_device("CPU")
    ms.communication.init("mccl")


if __name__ == "__main__":
    run(int(sys.argv[1]))
    os._exit(0)
