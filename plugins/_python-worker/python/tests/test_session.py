"""A whole worker over a socket pair, with the NumPy framework: calls, errors, steps in shared memory."""

import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest

from quire_worker.batch import HEADER_WORDS, MAGIC
from quire_worker.main import serve
from quire_worker.protocol import VERSION, encode

FIXTURE = Path(__file__).parents[4] / "tests" / "fixtures" / "llama_gqa"
TOKEN = "ab" * 32
CPU = {"kind": "cpu", "index": 0}
OPEN = {"module": "quire_fake", "device": CPU, "rank": 0, "worldSize": 1, "rendezvous": ""}


class Engine:
    """The other side, by hand."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self.id, self.events = stream, 0, list[dict[str, Any]]()
        stream.settimeout(120)

    def receive(self) -> dict[str, Any]:
        (length,) = struct.unpack(">I", self._take(4))
        message: dict[str, Any] = msgpack.unpackb(self._take(length))
        return message

    def call(self, call: str, **params: Any) -> dict[str, Any]:
        self.id += 1
        self.stream.sendall(encode({"id": self.id, "call": call, **params}))
        while "event" in (message := self.receive()):
            self.events.append(message)
        assert message.pop("id") == self.id
        return message

    def code(self, call: str, **params: Any) -> str:
        error = self.call(call, **params)["error"]
        assert error["message"] and "Traceback" in error["traceback"]
        return str(error["code"])

    def _take(self, count: int) -> bytes:
        taken = b""
        while len(taken) < count:
            chunk = self.stream.recv(count - len(taken))
            assert chunk, "the worker has gone"
            taken += chunk
        return taken


@pytest.fixture
def engine() -> Iterator[Engine]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        thread = threading.Thread(target=serve, args=(theirs, TOKEN))
        thread.start()
        other = Engine(ours)
        ours.sendall(encode({"event": "welcome", "protocol": VERSION, "token": TOKEN[32:]}))
        assert other.receive()["event"] == "hello"
        yield other
        ours.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def whole(storage: int, *shape: int) -> dict[str, Any]:
    return {"storage": storage, "shape": list(shape), "strides": [int(np.prod(shape[d + 1 :])) for d in range(len(shape))], "offset": 0}


def test_facts_say_what_the_framework_can_hold(engine: Engine) -> None:
    facts = engine.call("open", **OPEN)
    assert facts["name"] == "fake" and facts["devices"] == [{**CPU, "dtypes": ["float32", "bfloat16"]}]
    assert "int8" not in facts["dtypes"] and "bfloat16" in facts["dtypes"]


def test_tensors_come_back_as_they_went(engine: Engine) -> None:
    engine.call("open", **OPEN)
    assert engine.call("allocate", storage=1, numElements=6, dtype="bfloat16", device=CPU, pinMemory=False) == {}
    values = np.array([0, 1, -2.5, 3.140625, 1e38, 7], np.float64)
    assert engine.call("write", tensor=whole(1, 2, 3), data=values.tobytes(), encoding="values") == {}
    column = {"storage": 1, "shape": [2], "strides": [3], "offset": 1}
    bits = np.frombuffer(engine.call("read", tensor=column)["data"], np.uint16)
    assert (bits[0], bits[1]) == (0x3F80, 0x7E96)
    assert engine.call("copyBlocks", tensor=whole(1, 2, 3), pairs=np.array([0, 1], np.int32).tobytes(), dim=0) == {}
    assert len(set(np.frombuffer(engine.call("read", tensor=whole(1, 6))["data"], np.uint16)[:3])) == 3
    assert engine.call("allReduce", tensor=whole(1, 6), operation="sum", into=2) == {"shape": [6]}
    assert engine.call("allGather", tensor=whole(1, 2, 3), dim=1, into=3) == {"shape": [2, 3]}
    assert engine.call("free", storages=[1, 2, 3, 4]) == {}
    assert engine.code("read", tensor=whole(1, 6)) == "ERR_WORKER"


def test_calls_that_do_not_fit_are_answered_with_codes(engine: Engine) -> None:
    assert engine.code("synchronize") == "ERR_WORKER"
    assert engine.code("open", **{**OPEN, "module": "quire_absent"}) == "ERR_NO_FRAMEWORK"
    engine.call("open", **OPEN)
    assert engine.code("open", **OPEN) == "ERR_WORKER"
    assert engine.code("dance") == "ERR_WORKER"
    assert engine.code("allocate", storage=-1, numElements=6) == "ERR_WORKER"
    assert engine.code("allocate", storage=1, numElements=6, dtype="int4", device=CPU, pinMemory=False) == "ERR_INVALID_ARGUMENT"
    assert engine.code("allocate", storage=1, numElements=1 << 40, dtype="int32", device=CPU, pinMemory=False) == "ERR_OUT_OF_MEMORY"
    assert engine.code("setDevice", device={"kind": "cuda", "index": 3}) == "ERR_NOT_SUPPORTED"
    engine.call("allocate", storage=1, numElements=6, dtype="int32", device=CPU, pinMemory=False)
    assert engine.code("allocate", storage=1, numElements=6, dtype="int32", device=CPU, pinMemory=False) == "ERR_WORKER"
    for window in (whole(1, 7), {**whole(1, 6), "offset": 1}, {**whole(1, 6), "strides": [1, 1]}, {**whole(1, 2), "strides": [-1]}):
        assert engine.code("read", tensor=window) == "ERR_WORKER"
    assert engine.code("write", tensor=whole(1, 6), data=b"1234", encoding="bits") == "ERR_INVALID_ARGUMENT"
    assert engine.code("loadModel", path=str(FIXTURE)) == "ERR_WORKER"
    assert engine.call("shutdown") == {}


def test_a_step_is_read_and_answered_in_shared_memory(engine: Engine, tmp_path: Path) -> None:
    engine.call("open", **OPEN)
    engine.call("createRunner", device=CPU, dtype="auto", blockSize=4, threads=None, eager=False)
    assert engine.code("loadModel", path=str(tmp_path / "absent")) == "ERR_MODEL_NOT_FOUND"
    loaded = engine.call("loadModel", path=str(FIXTURE))
    assert [event["fraction"] for event in engine.events if event["event"] == "progress"] == [0.25, 0.5, 0.75, 1.0]
    vocab, shape = loaded["model"]["vocabSize"], loaded["layers"][0]["shape"]
    assert shape == [2, -1, 1, 4, 1]
    assert engine.code("execute", step=1) == "ERR_WORKER"
    engine.call("profile", maxNumSeqs=2, maxNumBatchedTokens=8, maxModelLen=16, maxLogitsRows=2, blockSize=4)
    path, words_bytes = tmp_path / "step", 4096
    path.write_bytes(bytes(words_bytes + 2 * vocab * 4))
    assert engine.code("mapStepMemory", path=str(path), wordsBytes=words_bytes, logitsRows=3, vocabSize=vocab) == "ERR_RUNNER"
    assert engine.call("mapStepMemory", path=str(path), wordsBytes=words_bytes, logitsRows=2, vocabSize=vocab) == {}
    engine.call("allocate", storage=1, numElements=2 * 3 * 4, dtype="float32", device=CPU, pinMemory=False)
    engine.call("bindKvCache", layers=[whole(1, 2, 3, 1, 4, 1)])
    engine.call("warmup")
    memory = np.memmap(path, np.int32, "r+")
    words = step_words()
    memory[: len(words)] = words
    memory.flush()
    assert engine.code("execute", step=8) == "ERR_WORKER"
    assert engine.call("execute", step=7) == {"step": 7, "kind": "logits"}
    logits = np.memmap(path, np.float32, "r", words_bytes, (2, vocab))
    assert logits[0].argmax() == ((17 * 31 + 6) % 65521) % vocab and not logits[1].any()
    assert engine.call("closeRunner") == {}


def step_words() -> list[int]:
    """One row of one token, id 5 at position 0 in block 1: sections lie behind the header, one word each but for the starts."""
    sections = {"inputIds": [5], "positions": [0], "slotMapping": [4], "queryStartLoc": [0, 1], "seqLens": [1], "numComputed": [0]}
    sections |= {"blockTables": [1], "logitsIndices": [0]}
    header, body = [MAGIC, 1, 0, 7, 1, 1, 1, 1, 4, 2], list[int]()
    for values in sections.values():
        header.append(HEADER_WORDS + len(body))
        body += values
    header += [0] * (HEADER_WORDS - len(header))
    header[2] = HEADER_WORDS + len(body)
    return header + body
