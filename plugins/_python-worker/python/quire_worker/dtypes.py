"""The element types of the contract, and the NumPy arrays that carry them. NumPy has no bfloat16: its bits travel as uint16."""

from collections.abc import Sequence
from typing import Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt

from .errors import InvalidArgumentError

DTypeName = Literal["float32", "float16", "bfloat16", "int8", "uint8", "int32", "int64", "bool"]
Array = npt.NDArray[Any]

_CARRIERS: dict[str, npt.DTypeLike] = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": np.uint16,
    "int8": np.int8,
    "uint8": np.uint8,
    "int32": np.int32,
    "int64": np.int64,
    "bool": np.bool_,
}


def as_dtype(name: str) -> DTypeName:
    """`name`, checked. Raises InvalidArgumentError for a name that is no type of the contract."""
    if name not in get_args(DTypeName):
        raise InvalidArgumentError("dtype", f"There is no element type {name!r}", name)
    return cast(DTypeName, name)


def carrier(name: DTypeName) -> np.dtype[Any]:
    """The NumPy type that holds elements of `name`: bfloat16 as its bits."""
    return np.dtype(_CARRIERS[name])


def item_size(name: DTypeName) -> int:
    """Bytes per element."""
    return carrier(name).itemsize


def to_float32(data: Array, dtype: DTypeName) -> npt.NDArray[np.float32]:
    """The values of a carrier array in float32."""
    if dtype == "bfloat16":
        return (data.astype(np.uint32) << 16).view(np.float32)
    return data.astype(np.float32)


def from_float32(data: Array, dtype: DTypeName) -> Array:
    """Values rounded to `dtype` (ties to even), in its carrier."""
    if dtype == "bfloat16":
        bits = np.ascontiguousarray(data, dtype=np.float32).view(np.uint32)
        rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
        return np.where(np.isnan(data), np.uint16(0x7FC0), rounded)
    return data.astype(carrier(dtype))


def resolve_dtype(asked: str, checkpoint: DTypeName, supported: Sequence[DTypeName]) -> DTypeName:
    """
    The type to compute in: what was asked, or with 'auto' the checkpoint's where the device has it, else float32.
    Raises InvalidArgumentError for a type that the device lacks.
    """
    if asked == "auto":
        return checkpoint if checkpoint in supported else "float32"
    if asked not in supported:
        choices = ", ".join(supported)
        raise InvalidArgumentError("dtype", f"dtype must be auto or one of {choices} on this device, got {asked}.", asked)
    return as_dtype(asked)
