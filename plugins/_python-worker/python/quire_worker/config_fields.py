"""Checked reading of config.json: a field of the wrong kind is a typed error that names it."""

import math
from collections.abc import Mapping
from typing import Any, cast

from .errors import ModelInvalidError

LARGEST = 1 << 31
"""No size of a real model comes near; keeps a hostile file from asking for terabytes."""


class Fields:
    """The fields of one JSON object; null counts as absent."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    def count(self, name: str, default: int | None = None) -> int:
        value = self._values.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < LARGEST:
            raise _invalid(name, value, "a whole number above 0")
        return value

    def number(self, name: str, default: float) -> float:
        value = self._values.get(name)
        value = default if value is None else value
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _invalid(name, value, "a number")
        return float(value)

    def positive(self, name: str) -> float:
        value = self.number(name, 0.0)
        if value <= 0:
            raise _invalid(name, self._values.get(name), "a number above 0")
        return value

    def flag(self, name: str, default: bool) -> bool:
        value = self._values.get(name)
        value = default if value is None else value
        if not isinstance(value, bool):
            raise _invalid(name, value, "true or false")
        return value

    def text(self, name: str, default: str) -> str:
        value = self._values.get(name)
        value = default if value is None else value
        if not isinstance(value, str):
            raise _invalid(name, value, "a string")
        return value

    def mapping(self, name: str) -> dict[str, Any]:
        value = self._values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            raise _invalid(name, value, "an object")
        return cast("dict[str, Any]", value)

    def get(self, name: str) -> object:
        return self._values.get(name)

    def has(self, name: str) -> bool:
        """True where the field is there, even as null."""
        return name in self._values


def _invalid(name: str, value: object, expected: str) -> ModelInvalidError:
    return ModelInvalidError(f"config.json: {name} is {str(value)[:60]!r}, expected {expected}", {"field": name})
