"""Errors that travel to the engine: each has one of Quire's stable codes."""

from collections.abc import Mapping
from typing import Any


class WorkerError(Exception):
    """A failure that the engine can name. `code` is one of Quire's error codes."""

    code = "ERR_RUNNER"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.details = dict(details or {})


class InvalidArgumentError(WorkerError):
    """An option that cannot be; `parameter` names it."""

    code = "ERR_INVALID_ARGUMENT"

    def __init__(self, parameter: str, message: str, value: object = None) -> None:
        super().__init__(message, {"parameter": parameter, "value": value})


class ModelInvalidError(WorkerError):
    """A model directory that is missing a part, or whose files do not agree."""

    code = "ERR_MODEL_INVALID"


class ModelNotFoundError(WorkerError):
    """There is no model at the path."""

    code = "ERR_MODEL_NOT_FOUND"


class ModelUnsupportedError(WorkerError):
    """A sound model that this runner cannot run."""

    code = "ERR_MODEL_UNSUPPORTED"


class OutOfMemoryError(WorkerError):
    """The device or the host has no room."""

    code = "ERR_OUT_OF_MEMORY"


class NotSupportedError(WorkerError):
    """A call that this framework or device does not have."""

    code = "ERR_NOT_SUPPORTED"


class FrameworkMissingError(WorkerError):
    """The framework cannot be imported in this environment, or finds no device."""

    code = "ERR_NO_FRAMEWORK"


class ProtocolMismatchError(WorkerError):
    """The engine and this worker disagree: a call that is not known, fields that do not fit, another step than was told."""

    code = "ERR_WORKER"
