"""A decoder-only transformer of any architecture that `DecoderConfig` describes, as pure functions of arrays, on one rank."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from quire_worker.decoder_config import DecoderConfig
from quire_worker.decoder_weights import Shard

Weights = Mapping[str, jax.Array]
RANK_AXIS = "rank"
"""Name of the mesh's axis, where there are several ranks."""
_STACKED = "layers."
_ENDLESS = 1 << 30
"""A window longer than any context."""


@dataclass(frozen=True)
class Step:
    """One program's share of a step, padded. `ids`, `positions`, `slots` are `[rows, tokens]`, `tables` is `[rows, pages]`."""

    ids: jax.Array
    positions: jax.Array
    slots: jax.Array
    """Past the end of the cache: not written."""
    tables: jax.Array


class Decoder:
    def __init__(self, config: DecoderConfig, shard: Shard, block_size: int) -> None:
        self._config, self._shard, self._block_size = config, shard, block_size

    def hidden(self, weights: Weights, caches: jax.Array, step: Step) -> tuple[jax.Array, jax.Array]:
        """
        `[rows, tokens, hidden]` before the last norm, and the caches, `[layers, elements]`, as they are then. One layer is compiled, and
        scanned: weights named `layers.*` have all layers in front.
        """
        config = self._config
        x = self._embedded(weights["embed"], step.ids)
        if "project_in" in weights:
            x = x @ weights["project_in"].T
        if "positions" in weights:
            x = x + weights["positions"][step.positions + config.position_offset]
        rotation = None
        if config.rope is not None:
            rotation = tuple(weights[name][step.positions][:, :, None] for name in ("cosines", "sines"))
        windows = [_ENDLESS if window is None else window for window in config.windows]
        layers = {
            "weights": {name.removeprefix(_STACKED): weight for name, weight in weights.items() if name.startswith(_STACKED)},
            "index": jnp.arange(config.num_layers, dtype=jnp.int32),
            "scale": jnp.array(config.scales, jnp.float32),
            "window": jnp.array(windows, jnp.int32),
        }
        pages = caches.reshape(config.num_layers, 2, -1, self._shard.num_kv_heads, config.head_dim)

        def layer(carry: tuple[jax.Array, jax.Array], of: Mapping[str, Any]) -> tuple[tuple[jax.Array, jax.Array], None]:
            return self._layer(of, *carry, rotation, step), None

        (x, pages), _ = jax.lax.scan(layer, (x, pages), layers)
        return x, pages.reshape(caches.shape)

    def logits(self, weights: Weights, x: jax.Array) -> jax.Array:
        """`[rows, vocab_size]` of float32, of `[rows, hidden]`."""
        if self._config.final_norm:
            x = self._norm(weights, "final_norm", x)
        if "project_out" in weights:
            x = x @ weights["project_out"].T
        own = (x @ weights.get("head", weights["embed"]).T).astype(jnp.float32)
        if self._shard.world_size == 1:
            return own
        whole: jax.Array = jax.lax.all_gather(own, RANK_AXIS, axis=1, tiled=True)
        return whole[:, : self._config.vocab_size]

    def _embedded(self, embed: jax.Array, ids: jax.Array) -> jax.Array:
        if self._shard.world_size == 1:
            return embed[ids]
        local = ids - jax.lax.axis_index(RANK_AXIS) * self._shard.vocab_rows
        here = (local >= 0) & (local < self._shard.vocab_rows)
        return self._sum(jnp.where(here[..., None], embed[jnp.where(here, local, 0)], 0))

    def _layer(self, of: Mapping[str, Any], x: jax.Array, pages: jax.Array, rotation: tuple[jax.Array, ...] | None, step: Step) -> tuple[jax.Array, jax.Array]:
        weights = of["weights"]
        if self._config.norm_first:
            attended, pages = self._attention(of, self._norm(weights, "attention_norm", x), pages, rotation, step)
            x = x + attended
            return x + self._mlp(weights, self._norm(weights, "mlp_norm", x)), pages
        attended, pages = self._attention(of, x, pages, rotation, step)
        x = self._norm(weights, "attention_norm", x + attended)
        return self._norm(weights, "mlp_norm", x + self._mlp(weights, x)), pages

    def _attention(
        self, of: Mapping[str, Any], x: jax.Array, pages: jax.Array, rotation: tuple[jax.Array, ...] | None, step: Step
    ) -> tuple[jax.Array, jax.Array]:
        """`pages` are `[layers, 2, slots, kv heads, head_dim]`."""
        config, shard, weights, index = self._config, self._shard, of["weights"], of["index"]
        rows, tokens = step.ids.shape
        dim, num_kv = config.head_dim, shard.num_kv_heads
        heads = _linear(weights, "qkv", x).reshape(rows, tokens, -1, dim)
        query, key, value = jnp.split(heads, [shard.num_heads, shard.num_heads + num_kv], 2)
        if config.head_norms:
            query = _rms_norm(query, weights["q_norm.weight"], config.norm_epsilon)
            key = _rms_norm(key, weights["k_norm.weight"], config.norm_epsilon)
        if rotation is not None:
            query, key = _rotate(query, *rotation), _rotate(key, *rotation)
        new = jnp.stack([key, value], 2).reshape(rows * tokens, 2, num_kv, dim)
        pages = pages.at[index, :, step.slots.reshape(-1)].set(new.astype(pages.dtype), mode="drop")
        blocks = pages.reshape(config.num_layers, 2, -1, self._block_size, num_kv, dim)
        keys, values = (blocks[index, which, step.tables].reshape(rows, -1, num_kv, dim) for which in range(2))
        grouped = query.reshape(rows, tokens, num_kv, -1, dim)
        scores = jnp.einsum("rqhgd,rlhd->rhgql", grouped, keys, preferred_element_type=jnp.float32) * of["scale"]
        distance = step.positions[:, :, None] - jnp.arange(keys.shape[1], dtype=jnp.int32)
        seen = (distance >= 0) & (distance < of["window"])
        share = jax.nn.softmax(jnp.where(seen[:, None, None], scores, -jnp.inf), axis=-1).astype(values.dtype)
        mixed = jnp.einsum("rhgql,rlhd->rqhgd", share, values).reshape(rows, tokens, -1)
        return self._sum(_linear(weights, "o", mixed)), pages

    def _mlp(self, weights: Weights, x: jax.Array) -> jax.Array:
        inner = _linear(weights, "up", x)
        if self._config.gated:
            gate, up = jnp.split(inner, 2, -1)
            inner = jax.nn.silu(gate) * up
        elif self._config.activation == "relu":
            inner = jax.nn.relu(inner)
        elif self._config.activation == "silu":
            inner = jax.nn.silu(inner)
        else:
            inner = jax.nn.gelu(inner, approximate=self._config.activation == "gelu_tanh")
        return self._sum(_linear(weights, "down", inner))

    def _norm(self, weights: Weights, name: str, x: jax.Array) -> jax.Array:
        weight, bias, epsilon = weights.get(f"{name}.weight"), weights.get(f"{name}.bias"), self._config.norm_epsilon
        if self._config.norm == "rms":
            return _rms_norm(x, weight, epsilon)
        wide = x.astype(jnp.float32)
        centred = wide - wide.mean(-1, keepdims=True)
        scaled = centred * jax.lax.rsqrt(jnp.square(centred).mean(-1, keepdims=True) + epsilon)
        scaled = scaled if weight is None else scaled * weight
        return (scaled if bias is None else scaled + bias).astype(x.dtype)

    def _sum(self, x: jax.Array) -> jax.Array:
        """Over ranks."""
        return x if self._shard.world_size == 1 else jax.lax.psum(x, RANK_AXIS)


def _linear(weights: Weights, name: str, x: jax.Array) -> jax.Array:
    product, bias = x @ weights[f"{name}.weight"].T, weights.get(f"{name}.bias")
    return product if bias is None else product + bias


def _rms_norm(x: jax.Array, weight: jax.Array | None, epsilon: float) -> jax.Array:
    wide = x.astype(jnp.float32)
    scaled = (wide * jax.lax.rsqrt(jnp.square(wide).mean(-1, keepdims=True) + epsilon)).astype(x.dtype)
    return scaled if weight is None else scaled * weight


def _rotate(x: jax.Array, cosines: jax.Array, sines: jax.Array) -> jax.Array:
    """Halves of each head against each other; tables are `[rows, tokens, 1, rotated / 2]`."""
    low, high = jnp.split(x, 2, -1)
    return jnp.concatenate([low * cosines - high * sines, high * cosines + low * sines], -1)
