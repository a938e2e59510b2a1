"""The weights of one rank as arrays: linear maps that read the same input side by side, tables of rotary positions."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from quire_worker.checkpoint import Checkpoint
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Shard, load_weights
from quire_worker.dtypes import Array, DTypeName, from_float32, to_float32
from quire_worker.runner import Progress

from .devices import from_host

Place = Callable[[Array], jax.Array]
"""Puts a host array on the device."""


def place_weights(config: DecoderConfig, checkpoint: Checkpoint, shard: Shard, dtype: DTypeName, place: Place, progress: Progress) -> dict[str, jax.Array]:
    """By name, in `dtype`; those of layers as `layers.name`, with all layers in front.

    Every rank has the same names and shapes: biases that rank 0 alone adds are zeros elsewhere.
    """
    waiting: dict[str, Array] = {}
    placed: dict[str, jax.Array] = {}

    def put(name: str, data: Array) -> None:
        placed[name] = place(from_host(data, dtype))

    about = config.num_layers * (9 if config.gated else 14) + 3
    for index, weight in enumerate(load_weights(config, checkpoint, shard)):
        progress(min(0.99, index / about))
        data = np.array(weight.data) if weight.dtype == dtype else from_float32(to_float32(weight.data, weight.dtype), dtype)
        *_, owner, part = weight.name.split(".") if "." in weight.name else ("", weight.name, "")
        joined = {"q": "qkv", "k": "qkv", "v": "qkv", "gate": "up"}.get(owner, "")
        if owner == "up" and config.gated:
            joined = "up"
        if not joined:
            put(weight.name, data)
            continue
        waiting[weight.name] = data
        stem = weight.name.rsplit(".", 2)[0]
        names = [f"{stem}.{name}.{part}" for name in (("q", "k", "v") if joined == "qkv" else ("gate", "up"))]
        if all(name in waiting for name in names):
            put(f"{stem}.{joined}.{part}", np.concatenate([waiting.pop(name) for name in names]))
    for layer in range(config.num_layers):
        for name, given in (("o", config.output_bias), ("down", config.mlp_bias)):
            if given and f"layers.{layer}.{name}.bias" not in placed:
                put(f"layers.{layer}.{name}.bias", np.zeros(config.hidden_size, from_float32(np.zeros(1), dtype).dtype))
    if config.rope is not None:
        for name, table in zip(("cosines", "sines"), config.rope.table(config.max_positions), strict=True):
            put(name, from_float32(table, dtype))
    progress(1.0)
    return _stacked(placed, config.num_layers)


def _stacked(placed: dict[str, jax.Array], num_layers: int) -> dict[str, jax.Array]:
    """`layers.N.name` of all layers as one array `layers.name`, one name after the other: there is no room for all twice."""
    names = [name.removeprefix("layers.0.") for name in placed if name.startswith("layers.0.")]
    for name in names:
        placed[f"layers.{name}"] = jnp.stack([placed.pop(f"layers.{layer}.{name}") for layer in range(num_layers)])
    return placed
