"""A runner without a model: it keeps token ids in the KV cache and says the next id by a hash of all ids that the block tables
lead to. A lost token, or a table of somebody else's, changes what it says.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from quire_worker.activity import activity
from quire_worker.batch import InputBatch
from quire_worker.decoder_config import read_config
from quire_worker.errors import OutOfMemoryError
from quire_worker.runner import BatchLimits, KvCacheLayer, LoadedModel, MemoryProfile, Progress, Runner, SampledTokens, Target
from quire_worker.tensor import Tensor

from .framework import window


def next_id(ids: Sequence[int], vocab_size: int) -> int:
    value = 17
    for token in ids:
        value = (value * 31 + token + 1) % 65521
    return value % vocab_size


class FakeRunner(Runner):
    def __init__(self, target: Target) -> None:
        self._target = target
        self._fault = os.environ.get("QUIRE_FAKE_FAULT", "")
        self._steps = 0

    def load_model(self, path: Path, progress: Progress) -> LoadedModel:
        config = read_config(path)
        for part in range(5):
            progress(part / 4)
        if self._fault == "load-die":
            print("the loader lost its mind", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._fault == "load-out-of-memory":
            raise OutOfMemoryError("The weights do not fit", {"neededBytes": 1 << 40})
        if self._fault == "load-stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        if self._fault == "grandchild":
            subprocess.Popen(["sleep", "600"])
        self._vocab_size = config.vocab_size
        return LoadedModel(config, "float32", 4096, 1024)

    def kv_cache_spec(self) -> Sequence[KvCacheLayer]:
        size = self._target.block_size
        return [KvCacheLayer("float32", (2, -1, 1, size, 1), 2 * size * 4, alignment=256)]

    def profile(self, limits: BatchLimits) -> MemoryProfile:
        return MemoryProfile(4096, limits.max_logits_rows * self._vocab_size * 4)

    def bind_kv_cache(self, layers: Sequence[Tensor]) -> None:
        (self._cache,) = (window(layer) for layer in layers)

    def warmup(self, progress: Progress) -> None:
        progress(1.0)

    def execute(self, batch: InputBatch, logits: npt.NDArray[np.float32]) -> SampledTokens | None:
        if self._fault == "instant":
            return None
        self._steps += 1
        if self._steps == int(os.environ.get("QUIRE_FAKE_STEP", "1")) and _is_first():
            self._go_wrong(batch)
        size, cache = batch.block_size, self._cache
        for slot, token in zip(batch.slot_mapping, batch.input_ids, strict=True):
            if slot >= 0:
                cache[0, slot // size, 0, slot % size, 0] = token
        rows = np.searchsorted(batch.query_start_loc, batch.logits_indices, "right") - 1
        for index, (row, token_index) in enumerate(zip(rows, batch.logits_indices, strict=True)):
            length = int(batch.positions[token_index]) + 1
            ids = [int(cache[0, batch.block_tables[row, at // size], 0, at % size, 0]) for at in range(length)]
            logits[index] = 0
            logits[index, next_id(ids, self._vocab_size)] = 1
        return None

    def _go_wrong(self, batch: InputBatch) -> None:
        match self._fault:
            case "step-die":
                print("a device was lost", file=sys.stderr, flush=True)
                os.kill(os.getpid(), signal.SIGKILL)
            case "step-exit":
                sys.exit(3)
            case "step-leave":
                os._exit(3)
            case "step-hang":
                time.sleep(600)
            case "step-stop":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "step-garbage":
                _write_to_sockets(b"\xff\xff\xff\xff nonsense")
            case "step-no-msgpack":
                _write_to_sockets(b"\x00\x00\x00\x01\xc1")
            case "step-stray-reply":
                _write_to_sockets(b"\x00\x00\x00\x05\x81\xa2id\x00")
            case "step-wrong":
                batch.step_id += 1
            case "step-raise":
                raise ValueError("no such kernel")
            case "step-out-of-memory":
                raise MemoryError
            case "step-compile":
                with activity.during("compiling"):
                    time.sleep(float(os.environ.get("QUIRE_FAKE_SECONDS", "3")))
            case "step-compile-stop":
                with activity.during("compiling"):
                    time.sleep(0.1)
                    os.kill(os.getpid(), signal.SIGSTOP)
            case "step-print":
                print("x" * 200_000, flush=True)


def _is_first() -> bool:
    """With QUIRE_FAKE_ONCE, a path, only the first of several workers goes wrong: it leaves a file there."""
    path = os.environ.get("QUIRE_FAKE_ONCE")
    if path is None:
        return True
    try:
        Path(path).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def _write_to_sockets(data: bytes) -> None:
    for name in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                with socket.socket(fileno=os.dup(int(name))) as stream:
                    stream.sendall(data)
        except OSError:
            continue
