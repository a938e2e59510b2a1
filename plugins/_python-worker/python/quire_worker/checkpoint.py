"""Safetensors files read by slices, without a framework: only the bytes of a slice are touched."""

import json
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from .dtypes import Array, DTypeName, carrier, item_size
from .errors import ModelInvalidError, ModelNotFoundError

_DTYPES: dict[str, DTypeName] = {
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I8": "int8",
    "U8": "uint8",
    "I32": "int32",
    "I64": "int64",
    "BOOL": "bool",
}
_MAX_HEADER_BYTES = 100 << 20


@dataclass(frozen=True)
class StoredTensor:
    """One tensor of a file: `data` is a read-only view over the mapped file; bfloat16 as its bits."""

    data: Array
    dtype: DTypeName


class Checkpoint:
    """The tensors of a model directory: model.safetensors, or the shards of model.safetensors.index.json."""

    def __init__(self, directory: Path) -> None:
        """Raises ModelNotFoundError, ModelInvalidError for headers that do not fit their file."""
        self._tensors: dict[str, StoredTensor] = {}
        for path in _files(directory):
            self._tensors.update(_open(path))

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def names(self) -> list[str]:
        return list(self._tensors)

    def get(self, name: str, shape: tuple[int, ...]) -> StoredTensor:
        """Raises ModelInvalidError if the tensor is absent or of another shape."""
        tensor = self._tensors.get(name)
        if tensor is None:
            raise ModelInvalidError(f"The checkpoint has no tensor {name}", {"tensor": name})
        if tensor.data.shape != shape:
            found = list(tensor.data.shape)
            raise ModelInvalidError(f"The tensor {name} has the shape {found}, expected {list(shape)}", {"tensor": name})
        if tensor.dtype not in ("float32", "float16", "bfloat16"):
            raise ModelInvalidError(f"The tensor {name} is stored as {tensor.dtype}, expected a floating-point type", {"tensor": name})
        return tensor


def _files(directory: Path) -> list[Path]:
    single, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if not index.is_file():
        raise ModelNotFoundError(f"{directory} has neither model.safetensors nor model.safetensors.index.json")
    try:
        names = set(json.loads(index.read_bytes())["weight_map"].values())
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelInvalidError(f"{index.name} cannot be read: {error}") from error
    paths = []
    for name in sorted(names, key=str):
        if not isinstance(name, str) or Path(name).name != name:
            raise ModelInvalidError(f"{index.name} names {name!r}, which is no file beside it")
        if not (directory / name).is_file():
            raise ModelNotFoundError(f"{index.name} names {name}, which is not there")
        paths.append(directory / name)
    return paths


def _open(path: Path) -> dict[str, StoredTensor]:
    def broken(why: str) -> ModelInvalidError:
        return ModelInvalidError(f"{path.name} is no sound safetensors file: {why}", {"file": path.name})

    size = path.stat().st_size
    if size < 8:
        raise broken(f"it has {size} bytes")
    with path.open("rb") as file:
        (header_bytes,) = struct.unpack("<Q", file.read(8))
        if header_bytes > min(size - 8, _MAX_HEADER_BYTES):
            raise broken(f"its header says it has {header_bytes} bytes")
        try:
            header = json.loads(file.read(header_bytes))
        except (ValueError, RecursionError) as error:
            raise broken(f"its header is no JSON ({error})") from error
    if not isinstance(header, dict):
        raise broken("its header is no object")
    content = np.memmap(path, np.uint8, "r", 8 + header_bytes) if size > 8 + header_bytes else np.zeros(0, np.uint8)
    return {name: _tensor(name, entry, content, broken) for name, entry in header.items() if name != "__metadata__"}


def _tensor(name: str, entry: Any, content: Array, broken: Any) -> StoredTensor:
    try:
        dtype, shape, (start, end) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
        sound = all(type(number) is int and number >= 0 for number in (*shape, start, end))
    except (KeyError, TypeError, ValueError) as error:
        raise broken(f"the entry of {name} is incomplete") from error
    if not isinstance(dtype, str) or dtype not in _DTYPES:
        raise broken(f"{name} has the type {dtype}, which is not known")
    if not sound or end > content.size or end - start != prod(shape) * item_size(_DTYPES[dtype]):
        raise broken(f"{name} lies at [{start}, {end}) of {content.size} bytes, with the shape {list(shape)} in {dtype}")
    flat = content[start:end]
    kind = carrier(_DTYPES[dtype])
    data = flat.view(kind) if start % kind.itemsize == 0 and flat.ctypes.data % kind.itemsize == 0 else np.frombuffer(flat.tobytes(), kind)
    return StoredTensor(data.reshape(shape), _DTYPES[dtype])
