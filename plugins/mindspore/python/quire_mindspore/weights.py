"""Weights of one rank as MindSpore Parameters: in the type to compute in, laid out for the device, query, key and value side by side."""

from collections.abc import Callable, Iterable

import mindspore as ms
import numpy as np
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Weight
from quire_worker.dtypes import Array, DTypeName, from_float32, to_float32
from quire_worker.errors import OutOfMemoryError

from .memory import parameter

Parameters = dict[str, ms.Parameter]


def load_parameters(weights: Iterable[Weight], config: DecoderConfig, dtype: DTypeName, *, transposed: bool, told: Callable[[int], None]) -> Parameters:
    """`transposed`: linear weights stay `[out, in]`. `told` gets the number of weights so far. Raises OutOfMemoryError."""
    parameters: Parameters = {}
    waiting: dict[str, Array] = {}

    def keep(name: str, data: Array) -> None:
        try:
            parameters[name] = parameter(data, dtype, name)
        except (MemoryError, RuntimeError) as error:
            raise OutOfMemoryError(f"There is no memory for the weight {name}: {error}") from error

    def linear(name: str, data: Array) -> None:
        keep(name, data if transposed or data.ndim == 1 else data.T)

    for count, weight in enumerate(weights):
        data = _converted(weight, dtype)
        stem, _, kind = weight.name.rpartition(".")
        base, _, part = stem.rpartition(".")
        if part in ("q", "k", "v"):
            waiting[f"{part}.{kind}"] = data
            if part == "v":
                linear(f"{base}.qkv.{kind}", np.concatenate([waiting.pop(f"{which}.{kind}") for which in "qkv"]))
        elif part in ("o", "gate", "up", "down"):
            linear(weight.name, data)
        elif weight.name in ("project_in", "project_out", "head"):
            linear(f"{weight.name}.weight", data)
        else:
            keep(weight.name, data)
            if weight.name == "embed":
                waiting["embed"] = data
        told(count + 1)
    if "head.weight" not in parameters:
        if transposed:
            parameters["head.weight"] = parameters["embed"]
        else:
            linear("head.weight", waiting["embed"])
    return parameters


def add_rotations(parameters: Parameters, config: DecoderConfig, dtype: DTypeName, num_positions: int) -> None:
    """The tables of `layers.Angles`."""
    if config.rope is None:
        return
    cosines, sines = config.rope.table(num_positions)
    tables = {"cosines": np.concatenate([cosines, cosines], 1), "sines": np.concatenate([-sines, sines], 1)}
    for name, table in tables.items():
        parameters[name] = parameter(from_float32(table[:, None, :], dtype), dtype, name)


def _converted(weight: Weight, dtype: DTypeName) -> Array:
    return weight.data if weight.dtype == dtype else from_float32(to_float32(weight.data, weight.dtype), dtype)
