"""The parameters of one call, read with their types: what does not fit is the engine's mistake and named as such."""

from collections.abc import Mapping, Sequence
from typing import Any

from .errors import ProtocolMismatchError
from .tensor import Device


class CallParams:
    """Fields by name. Every reader raises ProtocolMismatchError for a field that is absent or of another type."""

    def __init__(self, call: str, fields: Mapping[str, Any]) -> None:
        self._call, self._fields = call, fields

    def integer(self, name: str, minimum: int = 0) -> int:
        value = self._fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self._wrong(name, f"a whole number from {minimum}")
        return value

    def optional_integer(self, name: str) -> int | None:
        return None if self._fields.get(name) is None else self.integer(name, 1)

    def text(self, name: str) -> str:
        value = self._fields.get(name)
        if not isinstance(value, str):
            raise self._wrong(name, "a text")
        return value

    def flag(self, name: str) -> bool:
        value = self._fields.get(name)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def data(self, name: str) -> bytes:
        value = self._fields.get(name)
        if not isinstance(value, bytes):
            raise self._wrong(name, "bytes")
        return value

    def sizes(self, name: str) -> tuple[int, ...]:
        value = self._fields.get(name)
        if not isinstance(value, list) or not all(type(item) is int and item >= 0 for item in value):
            raise self._wrong(name, "a list of whole numbers")
        return tuple(value)

    def group(self, name: str) -> "CallParams":
        return CallParams(f"{self._call}.{name}", self._mapping(self._fields.get(name), name))

    def groups(self, name: str) -> Sequence["CallParams"]:
        value = self._fields.get(name)
        if not isinstance(value, list):
            raise self._wrong(name, "a list")
        return [CallParams(f"{self._call}.{name}", self._mapping(item, name)) for item in value]

    def device(self, name: str = "device") -> Device:
        device = self.group(name)
        return Device(device.text("kind"), device.integer("index"))

    def _mapping(self, value: object, name: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self._wrong(name, "a map")
        return value

    def _wrong(self, name: str, expected: str) -> ProtocolMismatchError:
        return ProtocolMismatchError(f"The call {self._call} must have {name}: {expected}, got {self._fields.get(name)!r:.80}")
