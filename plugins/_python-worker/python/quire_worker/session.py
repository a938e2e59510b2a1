"""One engine's calls, in order: `open` brings up the framework, and what follows goes to it or to the runner."""

import importlib
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .activity import activity
from .call_params import CallParams
from .errors import FrameworkMissingError, ProtocolMismatchError, WorkerError
from .framework import Rank
from .framework_calls import Call, FrameworkCalls
from .protocol import Connection, ProtocolError, encode
from .runner_calls import RunnerCalls
from .storage_table import StorageTable

_PROGRESS_STEP = 0.01


class Session:
    """Answers calls until `shutdown`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._storages = StorageTable()
        self._runner: RunnerCalls | None = None
        self._calls: dict[str, Call] = {"open": self._open}
        self._id = 0
        self._progress = 0.0

    def run(self) -> None:
        """Raises ProtocolError when the engine goes away or speaks nonsense."""
        while True:
            request = self._connection.receive()
            call, number = request.get("call"), request.get("id")
            if not isinstance(call, str) or not isinstance(number, int):
                raise ProtocolError("A request must have a call and an id")
            self._id, self._progress = number, 0.0
            if call == "shutdown":
                self._answer(self._shut_down)
                return
            self._answer(partial(self._dispatch, call, request))

    def _answer(self, work: Callable[[], Mapping[str, Any] | None]) -> None:
        try:
            reply = encode({"id": self._id, **(work() or {})})
        except Exception as error:
            reply = encode({"id": self._id, "error": describe(error)})
        except SystemExit as error:
            reply = encode({"id": self._id, "error": describe(WorkerError(f"The framework asked to exit ({error.code})"))})
        self._connection.send_frame(reply)

    def _dispatch(self, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any] | None:
        call = self._calls.get(name)
        if call is None:
            raise ProtocolMismatchError(f"There is no call {name}" if self._runner else f"The call {name} came before open")
        return call(CallParams(name, fields))

    def _open(self, params: CallParams) -> Mapping[str, Any]:
        if self._runner is not None:
            raise ProtocolMismatchError("The framework is open already")
        device = params.device()
        rank = Rank(params.integer("rank"), params.integer("worldSize", 1), params.text("rendezvous"))
        with activity.during("starting"):
            try:
                worker = importlib.import_module(f"{params.text('module')}.worker")
            except (ImportError, OSError) as error:
                raise FrameworkMissingError(f"The framework cannot be imported: {error}") from error
            framework = worker.open_framework(device, rank)
            framework.set_device(device)
            calls = FrameworkCalls(framework, device, self._storages)
            facts = calls.facts()
        self._runner = RunnerCalls(worker.create_runner, framework, rank, self._storages, self._tell_progress)
        self._calls |= calls.table() | self._runner.table()
        return facts

    def _shut_down(self) -> None:
        if self._runner is not None:
            self._runner.close()
            self._storages.clear()
            self._calls["destroyProcessGroup"](CallParams("destroyProcessGroup", {}))

    def _tell_progress(self, fraction: float) -> None:
        if fraction >= 1 or fraction - self._progress >= _PROGRESS_STEP:
            self._progress = fraction
            self._connection.send({"event": "progress", "id": self._id, "fraction": min(1.0, max(0.0, float(fraction)))})


def describe(error: Exception) -> dict[str, Any]:
    """An error as the engine reads it: one of Quire's codes, and where it came from."""
    trace = "".join(traceback.format_exception(error))[-8192:]
    name = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    details: dict[str, Any] = {"type": name}
    if isinstance(error, WorkerError):
        code, message = error.code, str(error)
        details = {**error.details, **details}
    elif isinstance(error, MemoryError):
        code, message = "ERR_OUT_OF_MEMORY", f"The host has no memory left: {error}" if str(error) else "The host has no memory left."
    else:
        code, message = "ERR_RUNNER", f"{name}: {error}"
    return {"code": code, "message": message[:4096], "details": _plain(details), "traceback": trace}


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that msgpack cannot hold, and keys that are no texts, as texts."""
    return {str(key): value if _fits(value) else str(value)[:1024] for key, value in details.items()}


def _fits(value: object) -> bool:
    try:
        return len(encode({"value": value})) <= 65536
    except (OverflowError, ValueError, TypeError, RecursionError, ProtocolError):
        return False
